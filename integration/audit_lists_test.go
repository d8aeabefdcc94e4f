package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// TestAuditLists asks blocklists that a real name server has, good and bad ones.
func TestAuditLists(t *testing.T) {
	const (
		head   = "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n"
		point6 = ".0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0" // of ::ffff:7f00:*, but for the last nibble
		ours6  = "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
	)
	zones := map[string]string{"test": head + "ns A 127.0.0.1\nmail A 192.0.2.25\nmail AAAA 2001:db8::25\nexample MX 10 mail\n"}
	type list struct {
		zone, kind, lines string
		want              []string // "status subject code", of what is said about the list
		says              string
	}
	lists := []list{
		{"good", "address", "2.0.0.127 A 127.0.0.2\n", nil, ""},
		{"listed", "address", "2.0.0.127 A 127.0.0.2\n25.2.0.192 A 127.0.0.4\n25.2.0.192 TXT \"ask us\"\n", []string{"fail 192.0.2.25 listed"}, "127.0.0.4"},
		{"several", "address", "2.0.0.127 A 127.0.0.2\n25.2.0.192 A 127.0.0.4\n25.2.0.192 A 127.0.0.9\n", []string{"fail 192.0.2.25 listed"}, "127.0.0.4; 127.0.0.9"},
		{"all", "address", "* A 127.0.0.2\n", []string{"unknown all.test list_left_out"}, "lists everything"},
		{"empty", "address", "", []string{"unknown empty.test list_left_out"}, "must be listed"},
		{"refuse252", "address", "* A 127.255.255.252\n", []string{"unknown refuse252.test list_left_out"}, "mistyped"},
		{"refuse254", "address", "* A 127.255.255.254\n", []string{"unknown refuse254.test list_left_out"}, "public resolver"},
		{"refuse255", "address", "* A 127.255.255.255\n", []string{"unknown refuse255.test list_left_out"}, "too many questions"},
		{"late", "address", "2.0.0.127 A 127.0.0.2\n25.2.0.192 A 127.255.255.255\n", []string{"unknown late.test list_left_out"}, "too many questions"},
		{"parked", "address", "* A 203.0.113.1\n", []string{"unknown parked.test list_left_out"}, "belongs to somebody else"},
		{"parkedlate", "address", "2.0.0.127 A 127.0.0.2\n25.2.0.192 A 203.0.113.1\n", []string{"unknown parkedlate.test list_left_out"}, "belongs to somebody else"},
		{"six", "address", "2.0.0.127 A 127.0.0.2\n2" + point6 + " A 127.0.0.2\n" + ours6 + " A 127.0.0.2\n", []string{"fail 2001:db8::25 listed"}, ""},
		{"sixclean", "address", "2.0.0.127 A 127.0.0.2\n2" + point6 + " A 127.0.0.2\n", nil, ""},
		{"sixall", "address", "2.0.0.127 A 127.0.0.2\n*.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 A 127.0.0.2\n*.2 A 127.0.0.2\n", []string{"unknown sixall.test list_left_out"}, "every IPv6 address"},
		{"four", "address", "2.0.0.127 A 127.0.0.2\n" + ours6 + " A 127.0.0.2\n", nil, ""}, // without a test point it has no IPv6
		{"domain", "domain", "test A 127.0.1.2\nexample.test A 127.0.1.4\n", []string{"fail example.test listed"}, "127.0.1.4"},
		{"domainall", "domain", "* A 127.0.1.2\n", []string{"unknown domainall.test list_left_out"}, "lists everything"},
		{"domaindead", "domain", "", []string{"unknown domaindead.test list_left_out"}, "must be listed"},
		{"noA", "address", "2.0.0.127 TXT \"only text\"\n", []string{"unknown noa.test list_left_out"}, "must be listed"},
		{"alias", "address", "2.0.0.127 CNAME there\nthere A 127.0.0.2\n25.2.0.192 CNAME there\n", []string{"fail 192.0.2.25 listed"}, ""},
	}
	config := ""
	for _, l := range lists {
		zone := strings.ToLower(l.zone) + ".test"
		zones[zone] = head + l.lines
		config += fmt.Sprintf("[[audit.blocklists]]\nzone = %q\nkind = %q\n", zone, l.kind)
	}
	config += "[[audit.blocklists]]\nzone = \"nobody.invalid\"\nkind = \"address\"\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n"
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
	nsd = started(t, nsd, err)
	r, status := runAudit(t, ctx, fmt.Sprintf("state = %q\nhostname = \"mail.test\"\negress = [\"192.0.2.25\", \"2001:db8::25\", \"10.0.0.1\"]\n[dns]\nresolver = %q\nauthoritative = [%q]\n[audit]\nports = []\ndomains = [\"example.test\"]\n%s",
		t.TempDir(), nsd.Addr(), nsd.Addr(), config))
	if status != 2 {
		t.Errorf("exit status %d", status)
	}
	for _, l := range lists {
		zone := strings.ToLower(l.zone) + ".test"
		var got []string
		says := ""
		for _, f := range r.Findings {
			if f.Topic == "blocklists" && (f.List == zone || f.Subject == zone) {
				got = append(got, fmt.Sprintf("%s %s %s", f.Status, f.Subject, f.Code))
				says += f.Found + f.Do + strings.Join(f.Details, "\n")
			}
		}
		if !slices.Equal(got, l.want) || !strings.Contains(says, l.says) {
			t.Errorf("%s: %q that says %q, want %q and %q", l.zone, got, says, l.want, l.says)
		}
	}
	for _, f := range r.Findings {
		switch {
		case f.Topic == "blocklists" && f.Subject == "10.0.0.1":
			t.Errorf("a private address was asked for: %+v", f)
		case f.Topic == "blocklists" && f.Subject == "nobody.invalid" && (f.Status != "unknown" || !strings.Contains(f.Found, "REFUSED")):
			t.Errorf("%+v", f)
		}
	}
}
