package spf

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"pratique/posture/lookup"
)

// found are the SPF records among the TXT records of a domain.
type found struct {
	records []lookup.Text
	others  []lookup.Text
	answer  lookup.Answer
}

func (f found) none() bool { return len(f.records) == 0 }

// find returns the SPF records of a domain (RFC 7208 4.5).
func find(ctx context.Context, d *lookup.DNS, domain string) (found, error) {
	texts, answer, err := d.Texts(ctx, domain)
	f := found{answer: answer}
	for _, text := range texts {
		if isRecord(text.String()) {
			f.records = append(f.records, text)
		} else {
			f.others = append(f.others, text)
		}
	}
	return f, err
}

const version = "v=spf1"

// isRecord reports whether a text begins with exactly the version, and a space or
// the end behind it. Literals of the grammar know no case (RFC 5234 2.3).
func isRecord(text string) bool {
	return len(text) >= len(version) && strings.EqualFold(text[:len(version)], version) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

// record is a record that was read without a problem.
type record struct {
	mechanisms []term
	redirect   *term
	exp        *term
	unknown    []term // modifiers
}

// term is a mechanism or a modifier.
type term struct {
	text      string // as it stands
	qualifier byte   // of a mechanism: + - ~ ?
	name      string // in lower case
	spec      string // domain-spec with its macros; "": none is given
	prefix    netip.Prefix
	bits4     int // of a and mx; -1: none is given
	bits6     int
}

// asks reports whether the term is one of those whose number is limited (RFC 7208 4.6.4).
func (t term) asks() bool {
	switch t.name {
	case "include", "a", "mx", "ptr", "exists", "redirect":
		return true
	}
	return false
}

func (t term) result() Result {
	return map[byte]Result{'+': Pass, '-': Fail, '~': SoftFail, '?': Neutral}[t.qualifier]
}

// bits returns the length of the prefix for addresses like this one.
func (t term) bits(like netip.Addr) int {
	switch {
	case like.Is4() && t.bits4 >= 0:
		return t.bits4
	case like.Is6() && t.bits6 >= 0:
		return t.bits6
	}
	return like.BitLen()
}

// problem is what is wrong with a record, at a term.
type problem struct{ term, text string }

// parse reads a record, whose version is there (RFC 7208 12). With a problem
// anywhere the record is of no use.
func parse(text string) (record, []problem) {
	for i, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return record{}, []problem{{term: termAt(text, i), text: fmt.Sprintf("it holds the octet 0x%02x, and only printable ASCII is allowed", c)}}
		}
	}
	var r record
	var problems []problem
	for field := range strings.SplitSeq(text[len(version):], " ") {
		if field == "" {
			continue
		}
		if p := r.add(field); p != nil {
			problems = append(problems, *p)
		}
	}
	return r, problems
}

// termAt returns the term around a place.
func termAt(text string, at int) string {
	start := strings.LastIndexByte(text[:at], ' ') + 1
	end := len(text)
	if i := strings.IndexByte(text[at:], ' '); i >= 0 {
		end = at + i
	}
	return text[start:end]
}

// add reads one term.
func (r *record) add(field string) *problem {
	if name, value, ok := modifier(field); ok {
		return r.addModifier(field, strings.ToLower(name), value)
	}
	t, text := mechanism(field)
	if text != "" {
		return &problem{field, text}
	}
	r.mechanisms = append(r.mechanisms, t)
	return nil
}

// modifier splits name "=" value. What has one of ":/" before the "=" is a
// mechanism with a macro, or nonsense.
func modifier(field string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(field, "=")
	if !ok || name == "" || strings.ContainsAny(name, ":/%") {
		return "", "", false
	}
	for i, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '-' && c != '_' && c != '.') {
			return "", "", false
		}
	}
	return name, value, true
}

func (r *record) addModifier(field, name, value string) *problem {
	t := term{text: field, name: name, spec: value}
	place := map[string]**term{"redirect": &r.redirect, "exp": &r.exp}[name]
	if place == nil {
		if text := checkMacros(value, true); text != "" {
			return &problem{field, text}
		}
		r.unknown = append(r.unknown, t)
		return nil
	}
	if *place != nil {
		return &problem{field, name + "= stands twice, and may stand once (RFC 7208 6)"}
	}
	if text := checkSpec(value); text != "" {
		return &problem{field, text}
	}
	*place = &t
	return nil
}

// mechanism reads a mechanism, or says what is wrong with it.
func mechanism(field string) (term, string) {
	t := term{text: field, qualifier: '+', bits4: -1, bits6: -1}
	rest := field
	if strings.IndexByte("+-~?", rest[0]) >= 0 {
		t.qualifier, rest = rest[0], rest[1:]
	}
	end := strings.IndexAny(rest, ":/")
	if end < 0 {
		end = len(rest)
	}
	t.name = strings.ToLower(rest[:end])
	argument := rest[end:]
	switch t.name {
	case "all":
		if argument != "" {
			return t, "all takes nothing behind it"
		}
		return t, ""
	case "ip4", "ip6":
		return t.network(argument)
	case "include", "exists":
		spec, ok := strings.CutPrefix(argument, ":")
		if !ok || spec == "" {
			return t, t.name + " needs a domain: " + t.name + ":example.org"
		}
		t.spec = spec
		return t, checkSpec(spec)
	case "ptr":
		if argument == "" {
			return t, ""
		}
		spec, ok := strings.CutPrefix(argument, ":")
		if !ok {
			return t, "ptr takes no prefix length"
		}
		t.spec = spec
		return t, checkSpec(spec)
	case "a", "mx":
		return t.dual(argument)
	}
	return t, unknownMechanism(t.name)
}

// unknownMechanism says what was meant, perhaps.
func unknownMechanism(name string) string {
	for wrong, right := range map[string]string{
		"ip": "ip4: or ip6:", "ipv4": "ip4:", "ipv6": "ip6:", "includes": "include:", "aa": "a", "host": "a:", "exist": "exists:", "aaaa": "a: (which covers IPv6)",
	} {
		if name == wrong {
			return fmt.Sprintf("there is no mechanism %q; %s is meant, perhaps", name, right)
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return "an address needs ip4: or ip6: before it"
	}
	if strings.HasPrefix(name, "v=spf1") {
		return "a second version stands in the record: two records were pasted into one"
	}
	return fmt.Sprintf("there is no mechanism %.40q (all, include, a, mx, ptr, ip4, ip6 and exists there are)", name)
}

// network reads the argument of ip4 or ip6.
func (t term) network(argument string) (term, string) {
	text, ok := strings.CutPrefix(argument, ":")
	if !ok || text == "" {
		return t, t.name + " needs an address: " + t.name + ":" + map[string]string{"ip4": "192.0.2.0/24", "ip6": "2001:db8::/32"}[t.name]
	}
	host, length, sized := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return t, fmt.Sprintf("%q is no IPv%s address", host, t.name[2:])
	}
	if addr.Is4() != (t.name == "ip4") {
		return t, fmt.Sprintf("%s is an IPv%d address, for which ip%d is meant", host, map[bool]int{true: 4, false: 6}[addr.Is4()], map[bool]int{true: 4, false: 6}[addr.Is4()])
	}
	bits := addr.BitLen()
	if sized {
		if bits, ok = prefixLength(length, addr.BitLen()); !ok {
			return t, fmt.Sprintf("/%s is no prefix length; 0 to %d are", length, addr.BitLen())
		}
	}
	// An IPv4-mapped address stands for the IPv4 address, which ip4 is for: it can't match here.
	t.prefix = netip.PrefixFrom(addr, bits).Masked()
	return t, ""
}

// prefixLength reads a length without leading zeros (RFC 7208 12).
func prefixLength(text string, most int) (int, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return int(n), err == nil && int(n) <= most && (len(text) == 1 || text[0] != '0')
}

// dual reads the argument of a or mx: [":" domain-spec] ["/" length] ["//" length].
func (t term) dual(argument string) (term, string) {
	spec, lengths := argument, ""
	if i := slashOutsideMacros(argument); i >= 0 {
		spec, lengths = argument[:i], argument[i:]
	}
	if spec != "" {
		if t.spec = spec[1:]; t.spec == "" {
			return t, "there is no domain behind the colon"
		}
		if text := checkSpec(t.spec); text != "" {
			return t, text
		}
	}
	if lengths == "" {
		return t, ""
	}
	four, six, both := strings.Cut(lengths, "//")
	if four != "" {
		var ok bool
		if t.bits4, ok = prefixLength(strings.TrimPrefix(four, "/"), 32); !ok {
			return t, fmt.Sprintf("%s is no prefix length for IPv4; /0 to /32 are", four)
		}
	}
	if both {
		var ok bool
		if t.bits6, ok = prefixLength(six, 128); !ok {
			return t, fmt.Sprintf("//%s is no prefix length for IPv6; //0 to //128 are", six)
		}
	}
	return t, ""
}

// slashOutsideMacros returns where the lengths begin; a slash within a macro is a
// delimiter of it.
func slashOutsideMacros(text string) int {
	inside := false
	for i := range len(text) {
		switch {
		case text[i] == '{' && i > 0 && text[i-1] == '%':
			inside = true
		case text[i] == '}':
			inside = false
		case text[i] == '/' && !inside && looksLikeLengths(text[i:]):
			return i
		}
	}
	return -1
}

// looksLikeLengths reports whether only digits and slashes are left.
func looksLikeLengths(text string) bool { return strings.Trim(text, "0123456789/") == "" }
