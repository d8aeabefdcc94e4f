package signing

import (
	"fmt"
	"iter"
	"strings"
)

// table finds the entry for a From domain.
type table struct {
	exact  map[string]*entry
	below  map[string]*entry // by parent: "example.org" for "*.example.org"
	keys   *keyring
	stamp  Stamp // of the file, as it was before it was read
	broken []Broken
}

// entry is what signs the mail of a domain.
type entry struct {
	domain   string // d=
	identity string // i=, or ""
	keys     []publishedKey
	broken   error // why this domain can't be signed for, or nil
	line     int   // in the table file; 0: it is not from there
}

// publishedKey is a key under the selector where verifiers look for its public half.
type publishedKey struct {
	selector string
	*heldKey
}

// newTable reads the keys of the domains, and of those of the file if it is not "".
func newTable(domains []Domain, file string, keys *keyring) (*table, error) {
	t := &table{exact: map[string]*entry{}, below: map[string]*entry{}, keys: keys}
	b := tableBuilder{table: t, words: map[string]string{}}
	for _, d := range domains {
		if err := b.add(0, d); err != nil {
			return nil, err
		}
	}
	if file != "" {
		if err := b.addFile(file); err != nil {
			return nil, err
		}
	}
	keys.load()
	t.judge(keys.log)
	return t, nil
}

// all yields the entries with their domains as configured, in no order.
func (t *table) all() iter.Seq2[string, *entry] {
	return func(yield func(string, *entry) bool) {
		for name, e := range t.exact {
			if !yield(name, e) {
				return
			}
		}
		for name, e := range t.below {
			if !yield("*."+name, e) {
				return
			}
		}
	}
}

func (t *table) empty() bool { return len(t.exact) == 0 && len(t.below) == 0 }

// find returns the entry for a lower-cased domain: its own, else that of the
// nearest parent with a wildcard, else nil.
func (t *table) find(domain string) *entry {
	if len(domain) > maxDomain {
		return nil // and not walked up: a From field may hold a great many labels
	}
	if e := t.exact[domain]; e != nil {
		return e
	}
	for parent := range parents(domain) {
		if e := t.below[parent]; e != nil {
			return e
		}
	}
	return nil
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

// tableBuilder fills a table. It keeps nothing of the lines that it is given but
// what the table needs: a part of a string keeps the whole.
type tableBuilder struct {
	table *table
	words map[string]string // selectors, identities and the like, each once
}

// add puts a domain without problems of its own into the table. line is 0 if it is
// not from the table file.
func (b *tableBuilder) add(line int, d Domain) error {
	name, below := d.from()
	name = strings.Clone(name)
	into := b.table.exact
	if below {
		into = b.table.below
	}
	if first := into[name]; first != nil {
		return fmt.Errorf("%s has %s already; list all its keys in one place", d.Domain, first.where())
	}
	e := &entry{domain: name, identity: b.word(d.Identity), keys: make([]publishedKey, 0, len(d.Keys)), line: line}
	if signing := d.SigningDomain(); signing != name {
		e.domain = b.word(signing)
	}
	for _, k := range d.Keys {
		e.keys = append(e.keys, publishedKey{b.word(k.Selector), b.table.keys.get(k.File)})
	}
	into[name] = e
	return nil
}

// addFile adds what is in the table file. The table is of no use after an error.
func (b *tableBuilder) addFile(file string) error {
	b.table.stamp = stampOf(file)
	problems := &TableError{File: file}
	err := problems.read(func(line int, d Domain) {
		if err := b.add(line, d); err != nil {
			problems.add(line, err.Error())
		}
	})
	if err != nil {
		return err
	}
	b.holdOneKeyAName(problems)
	return problems.orNil()
}

func (e *entry) where() string {
	if e.line == 0 {
		return "an entry outside of this table"
	}
	return fmt.Sprintf("line %d", e.line)
}

// word returns one copy of a text that many lines have.
func (b *tableBuilder) word(text string) string {
	if own, ok := b.words[text]; ok {
		return own
	}
	own := strings.Clone(text)
	b.words[own] = own
	return own
}

// holdOneKeyAName reports entries that would publish two keys at one name. Only
// where one signs as another domain, by a wildcard or by sign_as, can there be such.
func (b *tableBuilder) holdOneKeyAName(problems *TableError) {
	type publication struct {
		entry *entry
		key   *heldKey
	}
	first := map[string]publication{} // by the names of the records, that of the lowest line
	shared := map[string]bool{}       // the domains as which others sign
	record := func(e *entry, k publishedKey) string { return strings.ToLower(k.selector) + "._domainkey." + e.domain }
	publish := func(e *entry) {
		for _, k := range e.keys {
			name := record(e, k)
			if p, ok := first[name]; !ok || e.line < p.entry.line {
				first[name] = publication{e, k.heldKey}
			}
		}
	}
	for name, e := range b.table.all() {
		if name == e.domain {
			continue
		}
		publish(e)
		if owner := b.table.exact[e.domain]; owner != nil && !shared[e.domain] {
			publish(owner)
		}
		shared[e.domain] = true
	}
	for _, e := range b.table.all() {
		if !shared[e.domain] {
			continue
		}
		for _, k := range e.keys {
			if p := first[record(e, k)]; p.entry != e && p.key != k.heldKey {
				problems.add(e.line, fmt.Sprintf("%q would be published at %s, as would be %q; one name in the DNS holds one key", k.file, record(e, k), p.key.file))
			}
		}
	}
}
