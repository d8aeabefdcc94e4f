package keystore

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/signing/records"
	"pratique/signing/records/recordstest"
)

// zone is example.org with two servers, real ones, and the resolver that leads there.
type zone struct {
	*testing.T
	host    func(int) string
	port    int
	servers [2]*harness.NSD
	serial  int
	options records.Options
}

func newZone(t *testing.T) *zone {
	t.Helper()
	z := &zone{T: t, host: recordstest.Network()}
	z.publish("", 0, 1)
	resolver, addr := recordstest.StartResolver(t, z.port)
	for i := range z.servers {
		resolver.Delegate("example.org", fmt.Sprintf("ns%d.example.org", i+1), z.host(i+1))
	}
	z.options = records.Options{Resolver: addr, Port: strconv.Itoa(z.port), Timeout: 300 * time.Millisecond}
	return z
}

// publish has some of the servers serve these lines. They are started anew: an nsd
// that reads its zones again answers from the old ones for a moment longer.
func (z *zone) publish(lines string, servers ...int) {
	z.Helper()
	text := z.text(lines)
	for _, i := range servers {
		z.close(i)
		n, err := harness.StartNSD(z.Context(), z.TempDir(), harness.NSDOptions{Host: z.host(i + 1), Port: z.port, Zones: text})
		if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
			z.Skip(err)
		}
		if err != nil {
			z.Fatal(err)
		}
		z.Cleanup(func() { n.Close() })
		z.servers[i], z.port = n, n.Port()
	}
}

func (z *zone) close(i int) {
	z.Helper()
	if z.servers[i] == nil {
		return
	}
	if err := z.servers[i].Close(); err != nil {
		z.Fatal(err)
	}
}

func (z *zone) text(lines string) map[string]string {
	z.serial++
	return map[string]string{"example.org": fmt.Sprintf("$TTL 300\n@ SOA ns1 admin %d 3600 600 864000 120\n"+
		"@ NS ns1\n@ NS ns2\nns1 A 127.0.0.1\nns2 A 127.0.0.1\n%s", z.serial, lines)}
}

// lines returns what "pratique keys dns" prints for keys.
func (l *life) lines(keys ...Key) string {
	l.Helper()
	var lines strings.Builder
	for _, k := range keys {
		lines.WriteString(ZoneLine(k.Record(), l.record(k)))
	}
	return lines.String()
}

// A whole life with real servers: the records are published as "keys dns" prints
// them, at one server late, and vanish again; the servers are away for a time.
func TestLifeWithRealServers(t *testing.T) {
	z := newZone(t)
	l := newLife(t, testOptions())
	l.keeper.dns = records.New(z.options)
	made, err := l.store.New(t.Context(), "example.org", "", Kind{Type: RSA}, ed25519Kind)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, edKey := made[0], made[1]
	l.says(l.round(0, "20261124r created, 20261124e created"), "there is no record")

	z.publish(l.lines(rsaKey, edKey), 0)
	l.says(l.round(day, "20261124r created, 20261124e created"), "published at 1 of 2 servers; ns2.example.org")
	z.publish(l.lines(rsaKey, edKey), 1)
	l.round(0, "20261124r published, 20261124e published")

	z.publish(l.lines(rsaKey), 1) // the other record is gone at one server
	l.round(time.Hour, "20261124r active, 20261124e created")
	z.publish(l.lines(rsaKey, edKey), 0, 1)
	l.round(time.Hour, "20261124r active, 20261124e published")
	l.round(time.Hour, "20261124r active, 20261124e active")

	next, err := l.store.Rotate(t.Context(), "example.org", Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	z.publish(l.lines(rsaKey, edKey, next[0]), 0, 1)
	l.round(0, "20261124r active, 20261124e active, 20261125e published")
	l.restart(testOptions())
	l.keeper.dns = records.New(z.options)
	l.round(time.Hour, "20261124r active, 20261124e retiring, 20261125e active")
	if ttl := l.key("20261124e").TTL; ttl != RecordTTL {
		t.Errorf("TTL %d", ttl)
	}

	z.close(0)
	z.close(1)
	l.says(l.round(6*day, "20261124r active, 20261124e retiring, 20261125e active"), "not known whether")
	l.signs("20261124r", "20261125e")
	z.publish(l.lines(rsaKey, edKey, next[0]), 0, 1)
	l.says(l.round(0, "20261124r active, 20261124e done, 20261125e active"), "safe to remove 20261124e._domainkey.example.org")
}

// What "keys dns" prints is a zone file, for keys of every size.
func TestZoneLinesLoad(t *testing.T) {
	checkzone, err := exec.LookPath("nsd-checkzone")
	if err != nil {
		checkzone = "/usr/sbin/nsd-checkzone"
	}
	if _, err := os.Stat(checkzone); err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	l := newLife(t, testOptions())
	var lines strings.Builder
	for i, kind := range []Kind{ed25519Kind, {Type: RSA}, {Type: RSA, Bits: 3072}} {
		made, err := l.store.New(t.Context(), fmt.Sprintf("%d.example.org", i), "", kind)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(l.lines(made...))
	}
	file := filepath.Join(t.TempDir(), "zone")
	text := (&zone{}).text(lines.String())["example.org"]
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(checkzone, "example.org", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "zone example.org is ok") {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}
