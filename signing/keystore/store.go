package keystore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pratique/signing"
)

// Store is the folder of the keys: FOLDER/DOMAIN/SELECTOR.pem for each, and a list
// of them all with their states. It holds nothing in memory, so the daemon and the
// command line may use one folder at the same time; who writes locks it.
type Store struct {
	folder string
	now    func() time.Time
	cut    func(step string) error
}

// Open returns the store in a folder, which need not exist yet.
func Open(folder string, now func() time.Time) *Store {
	return &Store{folder: folder, now: now, cut: func(string) error { return nil }}
}

// Folder returns where the keys are.
func (s *Store) Folder() string { return s.folder }

// File returns the private key of k, in PEM.
func (s *Store) File(k Key) string { return filepath.Join(s.folder, k.file()) }

// file is File within the folder.
func (k Key) file() string { return filepath.Join(k.Domain, k.Selector+".pem") }

// Load reads the private key of k.
func (s *Store) Load(k Key) (*signing.PrivateKey, error) { return signing.LoadKey(s.File(k)) }

// list is the list of the keys as it is written.
type list struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
	// Removed are the names of the records of keys that were removed. They are not
	// used again: receivers may remember the old record, in which there was another key.
	Removed []string `json:"removed,omitempty"`
}

// version is that of the list's form.
const version = 1

// Keys returns all keys, sorted by domain, algorithm and age. A folder that does
// not exist has none.
func (s *Store) Keys() ([]Key, error) {
	l, err := s.read()
	return l.Keys, err
}

// read returns the list; with version 0: there is none yet.
func (s *Store) read() (list, error) {
	file := filepath.Join(s.folder, listName)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return list{}, s.missing()
	}
	if err != nil {
		return list{}, fmt.Errorf("read the list of keys: %w", err)
	}
	l, err := parseList(data)
	if err != nil {
		return list{}, fmt.Errorf("the list of keys %s can't be used: %w", file, err)
	}
	return l, nil
}

// missing is what a folder without a list means. The list is written before the
// first key, so keys without a list have lost it, and with it their states.
func (s *Store) missing() error {
	files, err := filepath.Glob(filepath.Join(s.folder, "*", "*.pem"))
	if err != nil || len(files) == 0 {
		return err
	}
	return fmt.Errorf("%s is gone, and %s is there: restore the list from a backup, or move the keys away",
		filepath.Join(s.folder, listName), files[0])
}

func parseList(data []byte) (list, error) {
	var l list
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields() // a newer program wrote it: rewriting would lose them
	if err := decoder.Decode(&l); err != nil {
		return list{}, err
	}
	if l.Version != version {
		return list{}, fmt.Errorf("it has version %d, and this program knows %d", l.Version, version)
	}
	return l, l.check()
}

func (l list) check() error {
	names, active := map[string]bool{}, map[slot]Key{}
	for i, k := range l.Keys {
		if err := k.check(); err != nil {
			return fmt.Errorf("key %d: %w", i, err)
		}
		if names[k.Record()] {
			return fmt.Errorf("%v stands in it twice", k)
		}
		names[k.Record()] = true
		if k.State != Active {
			continue
		}
		if other, twice := active[k.slot()]; twice {
			return fmt.Errorf("%v and %v are both active", other, k)
		}
		active[k.slot()] = k
	}
	return nil
}

// patience is how long a writer waits for another; each of them takes no longer
// than a few writes to the disk.
const patience = 10 * time.Second

// update has change change the list, alone, and writes it if it is another one
// afterwards. What change itself writes to the disk is there before the list is.
func (s *Store) update(ctx context.Context, change func(d *disk, l *list) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d, err := makeDisk(s.folder, s.cut)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	release, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()

	before, err := s.read()
	if err != nil {
		return err
	}
	if before.Version == 0 {
		if err := d.writeList(list{}); err != nil {
			return err
		}
	}
	after := list{Keys: slices.Clone(before.Keys), Removed: slices.Clone(before.Removed)}
	if err := change(d, &after); err != nil {
		return err
	}
	if slices.Equal(before.Keys, after.Keys) && slices.Equal(before.Removed, after.Removed) {
		return nil
	}
	return d.writeList(after)
}

func (d *disk) writeList(l list) error {
	l.Version, l.Keys = version, append([]Key{}, l.Keys...) // [], not null
	slices.SortStableFunc(l.Keys, compare)
	if err := l.check(); err != nil {
		return fmt.Errorf("refused to write a list of keys that could not be read: %w", err)
	}
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	if err := d.write(listName, append(data, '\n')); err != nil {
		return fmt.Errorf("write the list of keys: %w", err)
	}
	return nil
}

// Changed returns when the list of the keys was last written; zero: it is not there.
func (s *Store) Changed() time.Time {
	info, err := os.Stat(filepath.Join(s.folder, listName))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// Domains returns the keys to sign with: those that are active.
func (s *Store) Domains() ([]signing.Domain, error) {
	keys, err := s.Keys()
	if err != nil {
		return nil, err
	}
	return s.DomainsOf(keys), nil
}

// DomainsOf is Domains with these keys in the store.
func (s *Store) DomainsOf(keys []Key) []signing.Domain {
	var domains []signing.Domain
	for _, k := range keys {
		if k.State != Active {
			continue
		}
		if n := len(domains); n == 0 || domains[n-1].Domain != k.Domain {
			domains = append(domains, signing.Domain{Domain: k.Domain})
		}
		d := &domains[len(domains)-1]
		d.Keys = append(d.Keys, signing.Key{Selector: k.Selector, File: s.File(k)})
	}
	return domains
}

// Strays returns files that no key of the store has: of a command that was cut
// off, or put there by hand. They are harmless, and hold private keys.
func (s *Store) Strays() ([]string, error) {
	keys, err := s.Keys()
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(s.folder, "*", "*.pem*"))
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, k := range keys {
		known[s.File(k)] = true
	}
	return slices.DeleteFunc(files, func(file string) bool { return known[file] }), nil
}
