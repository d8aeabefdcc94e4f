package lint

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lengths of a domain and of a label (RFC 1035 2.3.4, RFC 5321 4.5.3.1.2).
const (
	maxDomain = 255
	maxLabel  = 63
)

// domainProblem says what is wrong with the syntax of a domain or address
// literal (RFC 5321 4.1.2, 4.1.3), or "".
func domainProblem(domain string) string {
	if strings.HasPrefix(domain, "[") {
		return literalProblem(domain)
	}
	if len(domain) > maxDomain {
		return fmt.Sprintf("has %d octets, at most %d are allowed", len(domain), maxDomain)
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if problem := labelProblem(label); problem != "" {
			return problem
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "ends in a number: an IP address must stand in brackets"
	}
	return ""
}

func literalProblem(literal string) string {
	inner := strings.TrimSuffix(strings.TrimPrefix(literal, "["), "]")
	tag, rest, tagged := strings.Cut(inner, ":")
	if !tagged {
		if addr, err := netip.ParseAddr(inner); err != nil || !addr.Is4() {
			return "is no IPv4 address literal"
		}
		return ""
	}
	if strings.EqualFold(tag, "IPv6") {
		if addr, err := netip.ParseAddr(rest); err != nil || !addr.Is6() || addr.Zone() != "" {
			return "is no IPv6 address literal"
		}
		return ""
	}
	if _, err := netip.ParseAddr(inner); err == nil {
		return "is an IPv6 address literal without its tag (IPv6:)"
	}
	return ""
}

func labelProblem(label string) string {
	switch {
	case label == "":
		return "has an empty label"
	case len(label) > maxLabel:
		return fmt.Sprintf("has a label of %d octets, at most %d are allowed", len(label), maxLabel)
	case label[0] == '-' || label[len(label)-1] == '-':
		return "has a label that begins or ends with a hyphen"
	}
	if strings.HasPrefix(strings.ToLower(label), "xn--") {
		return aLabelProblem(strings.ToLower(label))
	}
	for _, r := range label {
		if !letterDigitHyphen(r) && !inULabel(r) {
			return "has a character that no domain may have: " + shown(string(r))
		}
	}
	return ""
}

func letterDigitHyphen(r rune) bool {
	return r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// inULabel reports whether IDNA allows the character in an internationalized
// label: letters, marks and digits, and those that RFC 5892 2.6 and appendix A
// allow by exception or in context. Which of the letters are excluded changes
// with Unicode and is left to the registries.
func inULabel(r rune) bool {
	switch r {
	case utf8.RuneError:
		return false
	case 0x00B7, 0x0375, 0x05F3, 0x05F4, 0x0F0B, 0x200C, 0x200D, 0x3007, 0x30FB, 0x06FD, 0x06FE:
		return true
	}
	return r >= utf8.RuneSelf && unicode.In(r, unicode.Letter, unicode.Mark, unicode.Nd)
}

// aLabelProblem judges a label that begins with "xn--" (RFC 5890 2.3.2.1).
func aLabelProblem(label string) string {
	decoded, err := punycode(label[len("xn--"):])
	if err != nil {
		return "has a label that is no Punycode: " + shown(label)
	}
	foreign := false
	for _, r := range decoded {
		foreign = foreign || r >= utf8.RuneSelf
		if !letterDigitHyphen(r) && !inULabel(r) {
			return "has a label that stands for characters no domain may have: " + shown(label)
		}
	}
	if !foreign {
		return "has a label that is Punycode of plain ASCII: " + shown(label)
	}
	if first, _ := utf8.DecodeRuneInString(string(decoded)); unicode.In(first, unicode.Mark) {
		return "has a label that stands for a name beginning with a combining mark: " + shown(label)
	}
	return ""
}

var errPunycode = errors.New("not Punycode")

// Parameters of Punycode (RFC 3492 5).
const (
	punyBase        = 36
	punyTmin        = 1
	punyTmax        = 26
	punySkew        = 38
	punyDamp        = 700
	punyInitialBias = 72
	punyInitialN    = 128
)

// punycode decodes s (RFC 3492 6.2), which must be lower case and at most a label long.
func punycode(s string) ([]rune, error) {
	var out []rune
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		out, s = []rune(s[:i]), s[i+1:]
	}
	n, i, bias := punyInitialN, 0, punyInitialBias
	for s != "" {
		start, weight := i, 1
		for k := punyBase; ; k += punyBase {
			if s == "" {
				return nil, errPunycode
			}
			digit := punyDigit(s[0])
			s = s[1:]
			if digit < 0 || weight > unicode.MaxRune*maxLabel {
				return nil, errPunycode
			}
			i += digit * weight
			t := min(max(k-bias, punyTmin), punyTmax)
			if digit < t {
				break
			}
			weight *= punyBase - t
		}
		count := len(out) + 1
		bias = punyAdapt(i-start, count, start == 0)
		n += i / count
		i %= count
		if n > unicode.MaxRune {
			return nil, errPunycode
		}
		out = append(out[:i], append([]rune{rune(n)}, out[i:]...)...)
		i++
	}
	if len(out) == 0 {
		return nil, errPunycode
	}
	return out, nil
}

func punyDigit(c byte) int {
	switch {
	case c >= 'a' && c <= 'z':
		return int(c - 'a')
	case c >= '0' && c <= '9':
		return int(c-'0') + 26
	}
	return -1
}

func punyAdapt(delta, count int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / count
	k := 0
	for delta > (punyBase-punyTmin)*punyTmax/2 {
		delta /= punyBase - punyTmin
		k += punyBase
	}
	return k + (punyBase-punyTmin+1)*delta/(delta+punySkew)
}
