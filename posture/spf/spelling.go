package spf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"pratique/posture/lookup"
)

// fields splits a record, or what was meant for one, into terms: also where strings
// meet without a space, or where something else than a space stands between terms.
func fields(text lookup.Text) []string {
	joined := text.String()
	for i, j := range joints(text) {
		joined = joined[:j.at+i] + " " + joined[j.at+i:] // i spaces were put in before it
	}
	var all []string
	for _, field := range glued(strings.FieldsFunc(joined, func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(invisible+";\"'“”", c) })) {
		for strings.HasPrefix(strings.ToLower(field), version) {
			field = field[len(version):]
		}
		if lower := strings.ToLower(field); strings.HasPrefix(lower, "v=") || strings.HasPrefix(lower, "spf2.0/") || slices.Contains([]string{"v", "=", "spf", "spf1"}, lower) {
			continue
		}
		all = append(all, apart(field)...)
	}
	return all
}

// apart splits what commas stand between, but for those of macros (RFC 7208 7.1).
func apart(field string) []string {
	if strings.Contains(field, "%") {
		return []string{field}
	}
	return strings.FieldsFunc(field, func(c rune) bool { return c == ',' })
}

// glued puts terms together again in which a space stands: "- all", "ip4: 192.0.2.1",
// "include :example.org", "ip4:192.0.2.0 /24".
func glued(fields []string) []string {
	var all []string
	for _, field := range fields {
		last := len(all) - 1
		if last >= 0 && (strings.Trim(all[last], "+-~?–—−") == "" || strings.HasSuffix(all[last], ":") && !readable(field) || field[0] == ':' || field[0] == '/') {
			all[last] += field
			continue
		}
		all = append(all, field)
	}
	return all
}

// readable reports whether a term can be read.
func readable(text string) bool {
	_, problems := parse(version + " " + text)
	return len(problems) == 0
}

// respell returns a term as it was meant, if that can be told, or as it is.
func respell(text string) string {
	meant := strings.TrimRight(strings.TrimLeft(text, ","), ",.")
	for _, dash := range []string{"–", "—", "−", "\u2010", "\u2011"} {
		meant = strings.ReplaceAll(meant, dash, "-")
	}
	sign := ""
	if meant != "" && strings.IndexByte("+-~?", meant[0]) >= 0 {
		sign, meant = meant[:1], meant[1:]
	}
	name, argument := meant, ""
	if i := strings.IndexAny(meant, ":="); i >= 0 {
		name, argument = strings.ToLower(meant[:i]), meant[i+1:]
	}
	switch name {
	case "redirect":
		meant = "redirect=" + argument
	case "includes":
		meant = "include:" + argument
	case "exist":
		meant = "exists:" + argument
	case "aaaa", "host":
		meant = "a:" + argument
	case "include", "exists", "a", "mx", "ptr":
		meant = strings.TrimSuffix(name+":"+argument, ":")
	case "ip", "ip4", "ip6", "ipv4", "ipv6":
		meant = network(argument)
	default:
		if bare := network(meant); bare != "" {
			meant = bare
		}
	}
	if meant = sign + meant; meant != "" && readable(meant) && !readableAsMeant(text) {
		return meant
	}
	return text
}

// readableAsMeant reports whether a term can be read, and is none of the modifiers
// that are mechanisms with a wrong sign.
func readableAsMeant(text string) bool {
	name, _, isModifier := modifier(text)
	return readable(text) && !(isModifier && mistakenFor(name) != "")
}

// mistakenFor returns the mechanism that a modifier is taken for, or "".
func mistakenFor(modifier string) string {
	if name := strings.ToLower(modifier); slices.Contains([]string{"include", "a", "mx", "ip4", "ip6", "exists", "ptr"}, name) {
		return name
	}
	return ""
}

// network is the term for an address or network, or "".
func network(text string) string {
	host, length, sized := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return ""
	}
	term := permit(addr)
	if sized {
		bits, err := strconv.Atoi(length)
		if err != nil || bits < 0 || bits > addr.BitLen() {
			return ""
		}
		term += fmt.Sprintf("/%d", bits)
	}
	return term
}
