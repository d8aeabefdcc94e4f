// Package keystore keeps the keys that Pratique makes and rotates itself. The DNS
// is not under its control: it makes a key, says which record to publish, and has
// the key sign once the record is seen at every authoritative server of the zone.
//
// The life of a key goes one way, but for a record that vanishes before its key
// has signed:
//
//	created ⇄ published → active → retiring → done
//
// Each algorithm of a domain goes its own way: when an RSA key becomes active, the
// RSA key before it retires, and the Ed25519 key stays as it is. So a domain has
// at most one active key of an algorithm, and at most one that is on its way there.
//
// What does not live here: signing with the keys (package signing), and what a
// record is worth (package records).
package keystore

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"pratique/signing"
)

// State is where a key is in its life.
type State string

// The states. The words stand in the store, in the log and in the metrics.
const (
	Created   State = "created"   // its record is not, or no longer, at every server
	Published State = "published" // its record is at every server; it does not sign yet
	Active    State = "active"    // it signs
	Retiring  State = "retiring"  // it no longer signs; what it signed may still be under way
	Done      State = "done"      // its record may be taken out of the DNS
)

// States returns all states, in the order of a life.
func States() []State { return []State{Created, Published, Active, Retiring, Done} }

// Key is a key of the store. The times are those of this machine's clock, in whole
// seconds; zero: not yet.
type Key struct {
	Domain    string    `json:"domain"`
	Selector  string    `json:"selector"`
	Algorithm string    `json:"algorithm"` // a= of its signatures
	State     State     `json:"state"`
	Created   time.Time `json:"created"`
	Published time.Time `json:"published,omitzero"` // since when its record is at every server
	Activated time.Time `json:"activated,omitzero"`
	Retired   time.Time `json:"retired,omitzero"`
	Done      time.Time `json:"done,omitzero"`
	// TTL is the longest with which a server gave out the record when it was last
	// seen at all of them, in seconds.
	TTL int64 `json:"ttl,omitzero"`
}

// Record returns the name in the DNS of the key's record.
func (k Key) Record() string { return k.Selector + "._domainkey." + k.Domain }

func (k Key) String() string { return k.Selector + " of " + k.Domain }

// since is when the key came into its state.
func (k *Key) since() *time.Time {
	switch k.State {
	case Published:
		return &k.Published
	case Active:
		return &k.Activated
	case Retiring:
		return &k.Retired
	case Done:
		return &k.Done
	}
	return &k.Created
}

// Awaited reports whether a key is on its way to sign.
func (k Key) Awaited() bool { return k.State == Created || k.State == Published }

// slot is what a key is for. A key succeeds another one in the same slot.
type slot struct{ domain, algorithm string }

func (k Key) slot() slot { return slot{k.Domain, k.Algorithm} }

// compare orders keys by domain, then algorithm, RSA first, then age.
func compare(a, b Key) int {
	return cmp.Or(
		cmp.Compare(a.Domain, b.Domain), cmp.Compare(b.Algorithm, a.Algorithm),
		a.Created.Compare(b.Created), cmp.Compare(a.Selector, b.Selector),
	)
}

// check holds a key to what the store may hold.
func (k Key) check() error {
	switch {
	case k.Algorithm != "rsa-sha256" && k.Algorithm != "ed25519-sha256":
		return fmt.Errorf("%v: %q is no algorithm", k, k.Algorithm)
	case !slices.Contains(States(), k.State):
		return fmt.Errorf("%v: %q is no state", k, k.State)
	}
	return checkNames(k.Domain, k.Selector)
}

// CheckDomain reports whether keys can be made for a domain.
func CheckDomain(domain string) error { return checkNames(normal(domain), "s") }

// checkNames holds the names of a key to the syntax of the DNS: they become paths.
func checkNames(domain, selector string) error {
	var problems []error
	signing.Options{Domains: []signing.Domain{{Domain: domain, Keys: []signing.Key{{Selector: selector, File: "key"}}}}}.
		Problems(func(key, problem string) {
			if strings.HasPrefix(key, "domains[0]") {
				problems = append(problems, errors.New(problem))
			}
		})
	if strings.HasPrefix(domain, "*.") {
		problems = append(problems, fmt.Errorf("%q: keys are made for a domain itself", domain))
	}
	return errors.Join(problems...)
}
