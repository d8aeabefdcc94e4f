package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// A canary through the real Postfix to its sink, signed on the way, and one that nobody signs.
func TestCanary(t *testing.T) {
	servers := zoneServers(t, 1)
	w := newWorld(t, tables{}, harness.SinkOptions{})
	sink := freeAddr(t)
	dir := tempDir(t)
	transport := filepath.Join(dir, "transport")
	if err := os.WriteFile(transport, []byte("canary.example.org smtp:["+strings.Replace(sink, ":", "]:", 1)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := w.postfix(w.overUnix(), "transport_maps", "texthash:"+transport)
	var records strings.Builder
	for name, value := range signingKeys.Records {
		fmt.Fprintf(&records, "%s. TXT %q %q\n", name, value[:len(value)/2], value[len(value)/2:]) // a string has 255 octets at most
	}
	if err := servers[0].Publish(zoneOf(1, records.String())); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "canary.toml")
	fly := func(from string) (string, int) {
		text := fmt.Sprintf("[canary]\nfrom = %q\nto = \"me@canary.example.org\"\nmta = %q\nsink = %q\ntimeout = \"20s\"\n[dns]\nresolver = %q\n",
			from, p.Addr(), sink, servers[0].Addr())
		if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return w.command("canary", "--config", config)
	}
	said, status := fly("canary@example.org")
	w.says(said, "ok    sent", "queued as", "ok    arrived", "ok    signature", "ok    alignment")
	if status != 0 {
		t.Errorf("status %d:\n%s", status, said)
	}
	said, status = fly("canary@example.com")
	w.says(said, "fail  signature  it arrived unsigned")
	if status != 1 {
		t.Errorf("status %d:\n%s", status, said)
	}
}

// freeAddr returns an address on loopback that was free just now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
