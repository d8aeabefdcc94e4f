package integration

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"pratique/integration/harness"
	"pratique/journal"
)

// A bounce that names no message is joined by the address that it came back to: one
// that the sender made for each recipient, however often it was used, and one that a
// real Postfix made of the sender (XVERP).
func TestVERP(t *testing.T) {
	w := newWorld(t, tables{rates: "[watch]\nqueue = \"off\""}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	const own = "b+recipient=example.net@example.org"
	for range 7 {
		m := mail(harness.Letter("own-address"))
		m.From = own
		w.accepts(p.Addr(), m)
	}
	letter := bytes.ReplaceAll(harness.Letter("xverp"), []byte("\r\n"), []byte("\n"))
	if err := p.Submit(w.ctx, letter, "-XV", "-f", "bounces@example.org", "user@example.net", "other@example.com"); err != nil {
		t.Fatal(err)
	}
	const made = "bounces+user=example.net@example.org"
	if _, err := w.sink.Await(w.ctx, "Subject: xverp"); err != nil {
		t.Fatal(err)
	}
	var from []string
	for len(from) < 2 {
		from = nil
		for _, d := range w.sink.Deliveries() {
			if strings.HasPrefix(d.From, "bounces+") {
				from = append(from, d.From)
			}
		}
		w.pause("it is not delivered")
	}
	if !strings.Contains(strings.Join(from, " "), made) {
		t.Errorf("Postfix sent it from %q", from)
	}
	var records []journal.Record
	w.why(&records, "--sender", "bounces@example.org", "--last", "1")

	for _, c := range []struct{ name, to, recipient, want string }{
		{"an own address", own, "recipient@example.net", "dsn, of 1 recipient (1 certain)"},
		{"made by Postfix", made, "user@example.net", "dsn, of 1 recipient (1 certain)"},
		{"of nobody", "bounces+stranger=example.edu@example.org", "stranger@example.edu", "dsn, of 1 recipient (0 certain)"},
	} {
		ingest := exec.CommandContext(w.ctx, binary, "ingest", "--config", w.pratique.Config(), "-v")
		ingest.Stdin = strings.NewReader(strings.Replace(notice(c.to, "", c.recipient), "Message-ID: <>\n", "Subject: x\n", 1))
		if said, err := ingest.CombinedOutput(); err != nil || !strings.Contains(string(said), c.want) {
			t.Errorf("%s: %v: %s", c.name, err, said)
		}
	}
}
