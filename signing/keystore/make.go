package keystore

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"pratique/signing"
)

// Kind is what a key is made as.
type Kind struct {
	Type string // RSA or Ed25519
	Bits int    // of an RSA key: 2048, 3072 or 4096; 0: DefaultBits
}

// The types, as they stand in k= of a record (RFC 6376 3.6.1, RFC 8463 4).
const (
	RSA     = "rsa"
	Ed25519 = "ed25519"
)

// DefaultBits is the size of RSA keys that signers should use at least (RFC 8301
// 3.2), which receivers of every age verify, and whose record fits into one answer
// by UDP. Verifiers need not accept more than 4096.
const DefaultBits = 2048

// Check says what is wrong with a kind.
func (k Kind) Check() error {
	switch {
	case k.Type == Ed25519 && k.Bits != 0:
		return errors.New("an Ed25519 key has 256 bits and no other size; leave the bits out")
	case k.Type == RSA && 0 < k.Bits && k.Bits < DefaultBits:
		return fmt.Errorf("RSA keys of %d bits are not made: signers should use %d at least (RFC 8301 3.2)", k.Bits, DefaultBits)
	case k.Type == RSA && k.Bits != 0 && k.Bits != 2048 && k.Bits != 3072 && k.Bits != 4096:
		return fmt.Errorf("RSA keys of %d bits are not made; 2048, 3072 and 4096 are (RFC 8301 3.2)", k.Bits)
	case k.Type != RSA && k.Type != Ed25519:
		return fmt.Errorf("%q is no type of key; rsa and ed25519 are (RFC 8463)", k.Type)
	}
	return nil
}

// New makes keys of these kinds for a domain, each in the state Created. The
// selector "" is for one made from the date. It is an error if the domain has a
// key of the same algorithm already that signs or is on its way to.
func (s *Store) New(ctx context.Context, domain, selector string, kinds ...Kind) ([]Key, error) {
	return s.make(ctx, domain, selector, kinds, Created, Published, Active)
}

// Rotate makes successors of a domain's active keys, or only of those of one type,
// with their sizes. It is an error if there are none, or a successor is on its way
// already.
func (s *Store) Rotate(ctx context.Context, domain, only string) ([]Key, error) {
	keys, err := s.Keys()
	if err != nil {
		return nil, err
	}
	var kinds []Kind
	for _, k := range keys {
		if k.Domain == normal(domain) && k.State == Active && (only == "" || only == k.Type()) {
			kinds = append(kinds, s.kindOf(k))
		}
	}
	if len(kinds) == 0 {
		return nil, &NotFound{fmt.Sprintf("%s has no active key to rotate", strings.TrimSpace(domain+" "+only))}
	}
	return s.make(ctx, domain, "", kinds, Created, Published)
}

// NotFound is that the store has no such key.
type NotFound struct{ text string }

func (n *NotFound) Error() string { return n.text }

// Taken is that another key stands in the way of a new one.
type Taken struct {
	By   Key // by its state; the zero Key: by its selector
	text string
}

func (t *Taken) Error() string { return t.text }

// kindOf returns the kind of key that would be the like of k.
func (s *Store) kindOf(k Key) Kind {
	kind := Kind{Type: k.Type()}
	if key, err := s.Load(k); err == nil {
		if public, ok := key.Public().(*rsa.PublicKey); ok {
			kind.Bits = public.N.BitLen()
		}
	}
	return kind
}

// Type returns the type of k: RSA or Ed25519.
func (k Key) Type() string {
	kind, _, _ := strings.Cut(k.Algorithm, "-")
	return kind
}

func normal(domain string) string { return strings.ToLower(strings.TrimSuffix(domain, ".")) }

// fresh is a new private key.
type fresh struct {
	kind      Kind
	algorithm string
	pem       []byte
}

func (s *Store) make(ctx context.Context, domain, selector string, kinds []Kind, exclude ...State) ([]Key, error) {
	domain, selector = normal(domain), strings.ToLower(selector)
	if err := checkNames(domain, cmp.Or(selector, "dated")); err != nil {
		return nil, err
	}
	private, err := generateAll(kinds)
	if err != nil {
		return nil, err
	}
	var made []Key
	err = s.update(ctx, func(d *disk, l *list) error {
		for _, f := range private { // all of them, before anything is written
			if err := free(l.Keys, slot{domain, f.algorithm}, exclude); err != nil {
				return err
			}
		}
		for _, f := range private {
			k := Key{Domain: domain, Selector: selector, Algorithm: f.algorithm, State: Created, Created: s.time()}
			if err := place(d, l, &k, f); err != nil {
				return err
			}
			made, l.Keys = append(made, k), append(l.Keys, k)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make keys for %s: %w", domain, err)
	}
	return made, nil
}

// time is the time as it is written.
func (s *Store) time() time.Time { return s.now().UTC().Truncate(time.Second) }

// free reports a key that excludes a new one in its slot by its state.
func free(all []Key, in slot, exclude []State) error {
	for _, k := range all {
		if k.slot() == in && slices.Contains(exclude, k.State) {
			return &Taken{k, fmt.Sprintf("it has the %s key %s already, which is %s", k.Type(), k.Selector, k.State)}
		}
	}
	return nil
}

// place writes a private key under its selector, after finding one if it has none.
// A file that is there is never written over: it may be the only copy of a key.
func place(d *disk, l *list, k *Key, f fresh) error {
	wanted := k.Selector
	for n := 1; ; n++ {
		if wanted == "" {
			k.Selector = dated(k.Created, f.kind.Type, n)
		}
		taken, err := l.took(*k), error(nil)
		if !taken {
			_, err = d.Lstat(k.file())
			taken = err == nil
		}
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return err
		case taken && wanted != "":
			return &Taken{Key{}, fmt.Sprintf("the selector %s is, or was, that of another key; one name in the DNS holds one key", wanted)}
		case !taken:
			if err := d.mkdir(k.Domain); err != nil {
				return err
			}
			return d.write(k.file(), f.pem)
		}
	}
}

// took reports whether a key has, or had, the name of the record of k.
func (l *list) took(k Key) bool {
	return slices.Contains(l.Removed, k.Record()) ||
		slices.ContainsFunc(l.Keys, func(other Key) bool { return other.Record() == k.Record() })
}

// dated makes a selector such as 20261124r, 20261124e, or 20261124r2 for the second.
func dated(at time.Time, kind string, n int) string {
	selector := at.Format("20060102") + kind[:1]
	if n > 1 {
		selector += fmt.Sprint(n)
	}
	return selector
}

func generateAll(kinds []Kind) ([]fresh, error) {
	var keys []fresh
	for _, kind := range kinds {
		key, err := generate(kind)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// generate makes a private key, in PKCS#8.
func generate(kind Kind) (fresh, error) {
	if err := kind.Check(); err != nil {
		return fresh{}, err
	}
	var key any
	var err error
	if kind.Type == RSA {
		key, err = rsa.GenerateKey(rand.Reader, cmp.Or(kind.Bits, DefaultBits))
	} else {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return fresh{}, fmt.Errorf("make an %s key: %w", kind.Type, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fresh{}, fmt.Errorf("encode an %s key: %w", kind.Type, err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	parsed, err := signing.ParseKey(text)
	if err != nil {
		return fresh{}, err
	}
	return fresh{kind, parsed.Algorithm(), text}, nil
}

// Remove takes a key out of the store and deletes its private half. One that is
// not Done is removed only by force: its record may still be needed, and a domain
// without its last active key leaves unsigned.
func (s *Store) Remove(ctx context.Context, domain, selector string, force bool) (Key, error) {
	var removed Key
	err := s.update(ctx, func(d *disk, l *list) error {
		i := slices.IndexFunc(l.Keys, func(k Key) bool {
			return k.Domain == normal(domain) && k.Selector == strings.ToLower(selector)
		})
		if i < 0 {
			return &NotFound{fmt.Sprintf("there is no key %s of %s", selector, domain)}
		}
		if removed = l.Keys[i]; removed.State != Done && !force {
			return &NotDone{removed}
		}
		l.Keys, l.Removed = slices.Delete(l.Keys, i, i+1), append(l.Removed, removed.Record())
		return nil
	})
	if err != nil {
		return removed, err
	}
	// The list comes first: a key without a file would stop its domain.
	return removed, s.delete(removed)
}

func (s *Store) delete(k Key) error {
	d, err := makeDisk(s.folder, s.cut)
	if err != nil {
		return err
	}
	return errors.Join(d.remove(k.file()), d.Close())
}

// NotDone is that a key may still be needed.
type NotDone struct{ Key Key }

func (n *NotDone) Error() string { return fmt.Sprintf("key %v is %s, not done", n.Key, n.Key.State) }
