package posture

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/signing/records"
)

// signedZones are zones below "test", by what becomes of them.
func signedZones(t *testing.T, ctx context.Context) (zones map[string]string, anchor string) {
	t.Helper()
	now := time.Now()
	plain := func(zone, more string) string {
		return fmt.Sprintf("$ORIGIN %s.\n$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n@ MX 10 mail.secure.test.\nmail A 192.0.2.25\n"+
			"@ TXT \"v=spf1 ip4:192.0.2.25 -all\"\n_dmarc TXT \"v=DMARC1; p=reject; rua=mailto:d@%s\"\n%s", zone, zone, more)
	}
	sign := func(zone, text string, until time.Time) harness.SignedZone {
		signed, err := harness.SignZone(ctx, t.TempDir(), zone, text, until)
		if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") == "" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	zones = map[string]string{}
	parent := "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\nns A 127.0.0.1\n"
	delegate := func(zone, text, ds string) {
		zones[zone] = text
		parent += zone + ". NS ns.test.\n" + ds + "\n"
	}
	for _, zone := range []string{"secure.test", "changed.test", "expired.test", "island.test", "renewed.test"} {
		until := now.AddDate(0, 0, 7)
		if zone == "expired.test" {
			until = now.AddDate(0, 0, -2)
		}
		more := ""
		if zone == "secure.test" {
			more = "a._domainkey CNAME a._domainkey.plain.test.\n"
		}
		signed := sign(zone, plain(zone, more), until)
		switch zone {
		case "changed.test": // by hand, after it was signed
			signed.Text = strings.Replace(signed.Text, "p=reject", "p=none", 1)
		case "renewed.test": // the parent has the DS of a key that is gone
			signed.Text = sign(zone, plain(zone, ""), until).Text
		case "island.test":
			signed.DS = ""
		}
		delegate(zone, signed.Text, signed.DS)
	}
	delegate("plain.test", plain("plain.test", "a._domainkey TXT \"v=DKIM1; p=\"\n"), "")
	_, ds, _ := strings.Cut(parent, "changed.test. NS ns.test.\n")
	ds, _, _ = strings.Cut(ds, "\n")
	delegate("nokey.test", plain("nokey.test", ""), strings.Replace(ds, "changed.test.", "nokey.test.", 1))
	root := sign("test", parent, now.AddDate(0, 0, 7))
	zones["test"] = root.Text
	return zones, root.DS
}

// TestSigned audits zones that ldns signed, through an unbound that validates: what it
// could verify is told apart from what it could not, from what is forged, and from what
// was never signed. Without validation none of that is claimed.
func TestSigned(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	zones, anchor := signedZones(t, ctx)
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nsd.Close() })
	servers := map[string]string{}
	for zone := range zones {
		servers[zone] = nsd.Addr()
	}
	resolver := func(anchors ...string) string {
		u, err := harness.StartUnbound(ctx, t.TempDir(), harness.UnboundOptions{Servers: servers, Anchors: anchors})
		if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") == "" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		return u.Addr()
	}
	validating, trusting := resolver(anchor), resolver()
	key := newKey(t, 0)
	for _, c := range []struct {
		domain, resolver, want string
		unknown                string // topics that say unknown for DNSSEC, and never ok
		says                   string
	}{
		{"secure.test", validating, "dnssec_partly info", "", "a CNAME leads to a._domainkey.plain.test"},
		{"plain.test", validating, "dnssec_none info", "", "insecure"},
		{"island.test", validating, "dnssec_island info", "", "nobody can verify"},
		{"changed.test", validating, "dnssec_bogus fail", "dmarc", "extended error 6"},
		{"expired.test", validating, "dnssec_bogus fail", "spf dmarc mx zone", "not at this time"},
		{"nokey.test", validating, "dnssec_bogus fail", "spf dmarc mx zone", "extended error"},
		{"renewed.test", validating, "dnssec_bogus fail", "spf dmarc mx zone", "extended error"},
		{"secure.test", trusting, "dnssec_unverified info", "", "does not validate"},
		{"changed.test", trusting, "dnssec_unverified info", "", "does not validate"},
		{"nokey.test", trusting, "dnssec_no_key fail", "", "no DNSKEY"},
		{"plain.test", trusting, "dnssec_none info", "", "insecure"},
	} {
		env := asking(nsd.Addr())
		env.Now = time.Now
		env.Resolver = records.NewResolver(records.Options{Resolver: c.resolver})
		r := Run(t.Context(), env, Subject{Hostname: "mail.secure.test", Addresses: []netip.Addr{ours()[0]}, Pairs: from(c.domain),
			Keys: []Key{{Record: "a._domainkey." + c.domain, Domain: c.domain, Private: key}}})
		report := text(t, r)
		if got := codes(only(r.Findings, "dnssec")); got != c.want || !strings.Contains(report, c.says) {
			t.Errorf("%s: %s, want %s that says %q\n%s", c.domain, got, c.want, c.says, report)
		}
		for _, topic := range strings.Fields(c.unknown) {
			if got := only(r.Findings, topic); len(got) != 1 || got[0].Status != Unknown || !strings.Contains(got[0].Found, "DNSSEC") {
				t.Errorf("%s: under %s stands %+v", c.domain, topic, got)
			}
		}
	}
}
