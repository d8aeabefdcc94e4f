package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/signing/records/recordstest"
	"pratique/signing/verifytest"
)

// From no key at all to a successor, through Postfix, with real servers of the zone:
// each message is signed by the keys that are active, and verifies.
func TestKeysRotate(t *testing.T) {
	servers := zoneServers(t, 2)
	w := newWorld(t, tables{signing: fmt.Sprintf("[keys]\ncheck_every = \"1s\"\nactivate_after = \"0s\"\n[dns]\nauthoritative = [%q, %q]\n",
		servers[0].Addr(), servers[1].Addr())}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())

	w.keys("new", "example.org")
	w.accepts(p.Addr(), mail(harness.Letter("no-key-yet")))
	if d := w.delivered("no-key-yet"); strings.Contains(string(d.Data), "DKIM-Signature:") {
		t.Errorf("before the first key signs:\n%s", d.Data)
	}
	w.publish(servers)
	first := w.record("rsa", "ed25519")
	w.signedBy(p, "first", first)

	before := len(w.pratique.Log())
	w.keys("rotate", "example.org", "--type", "ed25519")
	w.publish(servers[:1])
	for !strings.Contains(w.pratique.Log()[before:], "published at 1 of 2 servers") {
		w.pause("the new record is not seen at one server")
	}
	w.accepts(p.Addr(), mail(harness.Letter("second")))
	verifytest.WantValid(t, w.delivered("second").Data, w.published(), first...)
	w.publish(servers)
	w.signedBy(p, "third", w.record("rsa", "ed25519"))
}

func zoneServers(t *testing.T, n int) []*harness.NSD {
	t.Helper()
	host := recordstest.Network()
	var servers []*harness.NSD
	port := 0
	for i := range n {
		s, err := harness.StartNSD(t.Context(), tempDir(t), harness.NSDOptions{Host: host(i + 1), Port: port, Zones: zoneOf(0, "")})
		servers, port = append(servers, started(t, s, err)), s.Port()
	}
	return servers
}

func zoneOf(serial int64, lines string) map[string]string {
	return map[string]string{"example.org": fmt.Sprintf("$TTL 300\n@ SOA ns1 admin %d 3600 600 864000 120\n@ NS ns1\nns1 A 127.0.0.1\n%s", serial, lines)}
}

// keys runs a command that looks after keys, beside the daemon.
func (w *world) keys(args ...string) string {
	w.Helper()
	args = append(append([]string{"keys"}, args...), "--config", w.pratique.Config())
	out, err := exec.CommandContext(w.ctx, binary, args...).CombinedOutput()
	if err != nil {
		w.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// publish has servers serve the zone with all records that should be in it.
func (w *world) publish(servers []*harness.NSD) {
	w.Helper()
	for _, s := range servers {
		if err := s.Publish(zoneOf(time.Now().UnixNano()%1e9, w.keys("dns"))); err != nil {
			w.Fatal(err)
		}
	}
}

// dnsRecord is a line of "keys dns --format json".
type dnsRecord struct{ Name, Value string }

func (w *world) dnsRecords() []dnsRecord {
	w.Helper()
	var all []dnsRecord
	decoder := json.NewDecoder(strings.NewReader(w.keys("dns", "--format", "json")))
	for decoder.More() {
		var r dnsRecord
		if err := decoder.Decode(&r); err != nil {
			w.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// published returns the records as verifiers want them.
func (w *world) published() map[string]string {
	all := map[string]string{}
	for _, r := range w.dnsRecords() {
		all[r.Name] = r.Value
	}
	return all
}

// record returns the signatures of the newest keys of these types.
func (w *world) record(kinds ...string) []string {
	var signatures []string
	for _, kind := range kinds {
		newest := ""
		for _, r := range w.dnsRecords() {
			if selector, _, _ := strings.Cut(r.Name, "."); strings.Contains(r.Value, "k="+kind+";") {
				newest = fmt.Sprintf("d=example.org s=%s a=%s-sha256", selector, kind)
			}
		}
		signatures = append(signatures, newest)
	}
	return signatures
}

// signedBy waits until the daemon says that it signs with these keys, and has every
// verifier find just their signatures.
func (w *world) signedBy(p *harness.Postfix, subject string, signatures []string) {
	w.Helper()
	for !w.signsWith(signatures) {
		w.pause("the daemon does not sign with " + strings.Join(signatures, ", "))
	}
	w.accepts(p.Addr(), mail(harness.Letter(subject)))
	verifytest.WantValid(w.T, w.delivered(subject).Data, w.published(), signatures...)
}

func (w *world) signsWith(signatures []string) bool {
	var names []string
	for _, s := range signatures {
		names = append(names, fmt.Sprintf("%q", strings.TrimPrefix(strings.Fields(s)[1], "s=")+"._domainkey.example.org"))
	}
	return strings.Contains(w.pratique.Log(), `"keys":[`+strings.Join(names, ",")+`]`)
}

// pause is between two looks at what the daemon does by itself.
func (w *world) pause(waitingFor string) {
	w.Helper()
	select {
	case <-w.ctx.Done():
		w.Fatal(waitingFor)
	case <-time.After(20 * time.Millisecond):
	}
}
