package posture

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"pratique/posture/lookup/lookuptest"
)

func TestPublic(t *testing.T) {
	var addrs []net.Addr
	for _, text := range []string{"127.0.0.1/8", "10.0.0.1/8", "192.0.2.25/24", "192.0.2.25/32", "100.64.1.1/10", "169.254.1.1/16", "fe80::1/64", "fd00::1/8", "2001:db8::25/64", "::1/128"} {
		ip, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, &net.IPNet{IP: ip, Mask: network.Mask})
	}
	if got := fmt.Sprint(Public(append(addrs, &net.TCPAddr{}))); got != "[192.0.2.25 2001:db8::25]" {
		t.Error(got)
	}
}

// TestGeneric: names by which providers call the lines of their customers, in the forms
// that are about, and names that people give to mail servers.
func TestGeneric(t *testing.T) {
	own := []string{"mail.example.org", "smtp25.example.org", "mx2.192.example.org", "out-25.example.org", "dynamics.example.org", "poolside.example.org",
		"mail.home.example", "p5dd0.dip.t-ipconnect.example", "mx1.dc2.example.org", "home.example.org", "mobile.example.org", "mail-25-eu.example.org", "srv192.dc25.example.org",
		"cluster-b.mx.example.net", "mta-out.customer.io.example", "a25-2.smtp-out.example.com", "mx0a-00000219.example.com", "deadbeef.example.org", "dialog.example.org",
		"poolia.example.org", "ippolito.example.org", "user.example.org", "cable.example.org"}
	provider := []string{"25.2.0.192.example.org", "host-192-0-2-25.isp.example", "192x0x2x25.static.isp.example", "c0000219.isp.example", "cust-17.isp.example", "dsl-9.isp.example",
		"a1.dynamic.isp.example", "pool.isp.example", "192000002025.isp.example", "h-192-0-2-25.a123.priv.isp.example", "c-192-0-2-25.hsd1.ca.isp.example",
		"25-2-0-192.isp.example", "192.0.2.25.static.isp.example", "pool-192-0-2-25.nycmny.isp.example", "cpe-192-0-2-25.res.isp.example", "ec2-192-0-2-25.compute-1.cloud.example",
		"static.25.2.0.192.clients.server.example", "ns3012345.ip-192-0-2.hoster.example", "host25.192-0-2.isp.example", "192-0-2-25-host.hoster.example", "3221226009.isp.example",
		"pc0000219.dip0.isp.example", "C0-00-02-19.isp.example", "190200c0.isp.example", "ip192.000.002.025.isp.example", "unassigned.isp.example", "unknown.isp.example", "dhcp7.campus.example",
		"ppp-88.isp.example", "vdsl-44.isp.example", "dialup-3.isp.example", "no-rdns.isp.example", "noptr.isp.example", "xdsl.isp.example", "broadband.isp.example", "user-17.isp.example",
		"mobile-25.isp.example", "host.dyn.isp.example", "cable-4.isp.example", "host25.2.0.192.in-addr.isp.example", "localhost", "localhost.localdomain"}
	for _, name := range own {
		if why := generic(strings.ToLower(name), ours()[0]); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	for _, name := range provider {
		if generic(strings.ToLower(name), ours()[0]) == "" {
			t.Errorf("%s is not recognized", name)
		}
	}
	for name, want := range map[string]bool{"mail.example.org": false, "25.example.org": false, "mail-2001.example.org": false, "2001-db8--25.isp.example": true, "ip-20010db8000000000000000000000025.isp.example": true,
		"2001-0db8-0000-0000-0000-0000-0000-0025.isp.example": true, "2001-db8-0-0-0-0-0-25.isp.example": true, "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.isp.example": true,
		"node-25.ipv6.2001.db8.0.0.0.0.0.25.isp.example": true, "0000-0000-0000-0025.ip6.isp.example": true} {
		if got := generic(name, ours()[1]); (got != "") != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestDomainName(t *testing.T) {
	for text, want := range map[string]string{
		"example.org": "example.org", "Example.ORG.": "example.org", "München.example": "xn--mnchen-3ya.example", "XN--MNCHEN-3YA.example": "xn--mnchen-3ya.example",
		"faß.example": "xn--fa-hia.example", "_x.example.org": "_x.example.org", "a.b.c.example.co.uk": "a.b.c.example.co.uk",
		"": "", "org": "", "*.example.org": "", "a b.example": "", "a..example": "", "example.org..": "", "user@example.org": "", "[192.0.2.1]": "", "a/b.example": "", strings.Repeat("a", 64) + ".example": "",
	} {
		if got, ok := DomainName(text); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
	}
	o := Options{Envelopes: []Envelope{{From: "München.example.", Domain: "Bounces.München.example"}}}
	if got := o.EnvelopeOf("xn--mnchen-3ya.example"); got != "bounces.xn--mnchen-3ya.example" {
		t.Error(got)
	}
}

// TestPrivate: no private address is to be published, whatever its names are, nor is
// anything of it found well or not well.
func TestPrivate(t *testing.T) {
	z := lookuptest.New(t, sound+"5.0.0.10.in-addr.arpa. PTR inside.test.\ninside.test. A 10.0.0.6\nbare.test. TXT \"v=spf1 -all\"\n")
	env := asking("127.0.0.1:1")
	env.Resolver = z
	for _, helo := range []string{"mail.test", "inside.test", "gone.test", "bare.test"} {
		r := Run(t.Context(), env, Subject{Hostname: helo, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.5")}})
		for _, f := range only(r.Findings, "ptr helo") {
			if strings.Contains(strings.Join(f.Publish, "\n"), "10.0.0.5") || f.Topic == "ptr" && f.Status != Unknown || f.Status == OK {
				t.Errorf("%s: %+v", helo, f)
			}
		}
	}
}
