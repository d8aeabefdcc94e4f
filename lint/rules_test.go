package lint

import (
	"bytes"
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

// testEnv is an Env that always answers the same.
func testEnv() Env {
	return Env{
		Clock:      func() time.Time { return time.Date(2025, 6, 2, 12, 0, 0, 0, time.UTC) },
		Hostname:   "mail.example.org",
		Random:     zeros{},
		Domains:    knownDomains(),
		MessageIDs: sentBefore(),
		Signatures: knownSignatures{},
	}
}

// knownDomains knows what speaks against some domains, whose own names tell it.
func knownDomains() Domains {
	return fakeDomains(func(from, sender string) DomainFacts {
		facts := DomainFacts{FromMissing: from == "missing.example", NoDMARC: from == "no-dmarc.example"}
		switch message.Domain(sender) {
		case "uncovered.example":
			facts.Uncovered = []netip.Addr{netip.MustParseAddr("192.0.2.25")}
		case "ten-lookups.example":
			facts.SPFProblem = "lookup limit reached"
		}
		return facts
	})
}

type fakeDomains func(from, sender string) DomainFacts

func (f fakeDomains) Ask(from, sender string) DomainReport {
	return func(context.Context) DomainFacts { return f(from, sender) }
}

// knownSignatures tells by the From domain what signatures there will be.
type knownSignatures struct{}

func (knownSignatures) Of(m *message.Message) SignatureFacts {
	from, ok := m.Header.First("From")
	if !ok {
		return SignatureFacts{}
	}
	value := from.Unfolded()
	switch {
	case strings.Contains(value, "@unsigned.example"):
		return SignatureFacts{Unsigned: "no key for \"unsigned.example\""}
	case strings.Contains(value, "@weak.example"):
		return SignatureFacts{Domain: "weak.example", Weak: []string{"selector a: 1024 bits"}}
	case strings.Contains(value, "@unpublished.example"):
		return SignatureFacts{Domain: "unpublished.example", Unpublished: []string{"a._domainkey.unpublished.example: missing"}}
	case strings.Contains(value, "@news.example.org"):
		return SignatureFacts{Domain: "example.org"}
	case strings.Contains(value, "@other.example"):
		return SignatureFacts{Domain: "esp.example"}
	}
	return SignatureFacts{}
}

// sentBefore has seen one message.
func sentBefore() *MessageIDs {
	ids := NewMessageIDs()
	ids.reused("<reused@example.org>", "Ann Example <ann@example.org>", "hello", "Mon, 02 Jun 2025 10:00:00 +0200")
	return ids
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func newLint(t testing.TB, opts Options) *Lint {
	t.Helper()
	l, err := New(opts, testEnv())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lintFile plays a stored message through a collecting Lint.
func lintFile(t testing.TB, opts Options, content []byte) *message.Message {
	t.Helper()
	return playFile(t, newLint(t, opts).Collecting(), content)
}

func playFile(t testing.TB, l *Lint, content []byte) *message.Message {
	t.Helper()
	m := &message.Message{Sender: sender(content)}
	if err := message.Play(context.Background(), l, m, bytes.NewReader(content), nil); err != nil {
		t.Fatal(err)
	}
	return m
}

// sender is the envelope sender of a stored message: the address in its field X-Sender, if it has one.
func sender(content []byte) string {
	_, rest, ok := bytes.Cut(content, []byte("\nX-Sender: "))
	if !ok {
		return "ann@example.org"
	}
	addr, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(addr)
}

// ruleOptions are those under which the files of a rule are judged, where the defaults won't do.
func ruleOptions(id string) Options {
	opts := DefaultOptions()
	opts.Rules = map[string]string{"M11": "off"} // true of whatever is 8bit
	switch id {
	case "M11":
		opts.Rules = nil
	case "H28":
		opts.Rules = map[string]string{"H03": "off"}
	case "L08":
		opts.Bulk = []string{"example.org"}
		opts.Rules["L08"] = "warn"
	case "L01", "L02":
		opts.Bulk = []string{"example.org"}
	case "L06":
		opts.Bulk = []string{"*.example.org"}
	case "T07":
		opts.Clients = []string{"gmail", "outlook"}
	case "M20":
		opts.MaxSize = 4 << 10
	}
	return opts
}

// ofTheEnvelope are rules that judge a message under way only: a stored one has no
// envelope.
var ofTheEnvelope = map[string]bool{"A05": true}

// companions are the rules that a bad file breaks besides its own, because one comes with the other.
var companions = map[string][]string{
	"A10/bad-covered":         {"H25"},
	"L05/bad-unsigned":        {"A01"},
	"H03/bad-semicolon":       {"H04"},
	"H03/bad-no-comma":        {"H04"},
	"H03/bad-two-angles":      {"H04"},
	"H18/bad-domain":          {"H05"},
	"M06/bad-rfc822-base64":   nil,
	"M18/bad-part-header":     nil,
	"M20/bad-over":            nil,
	"M22/bad-one-alternative": nil,
}

func TestEveryRuleHasGoodAndBadFiles(t *testing.T) {
	for _, rule := range Rules() {
		t.Run(rule.ID, func(t *testing.T) {
			good, bad := 0, 0
			for _, path := range ruleFiles(t, rule.ID) {
				name := strings.TrimSuffix(filepath.Base(path), ".eml")
				switch {
				case strings.HasPrefix(name, "good-"):
					good++
				case strings.HasPrefix(name, "bad-"):
					bad++
				default:
					t.Errorf("%s is neither good- nor bad-", path)
				}
			}
			if good == 0 || bad == 0 {
				t.Errorf("%d good files and %d bad ones, want one of each at least", good, bad)
			}
		})
	}
}

func ruleFiles(t testing.TB, id string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "rules", id, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestRuleFiles(t *testing.T) {
	for _, rule := range Rules() {
		if rule.gate { // there must be a client; cmd/pratique plays them
			continue
		}
		for _, path := range ruleFiles(t, rule.ID) {
			name := rule.ID + "/" + strings.TrimSuffix(filepath.Base(path), ".eml")
			t.Run(name, func(t *testing.T) {
				content, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				l := newLint(t, ruleOptions(rule.ID))
				if !ofTheEnvelope[rule.ID] {
					l = l.Collecting()
				}
				m := playFile(t, l, content)
				var want []string
				if strings.Contains(name, "/bad-") {
					want = append(slices.Clone(companions[name]), rule.ID)
				}
				wantRules(t, m, want)
				wantActions(t, m, rule)
			})
		}
	}
}

func wantRules(t *testing.T, m *message.Message, want []string) {
	t.Helper()
	var got []string
	for _, f := range m.Findings {
		if !slices.Contains(got, f.Rule) {
			got = append(got, f.Rule)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("rules %v, want %v: %+v", got, want, m.Findings)
	}
}

// wantActions holds that the findings of the file's rule have its default action and a place.
func wantActions(t *testing.T, m *message.Message, rule Rule) {
	t.Helper()
	for _, f := range m.Findings {
		if f.Rule == rule.ID && f.Action != string(rule.Default) && rule.Default != Off {
			t.Errorf("action %q, want %q: %+v", f.Action, rule.Default, f)
		}
		if f.Where == "" || f.Check != "lint" {
			t.Errorf("finding without its place or check: %+v", f)
		}
	}
}

func TestRuleTableIsComplete(t *testing.T) {
	ids := map[string]bool{}
	last := ""
	for _, r := range Rules() {
		if ids[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		ids[r.ID] = true
		if r.Name == "" || r.Description == "" || r.Source == "" || r.Default == "" {
			t.Errorf("%s: a field is empty: %+v", r.ID, r)
		}
		if r.Default == Fix && !r.Fixes {
			t.Errorf("%s is fixed by default and can't be", r.ID)
		}
		if r.header == nil && r.part == nil && r.ended == nil && r.end == nil && !r.told && !r.gate {
			t.Errorf("%s has no function", r.ID)
		}
		if r.ID < last {
			t.Errorf("%s stands behind %s", r.ID, last)
		}
		last = r.ID
	}
	dirs, err := os.ReadDir(filepath.Join("testdata", "rules"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		if !ids[d.Name()] {
			t.Errorf("testdata/rules/%s belongs to no rule", d.Name())
		}
	}
}
