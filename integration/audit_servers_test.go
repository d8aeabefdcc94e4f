package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// TestAuditServers audits a domain whose servers do not agree: one has an older version
// of the zone, without the key; one does not have the zone at all; one is down.
func TestAuditServers(t *testing.T) {
	keys := newZoneKeys(t)
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	zone := func(serial int, key string) string {
		return fmt.Sprintf("$TTL 60\n@ SOA ns.test. h.test. %d 60 60 600000 60\n@ NS ns.test.\nexample MX 10 mail.test.\nexample TXT \"v=spf1 ip4:192.0.2.25 -all\"\nmail A 192.0.2.25\n%s", serial, key)
	}
	start := func(zones map[string]string) string {
		nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
		return started(t, nsd, err).Addr()
	}
	key := keys.marks.Replace("rsa._domainkey.example TXT {rsa}\n")
	zones := reverseZones()
	zones["test"] = zone(2, key)
	primary := start(zones)
	secondary := start(map[string]string{"test": zone(1, "")})
	same := start(map[string]string{"test": zone(2, key)})
	for _, c := range []struct {
		name, servers, dkim, zone, says string
	}{
		{"all agree", fmt.Sprintf("%q, %q", primary, same), "well", "well", "published at all of 2 servers"},
		{"one is late", fmt.Sprintf("%q, %q", primary, secondary), "dkim_missing fail", "well", "published at 1 of 2 servers"},
		{"one is down", fmt.Sprintf("%q, %q", primary, "127.0.0.1:1"), "dkim_unknown unknown", "lame_server warn", "nothing listens there"},
	} {
		r, _ := runAudit(t, ctx, fmt.Sprintf("state = %q\nhostname = \"mail.test\"\negress = [\"192.0.2.25\"]\n[dns]\nresolver = %q\nauthoritative = [%s]\n[audit]\nports = []\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n%s",
			t.TempDir(), primary, c.servers, keys.toml(zoneCase{name: "example", sign: "rsa"})))
		dkim, servers := r.of("dkim", "example.test"), r.of("zone", "example.test")
		if notWell(dkim) != c.dkim || notWell(servers) != c.zone || !strings.Contains(shown(dkim)+shown(servers), c.says) {
			t.Errorf("%s: %s and %s, want %s and %s that say %q\n%s%s", c.name, notWell(dkim), notWell(servers), c.dkim, c.zone, c.says, shown(dkim), shown(servers))
		}
	}
}
