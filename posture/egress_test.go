package posture

import (
	"fmt"
	"net"
	"testing"
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

func TestGeneric(t *testing.T) {
	for name, want := range map[string]bool{
		"mail.example.org":              false,
		"smtp25.example.org":            false,
		"mx2.192.example.org":           false,
		"out-25.example.org":            false,
		"dynamics.example.org":          false,
		"poolside.example.org":          false,
		"mail.home.example":             false,
		"25.2.0.192.example.org":        true,
		"host-192-0-2-25.isp.example":   true,
		"192x0x2x25.static.isp.example": true,
		"c0000219.isp.example":          true,
		"cust-17.isp.example":           true,
		"dsl-9.isp.example":             true,
		"a1.dynamic.isp.example":        true,
		"pool.isp.example":              true,
		"p5dd0.dip.t-ipconnect.example": false,
		"192000002025.isp.example":      true,
	} {
		if got := generic(name, ours()[0]); (got != "") != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, want := range map[string]bool{"mail.example.org": false, "2001-db8--25.isp.example": true, "ip-20010db8000000000000000000000025.isp.example": true} {
		if got := generic(name, ours()[1]); (got != "") != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
