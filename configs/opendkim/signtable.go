package opendkim

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// rule is an entry of the SigningTable.
type rule struct {
	pattern string // in lower case
	key     string // a name in the KeyTable, or "%" for the domain of From
	signer  string // i=, "" for none; "%" in it is the domain of From
	file    string
	line    int
}

// signTable finds the rules for an address. An index keeps it from walking a long
// table once for each of its entries.
type signTable struct {
	form  form
	rules []rule

	exact    map[string][]int // of a refile: no "*"; else: all, of which the first counts
	anyAt    map[string][]int // "*@example.org", by domain
	below    map[string][]int // "*@*.example.org" and "*.example.org", by domain
	patterns []int            // other patterns
}

// signTable reads the SigningTable. Entries that can't be used are noted and left out.
func (r *reader) signTable(s setting) (*signTable, error) {
	t := &signTable{exact: map[string][]int{}, anyAt: map[string][]int{}, below: map[string][]int{}}
	d, ok := r.dataSet(s)
	if !ok {
		return t, nil
	}
	t.form = d.form
	err := r.each(d, func(it item) {
		key, signer, _ := strings.Cut(it.value, ":")
		ru := rule{strings.ToLower(it.key), key, signer, it.file, it.line}
		if problem, do := t.unusable(ru); problem != "" {
			r.note(d.note(it, Lost, problem, do))
			return
		}
		t.add(ru)
	})
	return t, err
}

// unusable says why a rule never signs anything, or can't be followed.
func (t *signTable) unusable(ru rule) (problem, do string) {
	local, domain, isAddress := strings.Cut(ru.pattern, "@")
	switch {
	case ru.key == "":
		return fmt.Sprintf("%.80q names no key, and OpenDKIM answers 451 or crashes", ru.pattern), "name a key of the KeyTable behind it"
	case strings.ContainsFunc(ru.pattern, func(c rune) bool { return c >= 0x80 }):
		return fmt.Sprintf("%.80q is not ASCII, and OpenDKIM never matches it", ru.pattern), "write the domain as xn--…"
	case t.form == pattern && strings.ContainsAny(ru.pattern, strange):
		return fmt.Sprintf("%.80q has characters of a regular expression", ru.pattern), "write one line for each domain that it was meant for"
	case t.form == pattern && !isAddress && !strings.Contains(ru.pattern, "*"):
		return fmt.Sprintf("%.80q has no @, and never matched an address: a refile holds patterns of whole addresses", ru.pattern),
			"if it was meant to sign, give [[signing.domains]] for it"
	case t.form == literal && isAddress && (strings.Contains(local, "*") || domain != "*" && strings.Contains(domain, "*")),
		t.form == literal && !isAddress && ru.pattern != "*" && strings.Contains(ru.pattern, "*"):
		return fmt.Sprintf("%.80q is no pattern in a table that is not named with refile:, and never matched", ru.pattern),
			"if it was meant to sign, put refile: before the table's name and import again"
	case t.form == pattern && len(t.patterns) == maxPatterns && t.class(ru.pattern) == nil:
		return fmt.Sprintf("there are more than %d unusual patterns", maxPatterns), "write one line for each domain"
	}
	return "", ""
}

// class returns the index that a pattern belongs to, nil for patterns of no usual form.
func (t *signTable) class(p string) map[string][]int {
	switch {
	case t.form == literal || !strings.Contains(p, "*"):
		return t.exact
	case strings.HasPrefix(p, "*@*.") && !strings.ContainsAny(p[4:], "*@"),
		strings.HasPrefix(p, "*.") && !strings.ContainsAny(p[2:], "*@"):
		return t.below
	case strings.HasPrefix(p, "*@") && !strings.ContainsAny(p[2:], "*@"):
		return t.anyAt
	}
	return nil
}

func (t *signTable) add(ru rule) {
	index := t.class(ru.pattern)
	key := ru.pattern
	if t.form == pattern && index != nil && strings.HasPrefix(key, "*") {
		key = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(key, "*@"), "*"), ".")
	}
	n := len(t.rules)
	t.rules = append(t.rules, ru)
	if index == nil {
		t.patterns = append(t.patterns, n)
		return
	}
	index[key] = append(index[key], n)
}

// match returns the rules for an address in the order in which OpenDKIM finds them
// (dkimf_apply_signtable). Without MultipleSignatures only the first counts.
func (t *signTable) match(local, domain string) []rule {
	local = strings.ToLower(local)
	if t.form == literal {
		return t.lookUp(local, domain)
	}
	address := local + "@" + domain
	found := slices.Concat(t.exact[address], t.anyAt[domain])
	for parent := range parents(domain) {
		found = append(found, t.below[parent]...)
	}
	for _, n := range t.patterns {
		if glob(t.rules[n].pattern, address) {
			found = append(found, n)
		}
	}
	slices.Sort(found)
	var rules []rule
	for _, n := range found {
		rules = append(rules, t.rules[n])
	}
	return rules
}

// lookUp asks for an address in all its forms, from the most to the least precise.
func (t *signTable) lookUp(local, domain string) (rules []rule) {
	ask := func(key string) {
		if found := t.exact[key]; len(found) > 0 {
			rules = append(rules, t.rules[found[0]])
		}
	}
	ask(local + "@" + domain)
	ask(domain)
	for parent := range parents(domain) {
		ask(local + "@." + parent)
		ask("." + parent)
	}
	ask(local + "@*")
	ask("*")
	return rules
}

// parents yields the domains above a domain, the nearest one first.
func parents(domain string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			_, parent, ok := strings.Cut(domain, ".")
			if !ok || !yield(parent) {
				return
			}
			domain = parent
		}
	}
}

// scope is for which addresses a rule is meant.
type scope struct {
	domain string // "example.org"; "*.example.org" for what is below; "*" for all
	user   string // "": any
	suffix bool   // what merely ends in the domain matches too
}

// scope tells by the form of a pattern for whom it is; ok is false for unusual patterns.
func (t *signTable) scope(p string) (s scope, ok bool) {
	local, domain, isAddress := strings.Cut(p, "@")
	if !isAddress {
		local, domain = "", p
		if t.form == pattern && domain != "*" {
			s.suffix = !strings.HasPrefix(domain, "*.")
			domain = strings.TrimPrefix(domain, "*")
			if strings.HasPrefix(domain, ".") {
				domain = "*" + domain
			}
		}
	}
	if local != "*" {
		s.user = local
	}
	switch {
	case domain == "*":
	case t.form == literal && strings.HasPrefix(domain, "."):
		domain = "*" + domain
	case t.form == pattern && isAddress && strings.HasPrefix(domain, "*") && !strings.HasPrefix(domain, "*."):
		domain, s.suffix = domain[1:], true
	}
	s.domain = domain
	bare := strings.TrimPrefix(strings.TrimPrefix(domain, "*"), ".")
	return s, !strings.ContainsAny(bare, "*@") && !strings.Contains(s.user, "*") && (bare != "" || domain == "*")
}
