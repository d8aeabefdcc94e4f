package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/telemetry/alerts"
)

// alertTables tell alerts by mail through this MTA.
func alertTables(server, more string) string {
	return fmt.Sprintf(`
[alerts.mail]
to = ["postmaster@example.net"]
from = "pratique@example.org"
server = %q
%s`, server, more)
}

// tryAlerts runs "pratique alerts test" beside the running daemon.
func (w *world) tryAlerts() (text string, status int) {
	w.Helper()
	out, _ := exec.CommandContext(w.ctx, binary, "alerts", "test", "--config", w.pratique.Config()).CombinedOutput()
	text = string(out)
	if strings.Contains(text, "FAILED") {
		status = 1
	}
	return text, status
}

// The mail of an alert goes through the milter like other mail, and is neither
// counted nor scanned: here nothing else would leave, for clamd is away and the
// limit is used up.
func TestAlertMail(t *testing.T) {
	c := tables{clamd: "tcp:127.0.0.1:1", scanning: `timeout = "1s"`, rates: "[[rates.limits]]\nper = \"total\"\ncount = \"messages\"\nmax = 1\nevery = \"1h\"\nthen = \"reject\"\n"}
	w := newWorld(t, c, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	if err := w.pratique.Reload(w.ctx, c.toml()+alertTables(p.Addr(), "")); err != nil {
		t.Fatal(err)
	}
	w.refuses(w.send(p.Addr(), mail(harness.Letter("other"))), ".", 451, "scanning")
	for range 3 {
		if text, status := w.tryAlerts(); status != 0 || !strings.Contains(text, "ok      mail") {
			t.Fatalf("%s", text)
		}
	}
	d, err := w.sink.Await(w.ctx, "X-Pratique-Alert: test warning test\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if d.From != "" || d.Recipients[0] != "postmaster@example.net" {
		t.Errorf("from %q to %q", d.From, d.Recipients)
	}
	head, body, _ := bytes.Cut(d.Data, []byte("\r\n\r\n"))
	for _, want := range []string{"Auto-Submitted: auto-generated\r\n", "From: Pratique <pratique@example.org>\r\n", "Subject: [", "DKIM-Signature: "} {
		if !bytes.Contains(head, []byte(want)) {
			t.Errorf("no %q in\n%s", want, head)
		}
	}
	if bytes.Contains(d.Data, []byte("Seal")) || !bytes.Contains(body, []byte("This is a test")) {
		t.Errorf("delivered\n%s", d.Data)
	}
	w.verifies(d)
	if counted := w.rates(); strings.Contains(counted, "<>") {
		t.Errorf("alert mail was counted:\n%s", counted)
	}
}

// A seal that somebody else made is worth nothing, and does not leave.
func TestForgedAlertMail(t *testing.T) {
	w := newWorld(t, tables{rates: "[[rates.limits]]\nper = \"total\"\ncount = \"messages\"\nmax = 1\nevery = \"1h\"\nthen = \"reject\"\n"}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	forged := mail(append([]byte("X-Pratique-Seal: v=1; t=1764300000; id=X; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; mac=AAAA\r\n"), harness.Letter("forged")...))
	w.accepts(p.Addr(), forged)
	if d := w.delivered("forged"); bytes.Contains(d.Data, []byte("Seal")) {
		t.Errorf("the seal left:\n%s", d.Data)
	}
	w.refuses(w.send(p.Addr(), forged), ".", 550, "rates: all clients together")
}

// sendmail(1) is the other way.
func TestAlertMailBySendmail(t *testing.T) {
	c := tables{clamd: "tcp:127.0.0.1:1", scanning: `timeout = "1s"`}
	w := newWorld(t, c, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	t.Setenv("MAIL_CONFIG", p.ConfigDir())
	if err := w.pratique.Reload(w.ctx, c.toml()+alertTables(p.Addr(), `sendmail = "/usr/sbin/sendmail"`)); err != nil {
		t.Fatal(err)
	}
	if text, status := w.tryAlerts(); status != 0 || !strings.Contains(text, "by /usr/sbin/sendmail") {
		t.Fatalf("%s", text)
	}
	d, err := w.sink.Await(w.ctx, "X-Pratique-Alert: test warning test\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if d.From != "" || bytes.Contains(d.Data, []byte("Seal")) {
		t.Errorf("from %q\n%s", d.From, d.Data)
	}
}

// The daemon tells of a configuration that it could not take, by mail that its own
// access control refuses. That it can't mail is an alert too, and makes no mail.
func TestAlertsAreNeverInALoop(t *testing.T) {
	c := tables{access: "networks = [\"192.0.2.1\"]\nauthenticated = false"}
	w := newWorld(t, c, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	good := c.toml() + alertTables(p.Addr(), "")
	if err := w.pratique.Reload(w.ctx, good); err != nil {
		t.Fatal(err)
	}
	if err := w.pratique.Reload(w.ctx, good+"\nnonsense = 1\n"); err == nil {
		t.Fatal("nonsense was taken")
	}
	var active alerts.Report
	w.awaitAlerts(&active, "config_stale", "alert_delivery_failing")
	time.Sleep(3 * time.Second) // several rounds of the daemon
	refused := 0
	for line := range strings.Lines(w.pratique.Log()) {
		if strings.Contains(line, "may not send here") && strings.Contains(line, `"verdict":"refused"`) {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d mails were refused:\n%s", refused, w.pratique.Log())
	}
	w.nothingDelivered(p)
}

// awaitAlerts waits until these are active, as "pratique alerts" tells it.
func (w *world) awaitAlerts(r *alerts.Report, names ...string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 20*time.Second)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, binary, "alerts", "--json", "--state", filepath.Join(filepath.Dir(w.pratique.Config()), "state")).Output()
		if json.Unmarshal(out, r) == nil {
			found := map[string]bool{}
			for _, s := range r.Active {
				found[s.Name] = true
			}
			missing := 0
			for _, name := range names {
				if !found[name] {
					missing++
				}
			}
			if missing == 0 {
				return
			}
		}
		if ctx.Err() != nil {
			w.Fatalf("%v are not active: %s, %v\n%s", names, out, err, w.pratique.Log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// rates is what "pratique rates" prints. Counts are written once a second.
func (w *world) rates() string {
	w.Helper()
	time.Sleep(1500 * time.Millisecond)
	out, err := exec.CommandContext(w.ctx, binary, "rates", "--config", w.pratique.Config()).CombinedOutput()
	if err != nil {
		w.Fatalf("%v: %s", err, out)
	}
	return string(out)
}
