package spf

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pratique/posture/lookup"
)

// Mended is a record that may take the place of those that a domain has.
type Mended struct {
	Text string
	// Left are terms that were left out, because nobody can read them, or because they
	// harm the record.
	Left []string
	// narrower: it may refuse somebody whom what is there does not refuse.
	narrower bool
}

// Mend returns a record for a domain, whose survey was made, by which mail from some
// addresses passes, and in which what the survey names is put right, as far as that can
// be done at the domain. It tries out what it returns: without ok no record was found
// by which that mail passes. Where no address is known there is nothing to try it with:
// then a record that may refuse more than what is there is not ok either.
func Mend(ctx context.Context, d *lookup.DNS, s Survey, helo string, addrs []netip.Addr) (_ Mended, ok bool) {
	var best Mended
	for _, flat := range []bool{false, true} {
		m, after := mend(ctx, d, s, helo, addrs, flat)
		if m.narrower && len(addrs) == 0 {
			continue
		}
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
		m.narrower = m.narrower || r.narrower()
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
	terms    []string
	left     []string
	redirect string          // "": it does not end by leading to another one
	alls     []byte          // the qualifier of all in each record; 0: there is none
	drop     map[string]bool // what is to be left out, and whether somebody passes by it
	lacks    bool            // something was left out by which somebody passes, or was meant to
}

// draftOf takes what can be taken from the records of a domain, or from what was meant for one.
func draftOf(s Survey) *draft {
	r := &draft{drop: map[string]bool{}}
	for _, d := range s.Defects {
		if d.Domain == s.Domain && d.harmful() {
			r.drop[d.Term] = r.drop[d.Term] || d.permits()
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

// permits reports whether somebody passes by the term that a defect is about.
func (d Defect) permits() bool {
	return d.Code == Pointer || d.Code == NameMacro || d.Code == Everyone
}

// add adds the terms of a record. A redirect among the terms of others would lead away
// from them, and is an include then.
func (r *draft) add(text lookup.Text, among bool) {
	var all byte
	var redirect string
	for _, field := range fields(text) {
		if permits, harms := r.drop[field]; harms {
			r.leave(field, permits)
			continue
		}
		field = respell(field)
		name, value, isModifier := modifier(field)
		t, _ := mechanism(field)
		switch {
		case !readable(field):
			r.leave(field, true)
		case isModifier && strings.EqualFold(name, "redirect"):
			if redirect != "" {
				r.leave("redirect="+redirect, true)
			}
			redirect = value
		case isModifier:
			r.term(field)
		case t.name == "all":
			all = cmp.Or(all, t.qualifier) // the first one decides
		default:
			r.term(field)
		}
	}
	switch {
	case redirect == "" || all != 0:
	case among:
		r.term("include:" + redirect)
	default:
		r.redirect = redirect
	}
	r.alls = append(r.alls, all)
}

// leave leaves a term out.
func (r *draft) leave(field string, permits bool) {
	r.left = append(r.left, field)
	r.lacks = r.lacks || permits
}

// term adds a term once.
func (r *draft) term(text string) {
	if !slices.ContainsFunc(r.terms, func(other string) bool { return strings.EqualFold(other, text) }) {
		r.terms = append(r.terms, text)
	}
}

// text is the record, with some addresses before all else. Whoever is not listed is
// refused softly, unless every record there refuses him, and nothing was left out that
// may be what permits him: there may be senders that nobody has listed.
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
	case r.redirect != "":
		parts = append(parts, "redirect="+r.redirect)
	case len(r.alls) > 0 && !r.lacks && !slices.ContainsFunc(r.alls, func(all byte) bool { return all != '-' }):
		parts = append(parts, "-all")
	default:
		parts = append(parts, "~all")
	}
	return strings.Join(parts, " ")
}

// narrower reports whether the record may refuse somebody whom what is there does not.
func (r *draft) narrower() bool {
	refuses := func(all byte) bool { return all == '-' || all == '~' }
	return r.lacks || r.redirect == "" && (len(r.alls) == 0 || slices.ContainsFunc(r.alls, func(all byte) bool { return !refuses(all) }))
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
	if len(exchangers) > mostFlat {
		return nil, fmt.Errorf("%s has %d MX records", target, len(exchangers))
	}
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
