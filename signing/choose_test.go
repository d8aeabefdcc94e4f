package signing

import (
	"bytes"
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"

	"pratique/message"
)

func TestExcludedFromIsNotSigned(t *testing.T) {
	id := example(t)
	id.add(t, "*.example.org", map[string]crypto.Signer{"w": newEd25519(t)}, "w")
	id.opts.Exclude = []string{"NoReply@example.org", "*.Test.example.org", "plain.example.org", "xn--bcher-kva.example"}
	id.opts.Unsigned = reject // it is deliberate, and refuses nothing
	s := id.signer(t, goRSA{})
	for from, excluded := range map[string]bool{
		"noreply@example.org":                    true,
		"Robot <NOREPLY@Example.ORG>":            true,
		"a@test.example.org":                     false, // as with keys, "*." is what lies below
		"a@b.test.example.org":                   true,
		"a@c.b.test.example.org":                 true,
		"a@plain.example.org":                    true,
		"a@under.plain.example.org":              false,
		"a@b\u00fccher.example":                  true,
		"reply@example.org":                      false,
		"noreply@sub.example.org":                false,
		"noreply@example.org, sales@example.org": true,
		"sales@example.org, noreply@example.org": false,
	} {
		text := strings.Replace(letter, "Sender <sender@example.org>", from, 1)
		signed, m := sign(t, s, text)
		if got := m.Notes[0].Code == string(Excluded); got != excluded || bytes.Contains(signed, []byte(signatureField)) == excluded {
			t.Errorf("%s: %q, want excluded %v", from, notes(m), excluded)
		}
	}
}

func TestBounces(t *testing.T) {
	const (
		ours       = "From: MAILER-DAEMON@example.org\r\nSubject: x\r\n\r\nbody\r\n"
		theirs     = "From: MAILER-DAEMON@mx7.example.net\r\nSubject: x\r\n\r\nbody\r\n"
		unreadable = "From: MAILER-DAEMON (Mail Delivery System)\r\nSubject: x\r\n\r\nbody\r\n"
		nobody     = "Subject: x\r\n\r\nbody\r\n"
	)
	tests := []struct {
		name, domain, sender, text, want string // d=, or the reason
	}{
		{"From first", "example.com", "", ours, "example.org"},
		{"default domain", "Example.com", "", theirs, "example.com"},
		{"default domain, From without a domain", "example.com", "", unreadable, "example.com"},
		{"no bounce", "example.com", "a@example.com", theirs, "no_key"},
		{"no bounce, From without a domain", "example.com", "a@example.com", unreadable, "unreadable_from"},
		{"no default domain", "", "", theirs, "null_sender"},
		{"no default domain, From without a domain", "", "", unreadable, "unreadable_from"},
		{"no From to sign (RFC 6376 5.4)", "example.com", "", nobody, "no_from"},
		{"excluded", "example.com", "", strings.Replace(theirs, "mx7", "quiet", 1), "excluded"},
	}
	id := example(t)
	id.add(t, "example.com", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	id.opts.Exclude = []string{"quiet.example.net"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			id.opts.DefaultDomain = tt.domain
			signed, m, err := trySignFor(id.signer(t, goRSA{}), tt.sender, tt.text)
			if err != nil {
				t.Fatal(err)
			}
			got := m.Notes[0].Code
			if got == "" {
				domain, _, _ := strings.Cut(strings.TrimPrefix(m.Notes[0].Text, "d="), " ")
				got = domain
				id.wantValid(t, signed, len(m.Notes))
			}
			if got != tt.want {
				t.Errorf("%s, want %s: %q", got, tt.want, notes(m))
			}
		})
	}
}

// Before the first key signs, mail lacks a key; that is not the same as off. A default
// domain may be named by then.
func TestAwaitedKeys(t *testing.T) {
	for _, tt := range []struct {
		awaited        bool
		domain, sender string
		want           Reason
	}{
		{false, "", "a@example.org", Off},
		{true, "", "a@example.org", NoKey},
		{true, "example.org", "", NoKey},
	} {
		opts := DefaultOptions()
		opts.Awaited, opts.DefaultDomain = tt.awaited, tt.domain
		s, err := New(opts, fixedClock, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, m, err := trySignFor(s, tt.sender, "From: a@example.org\r\n\r\nbody\r\n")
		if err != nil || m.Notes[0].Code != string(tt.want) {
			t.Errorf("%+v: %q, %v", tt, notes(m), err)
		}
	}
}

func TestReasonHeader(t *testing.T) {
	const name = "X-Pratique-Unsigned"
	id := example(t)
	id.add(t, "broken.example", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	id.add(t, "failing.example", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	id.opts.Domains[1].Keys[0].File = "/nowhere/k.pem"
	id.opts.ReasonHeader = name
	s := id.signer(t, goRSA{})
	s.table.exact["failing.example"].keys[0].ready = failingKey(errors.New("no entropy"))
	chain := message.NewChain(message.Link{Check: s, OnError: message.Accept})
	for domain, want := range map[string][]string{
		"example.org":     nil,
		"other.example":   {"no_key"},
		"broken.example":  {"key_failed"},
		"failing.example": {"sign_failed"},
	} {
		for _, forged := range []string{"", name + ": no_from\r\n", "x-pratique-unsigned:\r\n off\r\n" + name + ": x\r\n"} {
			m := &message.Message{Sender: "sender@example.org"}
			text := forged + strings.Replace(letter, "example.org", domain, 1)
			if err := playThrough(chain, m, text); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range m.Header.Named(name) {
				got = append(got, f.Unfolded())
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s with %q: %q, want %q", domain, forged, got, want)
			}
		}
	}
}

// Without the option the header is nobody's business.
func TestNoReasonHeader(t *testing.T) {
	text := "X-Pratique-Unsigned: theirs\r\n" + strings.Replace(letter, "example.org", "other.example", 1)
	if signed, _ := sign(t, example(t).signer(t, goRSA{}), text); string(signed) != text {
		t.Errorf("the message was changed:\n%s", signed)
	}
}
