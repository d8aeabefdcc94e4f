package opendkim

import (
	"fmt"
	"strings"

	"pratique/signing"
)

// signature is one that OpenDKIM would make.
type signature struct {
	domain, selector, path string // d=, s=, the key's file
	identity               string // i=, or ""
}

// translateSigning says which domains sign, and with what.
func (t *Translation) translateSigning(r *reader) error {
	mode, given := t.conf.get("Mode")
	signs := !given || strings.Contains(mode.value, "s")
	if !given || strings.Contains(mode.value, "v") {
		if !given {
			mode.value = "sv"
		}
		r.note(mode.note(Differs, fmt.Sprintf("is %q, and incoming mail is not verified here", mode.value),
			"keep an OpenDKIM with Mode v, or another verifier, for what comes in"))
	}
	if !signs {
		r.note(mode.note(Fine, "has no s, so that nothing is signed", ""))
		return nil
	}
	_, hasKeys := t.conf.get("KeyTable")
	_, hasRules := t.conf.get("SigningTable")
	switch {
	case hasKeys && hasRules:
		return t.translateTables(r)
	case hasKeys || hasRules:
		s, ok := t.conf.get("KeyTable")
		if !ok {
			s, _ = t.conf.get("SigningTable")
		}
		r.note(s.note(Lost, "KeyTable and SigningTable only work together, and OpenDKIM would not start", "give both, or Domain, Selector and KeyFile"))
		return nil
	}
	return t.translateDomains(r)
}

// translateDomains is for the one key of Domain, Selector and KeyFile.
func (t *Translation) translateDomains(r *reader) error {
	domains, hasDomains := t.conf.get("Domain")
	selector, hasSelector := t.conf.get("Selector")
	file, hasFile := t.conf.get("KeyFile")
	switch {
	case !hasDomains && !hasSelector && !hasFile:
		r.note(domains.note(Fine, "there is neither Domain nor SigningTable, so that nothing is signed", ""))
		return nil
	case !hasSelector || !hasFile:
		s := domains
		if hasFile {
			s = file
		} else if hasSelector {
			s = selector
		}
		r.note(s.note(Lost, "Domain, Selector and KeyFile only work together, and OpenDKIM would not start", "give all three"))
		return nil
	case !hasDomains:
		r.note(file.note(Lost, "there is no Domain, so that OpenDKIM signs nothing with this key", "give [[signing.domains]] if it was meant to"))
		return nil
	}
	d, ok := r.dataSet(domains)
	if !ok {
		return nil
	}
	t.table = &signTable{exact: map[string][]int{}}
	t.keys = &keyTable{entries: map[string]keyEntry{}}
	b := t.newBuilder(r, d)
	// The same as tables would have it, which is what Predict asks.
	sign := func(it item, pattern, as string) {
		t.table.add(rule{pattern: pattern, key: as, file: it.file, line: it.line})
		t.keys.entries[as] = keyEntry{as, selector.value, r.absolute(file.value), file.file, file.line}
	}
	return r.each(d, func(it item) {
		name := strings.ToLower(it.key)
		if name == "*" {
			sign(it, "*", "*")
			t.keys.entries["*"] = keyEntry{"%", selector.value, r.absolute(file.value), file.file, file.line}
		}
		if name == "*" || d.form == pattern && strings.ContainsAny(name, "*"+strange) {
			r.note(d.note(it, Lost, fmt.Sprintf("%.80q signs every such domain as itself, and only those that are known can be listed", it.key),
				"give [[signing.domains]] for each domain that has a record"))
			return
		}
		sign(it, name, name)
		own := []signature{{domain: name, selector: selector.value, path: r.absolute(file.value)}}
		b.write(name, own, it.file, it.line)
		if t.conf.yes("SubDomains") {
			sign(it, "."+name, name)
			b.write("*."+name, own, it.file, it.line)
		}
	})
}

// translateTables is for KeyTable and SigningTable. For each From domain that a rule
// names the tables are asked as OpenDKIM asks them, so that the order of rules, and
// what hides what, is taken over and not only their text.
func (t *Translation) translateTables(r *reader) (err error) {
	for _, name := range []string{"Domain", "Selector", "KeyFile"} {
		if s, ok := t.conf.get(name); ok {
			kind, text := Fine, "counts for nothing beside a KeyTable"
			if name == "KeyFile" {
				kind, text = Lost, "goes unused beside a KeyTable"
			}
			r.note(s.note(kind, text, ""))
		}
	}
	keys, _ := t.conf.get("KeyTable")
	if t.keys, err = r.keyTable(keys); err != nil {
		return err
	}
	rules, _ := t.conf.get("SigningTable")
	if t.table, err = r.signTable(rules); err != nil {
		return err
	}
	b := t.newBuilder(r, dataSet{setting: rules})
	for _, ru := range t.table.rules {
		b.rule(ru)
	}
	return nil
}

// signatures returns what the tables say for an address, and the name of a key that
// is missing: then OpenDKIM answers 451, and nothing is signed.
//
// Of more than two signatures OpenDKIM 2.11 makes the first and the last: in its list
// of requests each one behind the first takes the place of the one before
// (dkimf_add_signrequest, seen with 2.11.0~beta2).
func (t *Translation) signatures(local, domain string) (list []signature, missing string) {
	if t.table == nil {
		return nil, ""
	}
	for _, ru := range t.table.match(local, domain) {
		name := ru.key
		if name == "%" {
			name = domain
		}
		key, ok := t.keys.find(name)
		if !ok {
			return nil, name
		}
		s := signature{domain: key.domain, selector: key.selector, path: key.path}
		if s.domain == "%" {
			s.domain = domain
		}
		s.path = strings.ReplaceAll(s.path, "%", s.domain)
		s.identity = strings.ReplaceAll(ru.signer, "%", domain)
		list = append(list, s)
		if !t.conf.yes("MultipleSignatures") {
			break
		}
	}
	if n := len(list); n > 2 {
		list = []signature{list[0], list[n-1]}
	}
	return list, ""
}

// translateExcludes is for ExemptDomains: mail that is never signed.
func (t *Translation) translateExcludes(r *reader) error {
	s, ok := t.conf.get("ExemptDomains")
	if !ok {
		return nil
	}
	d, ok := r.dataSet(s)
	if !ok {
		return nil
	}
	t.exempt = map[string]bool{}
	return r.each(d, func(it item) {
		name := strings.ToLower(it.key)
		t.exempt[name] = true
		opts := signing.DefaultOptions()
		opts.Exclude = []string{name}
		problem := ""
		opts.Problems(func(_, text string) { problem = text })
		bare := strings.TrimPrefix(name, "*.")
		switch {
		case d.form == literal && strings.Contains(name, "*"), strings.HasPrefix(name, "."), strings.Contains(name, "@"):
			problem = fmt.Sprintf("%.80q never matches a domain", it.key)
		case strings.ContainsAny(bare, "*"+strange):
			problem = fmt.Sprintf("%.80q is a pattern", it.key)
		}
		if problem != "" {
			r.note(d.note(it, Lost, problem, "list the domains in [signing] exclude"))
			return
		}
		t.Config.Signing.Exclude = append(t.Config.Signing.Exclude, name)
	})
}
