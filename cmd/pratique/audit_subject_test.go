package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pratique/configs"
	"pratique/posture"
)

// TestAuditAsksPostfix: without addresses in the configuration those of Postfix count,
// also of single services, and its HELO name with its macros expanded.
func TestAuditAsksPostfix(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil && os.Getenv("PRATIQUE_REQUIRE_REAL") == "" {
		t.Skip(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.cf": "compatibility_level = 3.6\nmyhostname = Out.example.org\nsmtp_helo_name = $myhostname\nsmtp_bind_address = 192.0.2.25\nsmtp_bind_address6 = [2001:db8::25]\n",
		"master.cf": "smtp unix - - n - - smtp\nbulk unix - - n - - smtp\n  -o smtp_bind_address=192.0.2.26\n  -o smtp_helo_name=bulk.example.org\n" +
			"same unix - - n - - smtp\n  -o smtp_tls_security_level=encrypt\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := subjectOf(t, "", auditFlags{postfix: dir})
	if s.Hostname != "out.example.org" || !strings.Contains(s.HostnameSource, "smtp_helo_name") || !strings.Contains(s.AddressSource, "smtp_bind_address") {
		t.Errorf("%+v", s)
	}
	if got := strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(joined(s))); !reflect.DeepEqual(got, []string{"192.0.2.25", "2001:db8::25", "192.0.2.26"}) {
		t.Errorf("%v", got)
	}
	want := []posture.Route{
		{Helo: "out.example.org", Source: "Postfix: smtp_helo_name", Addresses: s.Addresses[:2]},
		{Helo: "bulk.example.org", Source: "Postfix: smtp_helo_name of bulk/unix", Addresses: s.Addresses[1:3]},
	}
	if !reflect.DeepEqual(s.Routes, want) {
		t.Errorf("%+v", s.Routes)
	}
	s = subjectOf(t, "egress = [\"203.0.113.1\"]\nhostname = \"mail.example.com\"\n", auditFlags{postfix: dir})
	if joined(s) != "203.0.113.1" || s.Hostname != "mail.example.com" || len(s.Notes) != 1 || s.Notes[0].Code != "helo_differs" {
		t.Errorf("%+v", s)
	}
}

func joined(s posture.Subject) string {
	var texts []string
	for _, a := range s.Addresses {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " ")
}

func subjectOf(t *testing.T, config string, f auditFlags) posture.Subject {
	t.Helper()
	cfg, err := configs.Parse("p.toml", []byte("state = \""+t.TempDir()+"\"\n"+config))
	if err != nil {
		t.Fatal(err)
	}
	s, err := auditSubject(t.Context(), &env{now: time.Now}, cfg, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAuditDomains: domains of From with what authenticates them.
func TestAuditDomains(t *testing.T) {
	file := filepath.Join(t.TempDir(), "k.pem")
	if err := writeKey("ed25519", file); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(table, []byte("example.net s1:"+file+"\n*.example.net s1:"+file+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := subjectOf(t, `
[signing]
table = "`+table+`"
[[signing.domains]]
domain = "Shop.example.org"
sign_as = "example.org"
keys = [ { selector = "a", file = "`+file+`" } ]
[audit]
max_domains = 5
domains = ["plain.example.com", "deep.down.example.net", "one.too.many.example"]
[[audit.envelopes]]
from = "shop.example.org"
domain = "Bounces.example.org"
`, auditFlags{})
	want := []posture.Pair{
		{From: "shop.example.org", Envelope: "bounces.example.org", Signed: []string{"example.org"}},
		{From: "example.net", Envelope: "example.net", Signed: []string{"example.net"}},
		{From: "plain.example.com", Envelope: "plain.example.com"},
		{From: "deep.down.example.net", Envelope: "deep.down.example.net", Signed: []string{"example.net"}},
		{From: "one.too.many.example", Envelope: "one.too.many.example"},
	}
	if !reflect.DeepEqual(s.Pairs, want) || s.Left != 0 {
		t.Errorf("%+v, %d left", s.Pairs, s.Left)
	}
	var keys []string
	for _, k := range s.Keys {
		keys = append(keys, k.Record)
	}
	if got := strings.Join(keys, " "); !strings.Contains(got, "a._domainkey.example.org") || !strings.Contains(got, "s1._domainkey.example.net") {
		t.Error(got)
	}
	few := subjectOf(t, "[audit]\nmax_domains = 1\ndomains = [\"a.example\", \"b.example\", \"A.example\"]\n", auditFlags{})
	if len(few.Pairs) != 1 || few.Left != 1 {
		t.Errorf("%+v", few)
	}
	only := subjectOf(t, "[audit]\ndomains = [\"a.example\"]\n", auditFlags{domains: []string{"c.example"}})
	if len(only.Pairs) != 1 || only.Pairs[0].From != "c.example" {
		t.Errorf("%+v", only)
	}
}
