package posture

import (
	"net/netip"
	"strings"
	"testing"
)

// Each way out is held against its own name and its own addresses.
func TestHeloOfRoutes(t *testing.T) {
	here, there := netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("192.0.2.28")
	s := Subject{Hostname: "mail.test", HostnameSource: "of the configuration", Addresses: []netip.Addr{here, there}, Routes: []Route{
		{Helo: "mail.test", Source: "of the configuration", Addresses: []netip.Addr{here}},
		{Helo: "nowhere.test", Source: "Postfix: smtp_helo_name of bulk/unix", Addresses: []netip.Addr{there}},
		{Helo: "localhost", Source: "Postfix: smtp_helo_name of old/unix"},
	}}
	var got []string
	for _, f := range Run(t.Context(), asking(serve(t)), s).Findings {
		if f.Topic == "helo" && f.Code != "helo_not_ptr" && !strings.HasPrefix(f.Code, "helo_spf") {
			got = append(got, f.Subject+" "+f.Code)
		}
	}
	if want := "mail.test helo_ok, nowhere.test helo_unresolvable, localhost helo_not_public"; strings.Join(got, ", ") != want {
		t.Errorf("%v", got)
	}
}
