package integration

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// TestAuditAddresses audits addresses with all kinds of names, by the real command.
func TestAuditAddresses(t *testing.T) {
	const head = "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n"
	forward, reverse, reverse6 := head+"ns A 127.0.0.1\n", head, head
	var egress []string
	type want struct{ subject, ptr, publishes string }
	var wanted []want
	for i, c := range []struct {
		ptr     string // lines of the reverse zone; # is the address's own label
		forward string // lines of "test."; % is the address
		ptrWant string
		publish string
	}{
		{"# PTR m%.test.", "m% A 192.0.2.%", "well", ""},
		{"", "", "no_ptr fail", "%.2.0.192.in-addr.arpa. IN PTR mail.test."},
		{"# PTR m%.test.\n# PTR n%.test.", "m% A 192.0.2.%\nn% A 192.0.2.%", "several_ptr warn", "%.2.0.192.in-addr.arpa. IN PTR m%.test."},
		{"# PTR m%.test.\n# PTR gone%.test.", "m% A 192.0.2.%", "ptr_not_confirmed fail, several_ptr warn", "gone%.test. IN A 192.0.2.%"},
		{"# PTR gone%.test.", "", "ptr_not_confirmed fail", "gone%.test. IN A 192.0.2.%"},
		{"# PTR m%.test.", "m% A 198.51.100.%", "ptr_not_confirmed fail", "m%.test. IN A 192.0.2.%"},
		{"# PTR m%.test.", "m% AAAA 2001:db8::%", "ptr_not_confirmed fail", "m%.test. IN A 192.0.2.%"},
		{"# PTR m%.test.", "m% CNAME n%\nn% A 192.0.2.%", "well", ""},
		{"# PTR m%.test.", "m% CNAME n%\nn% CNAME m%", "ptr_unconfirmed unknown", ""},
		// RFC 2317: a CNAME to a zone of the customer's own.
		{"# CNAME #.128-191\n#.128-191 PTR m%.test.", "m% A 192.0.2.%", "well", ""},
		{"# CNAME #.rev.test.", "%.rev PTR m%.test.\nm% A 192.0.2.%", "well", ""},
		{"# CNAME #.128-191", "", "no_ptr fail", "%.128-191.2.0.192.in-addr.arpa. IN PTR mail.test."},
		{"# CNAME #.loop\n#.loop CNAME #", "", "ptr_unknown unknown", ""},
		{"# PTR 192-0-2-%.isp.test.", "192-0-2-%.isp A 192.0.2.%", "generic_ptr warn", "%.2.0.192.in-addr.arpa. IN PTR mail.test."},
		{"# PTR M%.TEST.", "m% A 192.0.2.%", "well", ""},
		{"# PTR localhost.", "", "ptr_unconfirmed unknown", ""},
		{"# PTR m_x%.test.", "m_x% A 192.0.2.%", "well", ""},
		{"# PTR m%.test.", "m% A 192.0.2.%\nm% A 192.0.2.200", "well", ""},
		{"# PTR m%.test.\n# PTR dsl-%.isp.test.", "m% A 192.0.2.%\ndsl-%.isp A 192.0.2.%", "several_ptr warn, generic_ptr warn", ""},
		{"# TXT \"no PTR\"", "", "no_ptr fail", ""},
	} {
		host := fmt.Sprint(130 + i)
		fill := strings.NewReplacer("%", host, "#", host)
		reverse += fill.Replace(c.ptr) + "\n"
		forward += fill.Replace(c.forward) + "\n"
		egress = append(egress, fmt.Sprintf("%q", "192.0.2."+host))
		wanted = append(wanted, want{"192.0.2." + host, c.ptrWant, fill.Replace(c.publish)})
	}
	reverse6 += "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR six.test.\n6.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR 2001-db8--26.isp.test.\n"
	forward += "six AAAA 2001:db8::25\n2001-db8--26.isp AAAA 2001:db8::26\nmail A 192.0.2.130\nmail AAAA 2001:db8::25\n"
	for addr, ptr := range map[string]string{"2001:db8::25": "well", "2001:db8::26": "generic_ptr warn", "2001:db8::27": "no_ptr fail", "10.0.0.1": "private_address unknown", "100.64.0.1": "private_address unknown"} {
		egress = append(egress, fmt.Sprintf("%q", addr))
		wanted = append(wanted, want{addr, ptr, ""})
	}
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: map[string]string{"test": forward, "2.0.192.in-addr.arpa": reverse, "8.b.d.0.1.0.0.2.ip6.arpa": reverse6, "10.in-addr.arpa": head, "100.in-addr.arpa": head}})
	nsd = started(t, nsd, err)
	config := func(helo, egress string) string {
		return fmt.Sprintf("state = %q\nhostname = %q\negress = [%s]\n[dns]\nresolver = %q\nauthoritative = [%q]\n[audit]\nports = []\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n",
			t.TempDir(), helo, egress, nsd.Addr(), nsd.Addr())
	}
	r, status := runAudit(t, ctx, config("mail.test", strings.Join(egress, ", ")))
	if status != 2 {
		t.Errorf("exit status %d", status)
	}
	for _, w := range wanted {
		found := r.of("ptr", w.subject)
		if got := notWell(found); got != w.ptr || !strings.Contains(shown(found), w.publishes) {
			t.Errorf("%s: %s, want %s and %q\n%s", w.subject, got, w.ptr, w.publishes, shown(found))
		}
	}
	for helo, want := range map[string]string{
		"mail.test": "well", "MAIL.TEST": "well", "gone.test": "helo_unresolvable fail", "ns.test": "helo_mismatch warn",
		"mail.local": "helo_not_public fail", "mail.localdomain": "helo_not_public fail",
	} {
		r, _ := runAudit(t, ctx, config(helo, `"192.0.2.130"`))
		if got := notWell(r.of("helo", strings.ToLower(helo))); got != want {
			t.Errorf("HELO %s: %s, want %s", helo, got, want)
		}
	}
}
