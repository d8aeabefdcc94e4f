package spf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// checkSpec says what is wrong with a domain-spec (RFC 7208 7.1), or returns "".
func checkSpec(spec string) string {
	if spec == "" {
		return "there is no domain in it"
	}
	if text := checkMacros(spec, false); text != "" {
		return text
	}
	if strings.HasSuffix(spec, "}") && strings.Contains(spec, "%{") {
		return ""
	}
	// domain-end is "." toplabel ["."] or a macro.
	name := strings.TrimSuffix(spec, ".")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return fmt.Sprintf("%q is no domain: it has no dot", spec)
	}
	return checkTopLabel(name[dot+1:], spec)
}

// checkTopLabel holds the last label to letters, digits and hyphens, and not only digits.
func checkTopLabel(label, spec string) string {
	alpha := false
	for _, c := range []byte(label) {
		switch {
		case 'a' <= c|0x20 && c|0x20 <= 'z' || c == '-':
			alpha = true
		case c < '0' || c > '9':
			return fmt.Sprintf("%q is no domain: its last label may hold letters, digits and hyphens", spec)
		}
	}
	switch {
	case label == "":
		return fmt.Sprintf("%q is no domain: it ends with an empty label", spec)
	case !alpha:
		return fmt.Sprintf("%q is no domain: its last label is a number (an address needs ip4:)", spec)
	case label[0] == '-' || label[len(label)-1] == '-':
		return fmt.Sprintf("%q is no domain: its last label begins or ends with a hyphen", spec)
	}
	return ""
}

// macro is one %{…}.
type macro struct {
	letter     byte // lower case
	escape     bool // the letter was upper case: URL escaping
	digits     int  // 0: all parts
	reverse    bool
	delimiters string
}

// parseMacro reads what stands between the braces.
func parseMacro(body string) (m macro, problem string) {
	if body == "" {
		return m, "%{} has no letter"
	}
	m.letter, m.escape = body[0]|0x20, body[0] < 'a'
	if !strings.ContainsRune("slodiphcrtv", rune(m.letter)) {
		return m, fmt.Sprintf("%%{%s}: there is no macro %q", body, body[0])
	}
	rest := body[1:]
	digits := 0
	for digits < len(rest) && '0' <= rest[digits] && rest[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		n, err := strconv.Atoi(rest[:digits])
		if err != nil {
			n = 128
		}
		if n == 0 {
			return m, fmt.Sprintf("%%{%s}: 0 parts are asked for", body)
		}
		m.digits = min(n, 128)
	}
	rest = rest[digits:]
	if rest != "" && rest[0]|0x20 == 'r' {
		m.reverse, rest = true, rest[1:]
	}
	if strings.Trim(rest, ".-+,/_=") != "" {
		return m, fmt.Sprintf("%%{%s}: %q is no delimiter", body, rest)
	}
	m.delimiters = rest
	if m.delimiters == "" {
		m.delimiters = "."
	}
	return m, ""
}

// checkMacros says what is wrong with the macros of a text, or returns "". The
// letters c, r and t are for explanations.
func checkMacros(text string, explanation bool) string {
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			continue
		}
		i++
		switch {
		case i == len(text):
			return "a single % stands at its end; %% is a percent sign"
		case strings.IndexByte("%_-", text[i]) >= 0:
			continue
		case text[i] != '{':
			return fmt.Sprintf("%%%c is no macro; %%%% is a percent sign", text[i])
		}
		end := strings.IndexByte(text[i:], '}')
		if end < 0 {
			return "a %{ has no } behind it"
		}
		m, problem := parseMacro(text[i+1 : i+end])
		if problem != "" {
			return problem
		}
		if !explanation && strings.IndexByte("crt", m.letter) >= 0 {
			return fmt.Sprintf("%%{%c} is for explanations only (RFC 7208 7.2)", m.letter)
		}
		i += end
	}
	return ""
}

// hasMacros reports whether a domain-spec depends on who sends.
func hasMacros(spec string) bool { return strings.Contains(spec, "%") }

// usesName reports whether a domain-spec has the macro p, which costs look-ups.
func usesName(spec string) bool { return strings.Contains(strings.ToLower(spec), "%{p") }

// expand expands the macros of a domain-spec that was checked (RFC 7208 7.3), and
// shortens the result to what fits into the DNS.
func (e *evaluation) expand(spec, domain string) string {
	var b strings.Builder
	for i := 0; i < len(spec); i++ {
		if spec[i] != '%' || i+1 == len(spec) {
			b.WriteByte(spec[i])
			continue
		}
		i++
		switch spec[i] {
		case '%':
			b.WriteByte('%')
		case '_':
			b.WriteByte(' ')
		case '-':
			b.WriteString("%20")
		case '{':
			end := i + strings.IndexByte(spec[i:], '}')
			m, _ := parseMacro(spec[i+1 : end])
			b.WriteString(m.apply(e.value(m.letter, domain)))
			i = end
		}
	}
	return shorten(strings.TrimSuffix(b.String(), "."))
}

// value returns what a macro letter stands for.
func (e *evaluation) value(letter byte, domain string) string {
	s := e.sender
	switch letter {
	case 's':
		return s.Local + "@" + s.Domain
	case 'l':
		return s.Local
	case 'o':
		return s.Domain
	case 'd':
		return domain
	case 'i':
		return dotted(s.Addr)
	case 'v':
		if s.Addr.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return s.Helo
	case 'p':
		return e.name(domain)
	}
	return ""
}

// name is the macro p: a validated name of the address, one within the domain first.
func (e *evaluation) name(domain string) string {
	names, _ := e.names()
	for _, within := range []func(string) bool{
		func(n string) bool { return strings.EqualFold(n, domain) },
		func(n string) bool { return below(n, domain) },
		func(string) bool { return true },
	} {
		if i := slices.IndexFunc(names, within); i >= 0 {
			return names[i]
		}
	}
	return "unknown"
}

// dotted is the macro i: IPv6 addresses by their nibbles.
func dotted(addr netip.Addr) string {
	if addr.Is4() {
		return addr.String()
	}
	var parts []string
	for _, b := range addr.As16() {
		parts = append(parts, fmt.Sprintf("%x", b>>4), fmt.Sprintf("%x", b&15))
	}
	return strings.Join(parts, ".")
}

// apply splits a value, reverses it, keeps the rightmost parts, and escapes it.
func (m macro) apply(value string) string {
	parts := splitAny(value, m.delimiters)
	if m.reverse {
		slices.Reverse(parts)
	}
	if m.digits > 0 && len(parts) > m.digits {
		parts = parts[len(parts)-m.digits:]
	}
	value = strings.Join(parts, ".")
	if m.escape {
		return escape(value)
	}
	return value
}

// splitAny splits at each of the delimiters, keeping empty parts.
func splitAny(value, delimiters string) []string {
	var parts []string
	start := 0
	for i := range len(value) {
		if strings.IndexByte(delimiters, value[i]) >= 0 {
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}

// escape escapes all but the unreserved characters (RFC 3986 2.3).
func escape(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// shorten takes labels off the left of a name that is too long (RFC 7208 7.3).
func shorten(name string) string {
	for len(name) > 253 {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return name
		}
		name = rest
	}
	return name
}
