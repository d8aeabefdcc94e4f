package lint

import (
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
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
	decoded, err := idna.Punycode.ToUnicode(label)
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
	if first, _ := utf8.DecodeRuneInString(decoded); unicode.In(first, unicode.Mark) {
		return "has a label that stands for a name beginning with a combining mark: " + shown(label)
	}
	return ""
}
