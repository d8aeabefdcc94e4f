package signing

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
)

// table finds the entry for a From domain.
type table struct {
	exact map[string]*entry
	below map[string]*entry // by parent: "example.org" for "*.example.org"
}

// entry is what signs the mail of a domain.
type entry struct {
	domain   string // d=
	identity string // i=, or ""
	keys     []publishedKey
	broken   error // why this domain can't be signed for, or nil
}

// publishedKey is a key under the selector where verifiers look for its public half.
type publishedKey struct {
	selector string
	*signingKey
}

func newTable(domains []Domain, keys *keyring) table {
	t := table{exact: map[string]*entry{}, below: map[string]*entry{}}
	for _, d := range domains {
		name, below := d.from()
		e := newEntry(d, keys)
		if below {
			t.below[name] = e
		} else {
			t.exact[name] = e
		}
	}
	return t
}

func newEntry(d Domain, keys *keyring) *entry {
	e := &entry{domain: d.SigningDomain(), identity: d.Identity}
	var broken []error
	for _, k := range d.Keys {
		key, err := keys.get(k.File)
		if err != nil {
			broken = append(broken, fmt.Errorf("no signature for %s with selector %s: %w", d.Domain, k.Selector, err))
			keys.log.Error("key can't be used", "domain", d.Domain, "selector", k.Selector, "error", err)
			continue
		}
		if weakness := key.Weakness(); weakness != "" {
			keys.log.Warn("key is weak", "domain", d.Domain, "selector", k.Selector, "file", k.File, "weakness", weakness)
		}
		e.keys = append(e.keys, publishedKey{selector: k.Selector, signingKey: key})
	}
	e.broken = errors.Join(broken...)
	return e
}

func (t table) empty() bool { return len(t.exact) == 0 && len(t.below) == 0 }

// find returns the entry for a lower-cased domain: its own, else that of the
// nearest parent with a wildcard, else nil.
func (t table) find(domain string) *entry {
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

// keyring loads each file once, for however many domains and selectors.
type keyring struct {
	log    *slog.Logger
	rsa    backend
	loaded map[string]loadedKey
}

type loadedKey struct {
	key *signingKey
	err error
}

func newKeyring(log *slog.Logger, rsa backend) *keyring {
	return &keyring{log: log, rsa: rsa, loaded: map[string]loadedKey{}}
}

func (r *keyring) get(file string) (*signingKey, error) {
	l, ok := r.loaded[file]
	if !ok {
		l.key, l.err = r.load(file)
		r.loaded[file] = l
	}
	return l.key, l.err
}

func (r *keyring) load(file string) (*signingKey, error) {
	key, err := LoadKey(file)
	if err != nil {
		return nil, err
	}
	return newSigningKey(key, r.rsa, r.log)
}
