package access

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

func TestParseNetworkReadsTheFormsOfMTAs(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7/32",
		"192.0.2.0/24":           "192.0.2.0/24",
		"0.0.0.0/0":              "0.0.0.0/0",
		"[192.0.2.7]":            "192.0.2.7/32",
		"::1":                    "::1/128",
		"::/0":                   "::/0",
		"[::1]":                  "::1/128",
		"[2001:db8::]/32":        "2001:db8::/32",
		"2001:DB8::/32":          "2001:db8::/32",
		"IPv6:2001:db8::/32":     "2001:db8::/32",
		"IPv6:::1":               "::1/128",
		"ipv6:::1":               "::1/128",
		"[IPv6:::1]":             "::1/128",
		"::ffff:192.0.2.7":       "192.0.2.7/32",
		"::ffff:192.0.2.0/120":   "192.0.2.0/24",
		"IPv6:::ffff:192.0.2.7":  "192.0.2.7/32",
		"::ffff:0.0.0.0/96":      "0.0.0.0/0",
		"2001:db8:0:1::/64":      "2001:db8:0:1::/64",
		"2001:db8::192.0.2.7":    "2001:db8::c000:207/128",
		"2001:db8::1.2.3.4/128":  "2001:db8::102:304/128",
		"2001:0db8:0000::/48":    "2001:db8::/48",
		"fe80::/10":              "fe80::/10",
		"[fe80::]/10":            "fe80::/10",
		"255.255.255.255/32":     "255.255.255.255/32",
		"::ffff:255.255.255.255": "255.255.255.255/32",
	} {
		for _, excluded := range []bool{false, true} {
			written := text
			if excluded {
				written = "!" + text
			}
			n, err := parseNetwork(written)
			if err != nil || n.prefix.String() != want || n.excluded != excluded {
				t.Errorf("parseNetwork(%q) = %v, excluded %v, %v; want %s, excluded %v", written, n.prefix, n.excluded, err, want, excluded)
			}
		}
	}
}

func TestParseNetworkRefusesWhatIsNotOne(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "is not an address",
		"!":                    "is not an address",
		"!!10.0.0.1":           "is not an address",
		"/24":                  "is not an address",
		"localhost":            "is not an address",
		"mail.example.org":     "is not an address",
		" 10.0.0.1":            "is not an address",
		"10.0.0":               "is not an address",
		"10/8":                 "is not an address",
		"10.0.0.0.0":           "is not an address",
		"010.0.0.1":            "is not an address",
		"256.0.0.1":            "is not an address",
		"0x0a.0.0.1":           "is not an address",
		"10.0.0.1-10.0.0.9":    "is not an address",
		"10.*":                 "is not an address",
		"[::1":                 "is not an address",
		"::1]":                 "is not an address",
		"[[::1]]":              "is not an address",
		"IPv6:":                "is not an address",
		"IPv6:IPv6:::1":        "is not an address",
		"10.0.0.0/":            "must be a plain number",
		"10.0.0.0/08":          "must be a plain number",
		"10.0.0.0/33":          "at most 32",
		"2001:db8::/129":       "at most 128",
		"10.0.0.0/-1":          "a number from 0 to 32",
		"10.0.0.0/8/8":         "a number from 0 to 32",
		"10.0.0.0/255.0.0.0":   "at most 32",
		"10.0.0.0/99999999999": "at most 32",
		"10.1.2.3/24":          `write "10.1.2.0/24" for the network or "10.1.2.3" for the one address`,
		"2001:db8::1/32":       `write "2001:db8::/32" for the network or "2001:db8::1"`,
		"::ffff:10.1.2.3/120":  `write "10.1.2.0/24"`,
		"::ffff:0.0.0.0/95":    "wider than all IPv4 addresses",
		"fe80::1%eth0":         `write "fe80::1"`,
	} {
		n, err := parseNetwork(text)
		if err == nil {
			t.Errorf("parseNetwork(%q) = %v, want an error", text, n.prefix)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("parseNetwork(%q): %q, want it to hold %q", text, err, want)
		}
	}
}

func FuzzParseNetwork(f *testing.F) {
	for _, seed := range []string{"10.1.2.3", "!10.1.2.0/24", "[::1]", "[2001:db8::]/32", "IPv6:::ffff:10.1.2.3", "fe80::1%eth0", "10.1.2.3/24", "::/0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNetwork(text)
		if err != nil {
			return
		}
		if !n.prefix.IsValid() || n.prefix != n.prefix.Masked() || n.prefix.Addr().Is4In6() || n.prefix.Addr().Zone() != "" {
			t.Fatalf("parseNetwork(%q) = %v", text, n.prefix)
		}
		again, err := parseNetwork(n.prefix.String())
		if err != nil || again.prefix != n.prefix {
			t.Fatalf("%q gave %v, which gives %v, %v", text, n.prefix, again.prefix, err)
		}
	})
}

// TestPrefixTableFindsTheLongestPrefix compares with a search through the list,
// among few addresses, so that prefixes nest and addresses hit.
func TestPrefixTableFindsTheLongestPrefix(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var table prefixTable[int]
		var list []netip.Prefix
		for i := range random.IntN(40) {
			p := randomPrefix(random)
			table.add(p, i)
			list = append(list, p)
		}
		for range 100 {
			addr := randomAddr(random)
			want, wantOK := longest(list, addr)
			got, ok := table.lookup(addr)
			if ok != wantOK || ok && list[got] != list[want] {
				t.Fatalf("lookup(%v) in %v = %d, %v; want %d, %v", addr, list, got, ok, want, wantOK)
			}
			if ok && got != want {
				t.Fatalf("lookup(%v) in %v = entry %d, want the last one added, %d", addr, list, got, want)
			}
		}
	}
}

func longest(list []netip.Prefix, addr netip.Addr) (best int, found bool) {
	for i, p := range list {
		if p.Contains(addr) && (!found || p.Bits() >= list[best].Bits()) {
			best, found = i, true
		}
	}
	return best, found
}

// randomAddr returns an address whose bits are set in its last and first octet only.
func randomAddr(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{byte(random.IntN(4)) << 6, 0, 0, byte(random.IntN(4))})
	}
	return netip.AddrFrom16([16]byte{byte(random.IntN(4)) << 6, 15: byte(random.IntN(4))})
}

func randomPrefix(random *rand.Rand) netip.Prefix {
	addr := randomAddr(random)
	return netip.PrefixFrom(addr, random.IntN(addr.BitLen()+1)).Masked()
}

func BenchmarkLookup(b *testing.B) {
	for name, size := range map[string]int{"100": 100, "100000": 100_000} {
		b.Run(name, func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			var table prefixTable[network]
			for range size {
				p := netip.PrefixFrom(anyIPv4(random), 8+random.IntN(25)).Masked()
				table.add(p, network{prefix: p})
			}
			addrs := make([]netip.Addr, 1024)
			for i := range addrs {
				addrs[i] = anyIPv4(random)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				table.lookup(addrs[i%len(addrs)])
				i++
			}
		})
	}
}

func anyIPv4(random *rand.Rand) netip.Addr {
	var octets [4]byte
	binary.BigEndian.PutUint32(octets[:], random.Uint32())
	return netip.AddrFrom4(octets)
}
