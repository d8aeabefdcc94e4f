package rates

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"pratique/state"
)

// bookSlack is how much of the file the fingerprints may always take before they are rewritten, in octets.
const bookSlack = 4 << 20

// contactRow is what one key wrote to, on its way to the file or back.
type contactRow struct {
	pageKey
	second       uint32 // Unix time of it, at the latest
	fingerprints []fingerprint
}

func (r *contactRow) encode() []byte {
	blob := make([]byte, 0, 4*len(r.fingerprints))
	for _, f := range r.fingerprints {
		blob = binary.LittleEndian.AppendUint32(blob, uint32(f))
	}
	return blob
}

func (r *contactRow) decode(blob []byte) {
	r.fingerprints = make([]fingerprint, 0, len(blob)/4)
	for ; len(blob) >= 4; blob = blob[4:] {
		if f := binary.LittleEndian.Uint32(blob); f != 0 && f < 1<<fingerprintBits {
			r.fingerprints = append(r.fingerprints, fingerprint(f))
		}
	}
}

// collect takes what is unsaved out of the book.
func (b *book) collect(now int64) []contactRow {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows []contactRow
	for _, p := range b.unsaved {
		if len(p.unsaved) > 0 {
			rows = append(rows, contactRow{p.pageKey, second(now), p.unsaved})
		}
		p.unsaved = nil
	}
	b.unsaved = nil
	return rows
}

// giveBack makes rows unsaved again, but for pages that are forgotten.
func (b *book) giveBack(rows []contactRow) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range rows {
		if p := b.pages[r.pageKey]; p != nil {
			if p.unsaved == nil {
				b.unsaved = append(b.unsaved, p)
			}
			p.unsaved = append(p.unsaved, r.fingerprints...)
		}
	}
}

// all yields the whole book, one generation of a page after the other.
func (b *book) all(now int64) iter.Seq[contactRow] {
	b.mu.Lock()
	pages := make([]*page, 0, len(b.pages))
	for _, p := range b.pages {
		pages = append(pages, p)
	}
	b.mu.Unlock()
	return func(yield func(contactRow) bool) {
		for _, p := range pages {
			for age, fingerprints := range b.byAge(p) {
				at := (p.generation-int64(age)+1)*generation - 1
				if len(fingerprints) > 0 && !yield(contactRow{p.pageKey, second(min(at, now)), fingerprints}) {
					return
				}
			}
		}
	}
}

func (b *book) byAge(p *page) (ages [ageMask + 1][]fingerprint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, one := range p.slots {
		if one != 0 {
			age := one.age(p.generation)
			ages[age] = append(ages[age], one.fingerprint())
		}
	}
	return ages
}

// restore takes a row of the file into the book.
func (b *book) restore(r contactRow, now int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	current, at := now/generation, min(int64(r.second), now)/generation
	if current-at > rememberFor {
		return
	}
	p := b.open(r.pageKey, current)
	again := false
	for _, f := range r.fingerprints {
		if p.full() {
			b.grow(p)
		}
		fresh, _ := p.put(f, at)
		again = again || !fresh
	}
	b.file(p, again)
}

// saveContacts writes who was written to since the last time.
func (s *Store) saveContacts(ctx context.Context) error {
	now := s.time.seconds()
	if s.rewriteBook || s.file.contactOctets > 2*s.bookWritten+bookSlack {
		rows := s.book.collect(now) // they are part of what is written
		if err := s.file.writeContacts(ctx, true, s.time.ahead(), s.book.all(now)); err != nil {
			s.book.giveBack(rows)
			return err
		}
		s.bookWritten, s.rewriteBook = s.file.contactOctets, false
		return nil
	}
	rows := s.book.collect(now)
	if len(rows) == 0 {
		return nil
	}
	err := s.file.writeContacts(ctx, false, s.time.ahead(), func(yield func(contactRow) bool) {
		for _, r := range rows {
			if !yield(r) {
				return
			}
		}
	})
	if err != nil {
		s.book.giveBack(rows)
	}
	return err
}

// writeContacts appends rows to the fingerprints, or replaces all of them, whole or
// not at all. Seconds are moved by ahead.
func (f *file) writeContacts(ctx context.Context, replace bool, ahead int64, rows iter.Seq[contactRow]) error {
	octets := f.contactOctets
	err := state.Transact(ctx, f.db, func(tx *sql.Tx) error {
		if replace {
			if _, err := tx.ExecContext(ctx, "DELETE FROM contacts"); err != nil {
				return err
			}
			octets = 0
		}
		insert, err := tx.PrepareContext(ctx, "INSERT INTO contacts VALUES (?, ?, ?, ?)")
		if err != nil {
			return err
		}
		defer insert.Close()
		for r := range rows {
			blob := r.encode()
			if _, err := insert.ExecContext(ctx, int64(r.second)+ahead, r.kind.String(), r.key, blob); err != nil {
				return err
			}
			octets += len(blob)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.contactOctets = octets
	return nil
}

// loadContacts hands every row since a second to each, in the order in which they were written.
func (f *file) loadContacts(ctx context.Context, since int64, each func(contactRow)) error {
	rows, err := f.db.QueryContext(ctx, "SELECT second, kind, key, fingerprints FROM contacts WHERE second >= ? ORDER BY rowid", since)
	if err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var name string
		var blob []byte
		var r contactRow
		if err := rows.Scan(&at, &name, &r.key, &blob); err != nil {
			return fmt.Errorf("read %s: %w", f.path, err)
		}
		f.contactOctets += len(blob)
		if k := index(kindNames[:], name); k >= 0 {
			r.kind, r.second = Kind(k), second(at)
			r.decode(blob)
			each(r)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	return nil
}

// mark tells a secret from others, and nothing of it.
func (s *secret) mark() string {
	digest := sha256.Sum256(append([]byte("pratique rates.secret "), s[:]...))
	return hex.EncodeToString(digest[:8])
}

// isOf reports whether the fingerprints are those of a secret.
func (f *file) isOf(ctx context.Context, s *secret) (bool, error) {
	var mark string
	err := f.db.QueryRowContext(ctx, "SELECT secret FROM fingerprinted").Scan(&mark)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("read %s: %w", f.path, err)
	}
	return mark == s.mark(), nil
}

// claimContacts has the fingerprints be those of a secret from now on. The others are
// dropped, for they tell nothing; dropped says that there were any.
func (f *file) claimContacts(ctx context.Context, of *secret) (dropped bool, err error) {
	err = state.Transact(ctx, f.db, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT count(*) > 0 FROM contacts").Scan(&dropped); err != nil {
			return err
		}
		for _, step := range []string{"DELETE FROM contacts", "DELETE FROM fingerprinted"} {
			if _, err := tx.ExecContext(ctx, step); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO fingerprinted VALUES (?)", of.mark())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("prepare the contacts in %s: %w", f.path, err)
	}
	f.contactOctets = 0
	return dropped, nil
}

// The secret of the fingerprints is a file of its own, for its owner alone: whoever
// gets hold of a copy of the database can't try addresses on it.
const (
	secretName = "rates.secret"
	secretMode = 0o600
)

// readSecret reads the secret of a state folder, and makes it if there is none: of
// the one that is in use already, or else a new one. One that is damaged is replaced,
// which is reported.
func readSecret(stateDir string, inUse *secret) (s secret, damaged bool, err error) {
	path := filepath.Join(stateDir, secretName)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, false, fmt.Errorf("read the secret of the fingerprints: %w", err)
	}
	if err == nil {
		if s, ok := parseSecret(text); ok {
			return s, false, nil
		}
		damaged = true
	}
	if s = newSecret(); inUse != nil {
		s = *inUse
	}
	if err := state.Replace(path, []byte(hex.EncodeToString(s[:])+"\n"), secretMode); err != nil {
		return s, damaged, fmt.Errorf("make the secret of the fingerprints: %w", err)
	}
	return s, damaged, nil
}

func parseSecret(text []byte) (secret, bool) {
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(raw) != len(secret{}) {
		return secret{}, false
	}
	return secret(raw), true
}

// knownSecret reads the secret of a state folder and makes none.
func knownSecret(stateDir string) (secret, bool) {
	text, err := os.ReadFile(filepath.Join(stateDir, secretName))
	if err != nil {
		return secret{}, false
	}
	return parseSecret(text)
}

func newSecret() (s secret) {
	rand.Read(s[:]) // never fails (crypto/rand)
	return s
}
