package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// What becomes of mail is told by the canaries of the daemon: an MTA that is down, mail
// that never arrives, a hop behind the milter that breaks the signature; and each time
// that it is well again.
func TestCanariesOfTheDaemon(t *testing.T) {
	servers := zoneServers(t, 1)
	var records strings.Builder
	for name, value := range signingKeys.Records {
		fmt.Fprintf(&records, "%s. TXT %q %q\n", name, value[:len(value)/2], value[len(value)/2:])
	}
	if err := servers[0].Publish(zoneOf(1, records.String())); err != nil {
		t.Fatal(err)
	}
	h, sink := newHook(t), freeAddr(t)
	late := 30
	config := func(mta, timeout string) tables {
		late++ // another configuration each time, so that a canary is sent at once
		return tables{rates: fmt.Sprintf("[canary]\nlate = \"%ds\"\nfrom = \"canary@example.org\"\nto = \"me@canary.example.org\"\nmta = %q\nsink = %q\nevery = \"1m\"\ntimeout = %q\n[dns]\nresolver = %q\n%s",
			late, mta, sink, timeout, servers[0].Addr(), h.table())}
	}
	w := newWorld(t, config(freeAddr(t), "20s"), harness.SinkOptions{})
	toSink := "inline:{ {canary.example.org = smtp:[" + strings.Replace(sink, ":", "]:", 1) + "} }"
	well := w.postfix(w.overUnix(), "transport_maps", toSink)
	elsewhere := w.postfix(w.overUnix()) // all mail goes to the other sink
	rewriting := w.postfix(w.overUnix(), "transport_maps", toSink, "smtp_header_checks", "regexp:{ {/^Subject: (.*)/ REPLACE Subject: [checked] $$1} }")
	// meets has canaries meet an MTA until that is told; on a busy machine one may be
	// late or find the DNS silent, and the next one would come in a minute.
	meets := func(mta, timeout, beginning string, n int, texts ...string) {
		t.Helper()
		for again := time.Now(); len(h.about(beginning)) < n; w.pause(fmt.Sprintf("%d of %d times %q was told", len(h.about(beginning)), n, beginning)) {
			if time.Now().Before(again) {
				continue
			}
			again = time.Now().Add(15 * time.Second)
			if err := w.pratique.Reload(w.ctx, config(mta, timeout).toml()); err != nil {
				t.Fatal(err)
			}
		}
		w.says(h.about(beginning)[n-1], texts...)
	}
	const firing, resolved = "firing critical canary : ", "resolved critical canary : "
	w.says(w.told(h, firing), "did not take it", "connection refused")
	meets(well.Addr(), "20s", resolved, 1)
	meets(elsewhere.Addr(), "2s", firing, 2, "it did not arrive within 2s")
	if _, err := w.sink.Await(w.ctx, "X-Pratique-Canary"); err != nil {
		t.Error(err)
	}
	meets(well.Addr(), "20s", resolved, 2)
	meets(rewriting.Addr(), "20s", firing, 3, "the signature of d=example.org s="+harness.RSASelector+" (rsa-sha256) is not valid", "no valid signature is of the domain of From")
	meets(well.Addr(), "20s", resolved, 3)
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
