package integration

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pratique/integration/harness"
)

// Postfix's pipe(8) hands bounces to ingest. While the state folder can't be written
// they wait in the queue (exit status 75), and none is lost.
func TestIngestByPipe(t *testing.T) {
	w := newWorld(t, tables{rates: "[watch]\nqueue = \"off\""}, harness.SinkOptions{})
	dir := tempDir(t)
	state, config := filepath.Join(dir, "state"), filepath.Join(dir, "pratique.toml")
	if err := os.Mkdir(state, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte("state = \""+state+"\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "pratique") // that of the tests lies where only root may go
	text, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, text, 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := harness.StartPostfix(w.ctx, tempDir(t), harness.PostfixOptions{
		Relay:  w.sink.Addr(),
		Master: "pratique unix - n n - 2 pipe\n  flags=DR user=nobody argv=" + program + " ingest --config " + config + "\n",
		Set: map[string]string{
			"transport_maps":                       "inline:{ bounces@example.org=pratique: }",
			"pratique_destination_recipient_limit": "1",
		},
	})
	started(t, p, err)
	m := mail([]byte(strings.ReplaceAll(strings.ReplaceAll(feedbackReport, "MESSAGE-ID", "m1@example.org"), "\n", "\r\n")))
	m.From, m.To = "", []string{"bounces@example.org"}
	w.accepts(p.Addr(), m)

	for !strings.Contains(p.Log(), "status=deferred") {
		w.pause("it is not deferred:\n" + harness.Tail(p.Log(), 10))
	}
	if queued := w.queue(p); len(queued) != 1 || !strings.Contains(queued[0].Recipients[0].Reason, "open what came back") {
		t.Errorf("the queue holds %+v", queued)
	}

	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(state, uid, -1); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(w.ctx); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(p.Log(), "status=sent (delivered via pratique service") {
		w.pause("it is not delivered:\n" + harness.Tail(p.Log(), 10))
	}
	w.says(w.does("feedback", "--config", config), "complaints  0 (share not known); 1 unverified", "read: arf 1")
}
