package records

import (
	"crypto"
	"fmt"
	"slices"
	"strings"

	"pratique/signing"
)

// State is what published records are for a private key.
type State string

// The states. Only with Match can receivers verify what the key signs; only with
// Unknown can nothing be said.
const (
	Match     State = "match"
	Missing   State = "missing"
	Different State = "different"  // another key
	Revoked   State = "revoked"    // p= is empty
	WrongType State = "wrong_type" // no key record, or one of another kind of key or use
	TooShort  State = "too_short"  // an RSA key that verifiers don't take
	Multiple  State = "multiple"   // more than one record: verifiers take any of them, or none
	WrongHash State = "wrong_hash" // h= excludes SHA-256
	Malformed State = "malformed"
	Unknown   State = "unknown"
)

// Verdict is a State with its reasons.
type Verdict struct {
	State    State
	Text     string   // in words
	Warnings []string // what is not well with a record that matches
}

// Judge compares what is published under a selector with the key that signs for
// it, and says in words what is the matter and what to do.
func Judge(published []string, key *signing.PrivateKey) (State, string) {
	v := Examine(published, key)
	return v.State, strings.Join(append([]string{v.Text}, v.Warnings...), "; ")
}

// Examine is Judge with the warnings apart.
func Examine(published []string, key *signing.PrivateKey) Verdict {
	switch len(published) {
	case 0:
		return Verdict{State: Missing, Text: "there is no record: receivers can't verify"}
	case 1:
		return examine(published[0], key)
	}
	return Verdict{State: Multiple, Text: severalRecords(published, key)}
}

func examine(text string, key *signing.PrivateKey) Verdict {
	r, err := Parse(text)
	if problem, ok := err.(*Problem); ok {
		if cut := cutOff(text, key); cut != "" {
			return Verdict{State: Malformed, Text: cut}
		}
		return Verdict{State: problem.State, Text: problem.Text}
	}
	switch {
	case r.Revoked:
		return Verdict{State: Revoked, Text: "the key is revoked: p= is empty"}
	case r.KeyType != keyType(key):
		return Verdict{State: WrongType, Text: fmt.Sprintf("the record is of an %s key; this one is %s", r.KeyType, keyType(key))}
	case !equal(r.Key, key.Public()):
		return Verdict{State: Different, Text: "the record has another key"}
	case !r.SHA256():
		return Verdict{State: WrongHash, Text: fmt.Sprintf("h=%s excludes sha256, with which all is signed", strings.Join(r.Hashes, ":"))}
	case !r.ForMail():
		return Verdict{State: WrongType, Text: fmt.Sprintf("s=%s excludes mail; leave it out", strings.Join(r.Services, ":"))}
	}
	return Verdict{State: Match, Text: "the record is published and fits the key", Warnings: warnings(r)}
}

func warnings(r Record) []string {
	var w []string
	if r.Testing() {
		w = append(w, "t=y says that DKIM is only being tested, and receivers may ignore it: take it out once all is well")
	}
	if r.Spaced {
		w = append(w, "p= holds white space, which RFC 6376 allows and some verifiers do not read")
	}
	if r.KeyType == typeRSA && r.Bits < goodRSABits {
		w = append(w, fmt.Sprintf("the key has %d bits; %d are recommended (RFC 8301 3.2)", r.Bits, goodRSABits))
	}
	return w
}

func keyType(key *signing.PrivateKey) string {
	kind, _, _ := strings.Cut(key.Algorithm(), "-")
	return kind
}

func equal(a, b crypto.PublicKey) bool {
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

// severalRecords says which of several records is the right one.
func severalRecords(published []string, key *signing.PrivateKey) string {
	right := slices.IndexFunc(published, func(text string) bool { return examine(text, key).State == Match })
	if right < 0 {
		return fmt.Sprintf("there are %d records instead of one, and none of them fits the key", len(published))
	}
	return fmt.Sprintf("there are %d records instead of one: take out all but %.60q…", len(published), published[right])
}

// cutOff recognizes a record that was cut short on its way into the DNS, as by a
// form that takes 255 characters.
func cutOff(text string, key *signing.PrivateKey) string {
	got, want := publicData(text), publicData(key.Record())
	if got == "" || len(got) >= len(want) || !strings.HasPrefix(want, got) {
		return ""
	}
	return fmt.Sprintf("the key was cut off: p= has the first %d of its %d characters. The strings of a TXT record hold at most 255: "+
		"enter the record in several strings", len(got), len(want))
}

// publicData returns p= without white space, of a text that may be no record.
func publicData(text string) string {
	for spec := range strings.SplitSeq(text, ";") {
		if name, value, _ := strings.Cut(spec, "="); strings.Trim(name, fold) == "p" {
			return strings.Join(strings.FieldsFunc(value, isFold), "")
		}
	}
	return ""
}
