// Package signing signs messages with DKIM (RFC 6376, RFC 8301, RFC 8463) while
// they stream by, and verifies them.
//
// The domain of the From field picks the keys (choose.go). Each key gives one signature, in
// the order of the configuration, the first one on top; all of them share one
// body hash, which is done by the time the last octet has come. What is left for
// the end of the message is the header and one private key operation a key.
//
// RSA goes through the machine's OpenSSL 3 (libcrypto.so.3), where there is one,
// because it is about three times as fast as crypto/rsa. It is loaded at run time
// and without cgo, by github.com/ebitengine/purego, on Linux on amd64 and arm64.
// The price is that even a binary built with CGO_ENABLED=0 is linked dynamically
// against the C library. Building with -tags nolibcrypto gives a static binary,
// which uses crypto/rsa.
//
// What does not live here: whether the published record fits the key (that needs
// the DNS and belongs to the audit), and the policy for our own failures
// (message.Chain).
package signing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"pratique/message"
)

const checkName = "signing"

// Signer is the check that signs messages. It belongs at the end of a chain: its
// signatures cover the header as the checks before it leave it.
type Signer struct {
	opts     Options
	canon    canonicalization
	clock    func() time.Time
	table    *table
	excluded patterns
	fields   fieldIndex
	log      *slog.Logger
}

// New returns a signer with the keys of the options. The clock gives the time of
// the signatures; a nil log is silent. Options that have problems are an error.
//
// So is a table file with a problem: the error is a *TableError. A key that can't
// be used is not: it is logged, and mail of its domains fails with that reason,
// while the other domains are signed; see Broken.
func New(opts Options, clock func() time.Time, log *slog.Logger) (*Signer, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log = log.With("check", checkName)
	return newSigner(opts, clock, log, rsaBackend(log))
}

func newSigner(opts Options, clock func() time.Time, log *slog.Logger, rsa backend) (*Signer, error) {
	var problems []error
	opts.Problems(func(key, problem string) {
		problems = append(problems, fmt.Errorf("signing.%s: %s", key, problem))
	})
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	canon, err := parseCanonicalization(opts.Canonicalization)
	if err != nil {
		return nil, err
	}
	table, err := newTable(opts.Domains, opts.Table, newKeyring(log, rsa))
	if err != nil {
		return nil, err
	}
	if name := opts.DefaultDomain; name != "" && !opts.Awaited && table.find(strings.ToLower(name)) == nil {
		return nil, &OptionError{"default_domain", fmt.Sprintf("there are no keys for %q", name)}
	}
	return &Signer{
		opts: opts, canon: canon, clock: clock, table: table,
		excluded: newPatterns(opts.Exclude), fields: newFieldIndex(), log: log,
	}, nil
}

// OptionError is an option that is of no use with the keys that there are.
type OptionError struct {
	Key  string // relative to the [signing] table
	Text string
}

func (e *OptionError) Error() string { return "signing." + e.Key + ": " + e.Text }

// Name is "signing".
func (s *Signer) Name() string { return checkName }

// Begin returns an inspector that signs the message.
func (s *Signer) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	return &inspector{signer: s, m: m}, nil
}
