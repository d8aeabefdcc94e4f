package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
)

// TestAuditResolver audits through a real resolver, an unbound that validates: a zone
// that is well and signed, one that was changed after it was signed, one whose server is
// lame, and one with an answer that takes TCP.
func TestAuditResolver(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	const head = "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n"
	domain := func(name, more string) string {
		return fmt.Sprintf("$ORIGIN %s.\n%s@ MX 10 mail.test.\n@ TXT \"v=spf1 a:mail.test -all\"\n_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:d@%s\"\n%s", name, head, name, more)
	}
	long := ""
	for i := range 40 {
		long += fmt.Sprintf("@ TXT \"verification-%02d=%s\"\n", i, strings.Repeat("x", 100))
	}
	zones := map[string]string{"plain.test": domain("plain.test", ""), "long.test": domain("long.test", long)}
	parent := head + "ns A 127.0.0.1\nmail A 192.0.2.25\nmail TXT \"v=spf1 a -all\"\n"
	for _, name := range []string{"signed.test", "changed.test"} {
		signed, err := harness.SignZone(ctx, t.TempDir(), name, domain(name, ""), time.Now().AddDate(0, 0, 7))
		if err != nil {
			t.Fatal(err)
		}
		zones[name] = signed.Text
		if name == "changed.test" {
			zones[name] = strings.Replace(signed.Text, "a:mail.test -all", "+all", 1)
		}
		parent += name + ". NS ns.test.\n" + signed.DS + "\n"
	}
	for _, name := range []string{"plain.test", "long.test", "lame.test"} {
		parent += name + ". NS ns.test.\n"
	}
	root, err := harness.SignZone(ctx, t.TempDir(), "test", parent, time.Now().AddDate(0, 0, 7))
	if err != nil {
		t.Fatal(err)
	}
	zones["test"] = root.Text
	for name, text := range reverseZones() {
		zones[name] = text
	}
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
	nsd = started(t, nsd, err)
	stranger, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: map[string]string{"other.test": head}})
	stranger = started(t, stranger, err)
	servers := map[string]string{"lame.test": stranger.Addr()}
	for name := range zones {
		servers[name] = nsd.Addr()
	}
	unbound, err := harness.StartUnbound(ctx, t.TempDir(), harness.UnboundOptions{Servers: servers, Anchors: []string{root.DS}})
	unbound = started(t, unbound, err)
	r, status := runAudit(t, ctx, fmt.Sprintf("state = %q\nhostname = \"mail.test\"\negress = [\"192.0.2.25\"]\n[dns]\nresolver = %q\nauthoritative = [%q]\n[audit]\nports = []\ntimeout = \"1m\"\n"+
		"domains = [\"signed.test\", \"changed.test\", \"plain.test\", \"long.test\", \"lame.test\", \"gone.test\"]\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n", t.TempDir(), unbound.Addr(), nsd.Addr()))
	if status != 2 {
		t.Errorf("exit status %d", status)
	}
	for subject, topics := range map[string]map[string]string{
		"signed.test":  {"spf": "well", "mx": "well", "dnssec": "well"},
		"changed.test": {"spf": "spf_unknown unknown", "mx": "well", "dnssec": "dnssec_bogus fail"},
		"plain.test":   {"spf": "well", "mx": "well", "dnssec": "well"},
		"long.test":    {"spf": "spf_too_long warn", "mx": "well"},
		"lame.test":    {"spf": "spf_unknown unknown", "mx": "mx_unknown unknown", "dmarc": "dmarc_unknown unknown", "dnssec": "dnssec_unknown unknown"},
		"gone.test":    {"spf": "spf_none fail", "mx": "no_mx fail", "zone": "no_domain_in_dns fail"},
		"mail.test":    {"helo": "well"},
		"192.0.2.25":   {"ptr": "well"},
	} {
		for topic, want := range topics {
			if got := notWell(r.of(topic, subject)); got != want {
				t.Errorf("%s: under %s it says %s, want %s\n%s", subject, topic, got, want, shown(r.of(topic, subject)))
			}
		}
	}
	if got := shown(r.of("dnssec", "signed.test")); !strings.Contains(got, "secure") {
		t.Error(got)
	}
	if got := shown(r.of("spf", "changed.test")); !strings.Contains(got, "DNSSEC") || !strings.Contains(got, "extended error") {
		t.Error(got)
	}
}
