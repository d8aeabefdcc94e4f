package spf

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pratique/posture/lookup"
)

// Mended is a record that may take the place of those that a domain has.
type Mended struct {
	Text string
	// Left are terms that were left out, because nobody can read them, or because they
	// harm the record.
	Left []string
}

// Mend returns a record for a domain, whose survey was made, by which mail from some
// addresses passes, and in which what the survey names is put right, as far as that can
// be done at the domain. It tries out what it returns: without ok no record was found
// by which that mail passes.
func Mend(ctx context.Context, d *lookup.DNS, s Survey, helo string, addrs []netip.Addr) (_ Mended, ok bool) {
	var best Mended
	for _, flat := range []bool{false, true} {
		m, after := mend(ctx, d, s, helo, addrs, flat)
		if len(uncovered(ctx, With(ctx, d, s.Domain, m.Text), s.Domain, helo, addrs)) > 0 {
			continue
		}
		if !slices.ContainsFunc(after.Defects, Defect.Fatal) {
			return m, true
		}
		if best.Text == "" {
			best = m
		}
	}
	return best, best.Text != ""
}

// mostMends bounds how often a record is mended anew: what is wrong with a record that
// can't be read shows once it can be.
const mostMends = 3

// mend returns a record, and its survey. If it is to be flat, names become addresses.
func mend(ctx context.Context, d *lookup.DNS, s Survey, helo string, addrs []netip.Addr, flat bool) (m Mended, after Survey) {
	after = s
	for range mostMends {
		r := draftOf(after)
		if flat {
			r.flatten(ctx, d, s.Domain)
		}
		for _, term := range r.left {
			if !slices.Contains(m.Left, term) {
				m.Left = append(m.Left, term)
			}
		}
		m.Text = r.text(uncovered(ctx, With(ctx, d, s.Domain, r.text(nil)), s.Domain, helo, addrs))
		after = Look(ctx, With(ctx, d, s.Domain, m.Text), s.Domain)
		if !slices.ContainsFunc(after.Defects, func(d Defect) bool { return d.Domain == s.Domain && d.harmful() }) {
			break
		}
	}
	return m, after
}

// With returns a DNS in which a domain has one SPF record, this one.
func With(ctx context.Context, d *lookup.DNS, domain, record string) *lookup.DNS {
	return d.Instead(ctx, domain, func(text string) bool { return isRecord(text) || resembles(text) != "" }, record)
}

// uncovered returns the addresses that a record does not permit.
func uncovered(ctx context.Context, d *lookup.DNS, domain, helo string, addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(addr netip.Addr) bool {
		return Check(ctx, d, Sender{Addr: addr, Helo: helo}, domain).Result == Pass
	})
}

// draft is a record that is being put together.
type draft struct {
	terms     []string
	left      []string
	redirects []string
	all       byte // its qualifier; 0: there is none
	drop      map[string]bool
}

// draftOf takes what can be taken from the records of a domain, or from what was meant for one.
func draftOf(s Survey) *draft {
	r := &draft{drop: map[string]bool{}}
	for _, d := range s.Defects {
		if d.Domain == s.Domain && d.harmful() {
			r.drop[d.Term] = true
		}
	}
	texts := s.Texts
	if len(texts) == 0 {
		texts = s.Resembling
	}
	for _, text := range texts {
		r.add(text, len(texts) > 1)
	}
	return r
}

// harmful reports whether the term that a defect is about is better left out.
func (d Defect) harmful() bool {
	switch d.Code {
	case Void, IncludesNone, Loop, Private, Pointer, NameMacro:
		return true
	case Everyone:
		return !strings.HasSuffix(strings.ToLower(d.Term), "all")
	}
	return false
}

// add adds the terms of a record. A redirect among the terms of others would lead away
// from them, and is an include then.
func (r *draft) add(text lookup.Text, among bool) {
	before := r.all
	r.all = 0
	var redirect string
	for _, field := range fields(text) {
		if r.drop[field] {
			r.left = append(r.left, field)
			continue
		}
		field = respell(field)
		name, value, isModifier := modifier(field)
		t, problem := mechanism(field)
		switch {
		case isModifier && strings.EqualFold(name, "redirect"):
			redirect = value
		case isModifier:
			r.term(field)
		case problem != "":
			r.left = append(r.left, field)
		case t.name == "all":
			r.all = stricter(r.all, t.qualifier)
		default:
			r.term(field)
		}
	}
	switch {
	case redirect == "" || r.all != 0:
	case among:
		r.term("include:" + redirect)
	default:
		r.redirects = append(r.redirects, redirect)
	}
	r.all = stricter(before, r.all)
}

// term adds a term once.
func (r *draft) term(text string) {
	if !slices.ContainsFunc(r.terms, func(other string) bool { return strings.EqualFold(other, text) }) {
		r.terms = append(r.terms, text)
	}
}

// stricter returns the one of two qualifiers of all that refuses more.
func stricter(a, b byte) byte {
	const order = "\x00+?~-"
	if strings.IndexByte(order, a) >= strings.IndexByte(order, b) {
		return a
	}
	return b
}

// text is the record, with some addresses before all else. Whoever is not listed is
// refused softly, unless it was refused before: there may be senders that nobody has listed.
func (r *draft) text(addrs []netip.Addr) string {
	parts := []string{version}
	for _, addr := range addrs {
		parts = append(parts, permit(addr))
	}
	for _, term := range r.terms {
		if !slices.Contains(parts, term) {
			parts = append(parts, term)
		}
	}
	switch {
	case r.all == '-' || r.all == '~':
		parts = append(parts, string(r.all)+"all")
	case r.all == 0 && len(r.redirects) == 1:
		parts = append(parts, "redirect="+r.redirects[0])
	default:
		parts = append(parts, "~all")
	}
	return strings.Join(parts, " ")
}

// permit is the term for an address.
func permit(addr netip.Addr) string {
	if addr.Is4() {
		return "ip4:" + addr.String()
	}
	return "ip6:" + addr.String()
}

// mostFlat bounds the addresses that stand in for a name.
const mostFlat = 20

// flatten replaces names whose addresses can be listed by these: they need no look-up.
func (r *draft) flatten(ctx context.Context, d *lookup.DNS, domain string) {
	var flat draft
	for _, text := range r.terms {
		t, problem := mechanism(text)
		if _, _, isModifier := modifier(text); isModifier || problem != "" || t.name != "a" && t.name != "mx" || t.qualifier != '+' || hasMacros(t.spec) || t.bits4 >= 0 || t.bits6 >= 0 {
			flat.term(text)
			continue
		}
		target := t.spec
		if target == "" {
			target = domain
		}
		addrs, err := addressesOf(ctx, d, t.name, target)
		if err != nil || len(addrs) > mostFlat {
			flat.term(text)
			continue
		}
		for _, addr := range addrs {
			flat.term(permit(addr))
		}
	}
	r.terms = flat.terms
}

// addressesOf returns what an a or mx mechanism stands for.
func addressesOf(ctx context.Context, d *lookup.DNS, mechanism, target string) ([]netip.Addr, error) {
	if mechanism == "a" {
		return d.AllAddresses(ctx, target)
	}
	exchangers, err := d.Exchangers(ctx, target)
	var all []netip.Addr
	for _, mx := range exchangers {
		addrs, addrErr := d.AllAddresses(ctx, mx.Mx)
		if addrErr != nil {
			return nil, addrErr
		}
		all = append(all, addrs...)
	}
	return all, err
}

// fields splits a record, or what was meant for one, into terms: also where strings
// meet without a space, or where something else than a space stands between terms.
func fields(text lookup.Text) []string {
	joined := text.String()
	for i, j := range joints(text) {
		joined = joined[:j.at+i] + " " + joined[j.at+i:] // i spaces were put in before it
	}
	var all []string
	for _, field := range strings.FieldsFunc(joined, func(c rune) bool { return strings.ContainsRune(" \t\r\n;\"'“”", c) }) {
		for strings.HasPrefix(strings.ToLower(field), version) {
			field = field[len(version):]
		}
		if lower := strings.ToLower(field); strings.HasPrefix(lower, "v=") || strings.HasPrefix(lower, "spf2.0/") || slices.Contains([]string{"v", "=", "spf", "spf1"}, lower) {
			continue
		}
		if field != "" {
			all = append(all, field)
		}
	}
	return all
}

// readable reports whether a term can be read.
func readable(text string) bool {
	var r record
	return r.add(text) == nil
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
