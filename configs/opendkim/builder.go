package opendkim

import (
	"fmt"
	"slices"
	"strings"

	"pratique/signing"
)

// nobody is a local part that no rule names: the one of "anyone else".
const nobody = "\x00"

// label stands for any name below a domain.
const label = "\x00"

// builder writes the domains that sign, each once.
type builder struct {
	t         *Translation
	r         *reader
	set       dataSet
	written   map[string]bool
	published map[string]string // files of keys, by the names of their records
}

func (t *Translation) newBuilder(r *reader, set dataSet) *builder {
	return &builder{t, r, set, map[string]bool{}, map[string]string{}}
}

func (b *builder) note(ru rule, kind Kind, text, do string) {
	b.r.note(b.set.note(item{file: ru.file, line: ru.line}, kind, text, do))
}

// rule writes what a rule of the SigningTable signs.
func (b *builder) rule(ru rule) {
	s, ok := b.t.table.scope(ru.pattern)
	switch {
	case !ok:
		b.note(ru, Lost, fmt.Sprintf("%.80q is no pattern of a whole domain", ru.pattern), "give [[signing.domains]] for each domain that it was meant for")
		return
	case s.user != "":
		b.address(ru, s)
		return
	}
	key, ok := b.t.keys.find(ru.key)
	if !ok && ru.key != "%" {
		b.note(ru, Lost, fmt.Sprintf("%.80q names the key %.80q, which the KeyTable has not or not in a form that can be used", ru.pattern, ru.key), "")
		return
	}
	names := b.names(ru, s, key)
	for _, name := range names {
		b.domain(name, ru)
	}
}

// names returns the From domains to write for a rule.
func (b *builder) names(ru rule, s scope, key keyEntry) []string {
	parent, below := strings.CutPrefix(s.domain, "*")
	parent = strings.TrimPrefix(parent, ".")
	within := func(name string) bool { return parent == "" || strings.HasSuffix(name, "."+parent) }
	switch {
	case !below && s.suffix:
		b.note(ru, Differs, fmt.Sprintf("%.80q also matches other domains whose name merely ends in it, which are not signed here", ru.pattern), "")
		return []string{s.domain, "*." + s.domain}
	case !below:
		return []string{s.domain}
	case ru.key == "%":
		var names []string
		for _, name := range b.t.keys.names {
			isDomain := strings.Contains(name, ".") && !strings.Contains(name, "_") // "_": named as its record
			if isDomain && within(strings.ToLower(name)) {
				names = append(names, strings.ToLower(name))
			}
		}
		b.note(ru, Differs, fmt.Sprintf("%.80q signs with the key of the KeyTable that is named as the domain: those that are there were taken over; to mail of others OpenDKIM answers 451, and here it leaves unsigned", ru.pattern),
			`to refuse that: [signing] unsigned = "reject"`)
		return names
	case key.domain == "%" && strings.Contains(key.path, "%"):
		var names []string
		for _, name := range b.r.expand(key.path) {
			if within(name) {
				names = append(names, name)
			}
		}
		b.note(ru, Differs, fmt.Sprintf("%.80q signs every domain with a key below %.80q: the %d whose key is there now were taken over", ru.pattern, key.path, len(names)),
			"give a new domain its [[signing.domains]], or import again")
		return names
	case key.domain == "%":
		b.note(ru, Lost, fmt.Sprintf("%.80q signs every such domain as itself with one key, and only those that are known can be listed", ru.pattern),
			"give [[signing.domains]] for each domain that has a record")
		return nil
	case parent == "":
		b.note(ru, Differs, fmt.Sprintf("%.80q signs mail of all domains as %s: here only that of %s and below is, for others it would not count for DMARC", ru.pattern, key.domain, key.domain),
			"give [[signing.domains]] with their own keys for the others that you send for")
		return []string{key.domain, "*." + key.domain}
	}
	return []string{s.domain}
}

// address is for a rule of single addresses, of which there are none here.
func (b *builder) address(ru rule, s scope) {
	domain := strings.Replace(strings.Replace(s.domain, "*.", label+".", 1), "*", label+"."+label, 1)
	own, _ := b.t.signatures(s.user, domain)
	others, _ := b.t.signatures(nobody, domain)
	if slices.Equal(own, others) {
		b.note(ru, Fine, fmt.Sprintf("%.80q signs as the whole domain does", ru.pattern), "")
		return
	}
	if len(others) == 0 {
		b.note(ru, Lost, fmt.Sprintf("%.80q signs for single addresses, and others of the domain stay unsigned; keys belong to whole domains here, and none signs for this one now", ru.pattern),
			"give [[signing.domains]] for it, and [signing] exclude for the addresses that must not be signed")
		return
	}
	b.note(ru, Lost, fmt.Sprintf("%.80q signs for single addresses with another key than the rest of the domain; keys belong to whole domains here, and that of the domain signs these too", ru.pattern),
		"move them into a subdomain if they need a key of their own")
}

// domain writes what the tables say of a From domain, "*.example.org" for those below one.
func (b *builder) domain(name string, ru rule) {
	if b.written[name] {
		return
	}
	signatures, missing := b.t.signatures(nobody, strings.Replace(name, "*", label, 1))
	if missing != "" {
		b.note(ru, Lost, fmt.Sprintf("for %s the SigningTable names the key %.80q, which the KeyTable has not or not in a form that can be used; OpenDKIM answers 451 to that mail", name, missing), "")
	}
	if n := len(b.t.table.match(nobody, strings.Replace(name, "*", label, 1))); n > 2 && len(signatures) == 2 {
		b.note(ru, Lost, fmt.Sprintf("%d keys are named for %s; OpenDKIM signs with the first and the last only, and so it is here", n, name),
			"add the others to its keys, if their records are published")
	}
	b.write(name, signatures, ru.file, ru.line)
}

// write adds the domain with those of the signatures that can be made here.
func (b *builder) write(name string, signatures []signature, file string, line int) {
	if len(signatures) == 0 || b.written[name] {
		return
	}
	b.written[name] = true
	at := rule{file: file, line: line}
	d := signing.Domain{Domain: name}
	from, below := strings.CutPrefix(name, "*.")
	d.SignAs = b.signAs(at, name, from, signatures)
	if d.SignAs == "" {
		return
	}
	for _, s := range signatures {
		if s.domain == d.SignAs && b.publish(at, d.SignAs, s) {
			d.Keys = append(d.Keys, signing.Key{Selector: s.selector, File: s.path})
			d.Identity = b.identity(at, d, s, below)
		}
	}
	if d.SignAs == from {
		d.SignAs = ""
	}
	if problem := problemOf(d); problem != "" {
		b.note(at, Lost, fmt.Sprintf("%.80q: %s", name, problem), "")
		return
	}
	b.t.Config.Signing.Domains = append(b.t.Config.Signing.Domains, d)
}

// signAs returns the d= to use: that of the first signature that DMARC would count.
func (b *builder) signAs(at rule, name, from string, signatures []signature) string {
	chosen := ""
	for _, s := range signatures {
		aligned := from == s.domain || strings.HasSuffix(from, "."+s.domain)
		switch {
		case !aligned:
			b.note(at, Lost, fmt.Sprintf("%s is signed as %.80q, which is not a parent of it, so that DMARC does not count it, and it is not made here", name, strings.ReplaceAll(s.domain, label, "*")),
				"give the domain a key of its own")
		case chosen == "":
			chosen = s.domain
		case chosen != s.domain:
			b.note(at, Lost, fmt.Sprintf("%s is signed as %s and as %s; here one domain signs, %s", name, chosen, s.domain, chosen), "")
		}
	}
	return chosen
}

// publish reports whether the key can be the one at the name of its record.
func (b *builder) publish(at rule, domain string, s signature) bool {
	record := strings.ToLower(s.selector) + "._domainkey." + domain
	first, taken := b.published[record]
	if taken && first != s.path {
		b.note(at, Lost, fmt.Sprintf("%.80q would be published at %s, as is %.80q; one name in the DNS holds one key", s.path, record, first), "give it a selector of its own")
		return false
	}
	b.published[record] = s.path
	return true
}

// identity returns the i= of a domain, which is one for all its keys.
func (b *builder) identity(at rule, d signing.Domain, s signature, below bool) string {
	if s.identity == "" || s.identity == "@"+d.SignAs {
		return d.Identity // nothing is said by it
	}
	switch {
	case !strings.Contains(s.identity, "@"):
		b.note(at, Differs, fmt.Sprintf("the second field for %s has no @, for which OpenDKIM lets mail leave unsigned; here it is signed, without i=", d.Domain),
			"take that domain out if nothing is to be signed")
		return d.Identity
	case below && strings.Contains(s.identity, label):
		b.note(at, Differs, fmt.Sprintf("i= names the subdomain of each message; for %s it is left out", d.Domain), "")
		return d.Identity
	case d.Identity != "" && d.Identity != s.identity:
		b.note(at, Differs, fmt.Sprintf("the signatures of %s have several i=; here all have %.80q", d.Domain, d.Identity), "")
		return d.Identity
	}
	with := d
	with.Identity = s.identity
	with.Keys = []signing.Key{{Selector: "s", File: "f"}}
	if problem := problemOf(with); problem != "" {
		b.note(at, Differs, fmt.Sprintf("the i= of %s is left out: %s", d.Domain, problem), "")
		return d.Identity
	}
	return s.identity
}

// problemOf returns what the signer would have against an entry.
func problemOf(d signing.Domain) (problem string) {
	opts := signing.DefaultOptions()
	opts.Domains = []signing.Domain{d}
	opts.Problems(func(_, text string) {
		if problem == "" {
			problem = text
		}
	})
	return problem
}
