package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/journal"
	"pratique/telemetry/alerts"
)

// hook is a webhook that keeps what it is told.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	told []string // "firing critical bounces_high sender example.org: …"
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n alerts.Notification
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, e := range n.Alerts {
			h.told = append(h.told, fmt.Sprintf("%s %s %s %s: %s", e.State, e.Severity, e.Name, e.Subject, e.Text))
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// table has the daemon tell this webhook, and take nothing for over only after a while.
func (h *hook) table() string {
	return fmt.Sprintf("[alerts]\nresolve_after = \"0s\"\nper_minute = 60\n[alerts.webhook]\nurl = %q\n", h.URL)
}

// about returns what was told that begins so.
func (h *hook) about(beginning string) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for _, text := range h.told {
		if strings.HasPrefix(text, beginning) {
			found = append(found, text)
		}
	}
	return found
}

// told waits until something was told that begins so, and returns it.
func (w *world) told(h *hook, beginning string) string {
	w.Helper()
	for {
		if found := h.about(beginning); len(found) > 0 {
			return found[0]
		}
		h.mu.Lock()
		all := strings.Join(h.told, "\n")
		h.mu.Unlock()
		w.pause(fmt.Sprintf("the webhook is not told %q, but\n%s", beginning, all))
	}
}

// Shares of bounces and complaints that are too high are told by the webhook, once,
// and so is their end; few of them among few messages are not.
func TestShareAlerts(t *testing.T) {
	t.Parallel() // it waits, most of the time
	log, box, h := filepath.Join(tempDir(t), "mail.log"), maildir(t), newHook(t)
	config := func(from int, more string) tables {
		return tables{rates: fmt.Sprintf("[watch]\nqueue = \"off\"\nlog = %q\nmaildir = %q\nalarm_from = %d\n%s\n%s", log, box, from, more, h.table())}
	}
	w := newWorld(t, config(6, ""), harness.SinkOptions{Refuse: refuseNobody})
	p := w.postfix(w.overUnix(), "maillog_file", log, "maillog_file_prefixes", filepath.Dir(log))
	reload := func(c tables) {
		t.Helper()
		if err := w.pratique.Reload(w.ctx, c.toml()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		m := mail(harness.Letter(fmt.Sprintf("m%d", i)))
		if i < 5 {
			m.To = []string{fmt.Sprintf("nobody@d%d.example", i)}
		}
		w.accepts(p.Addr(), m)
	}
	w.delivered("m19")
	var records []journal.Record
	w.why(&records, "--sender", "sender@example.org", "--rcpt", "example.net", "--last", "1")
	for i := range 5 {
		complaint := strings.ReplaceAll(feedbackReport, "MESSAGE-ID", records[0].MessageID) + fmt.Sprintf("\n%d\n", i)
		if err := os.WriteFile(filepath.Join(box, "new", fmt.Sprintf("%d.host", i)), []byte(complaint), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for r := w.feedback(); r.Bounces.Failed != 5 || r.Complaints.Certain != 5; r = w.feedback() {
		w.pause(fmt.Sprintf("%+v, %+v", r.Bounces, r.Complaints))
	}

	// A quarter bounced, and a quarter complained: five are too few.
	reload(config(6, "keep = \"29d\""))
	w.judged()
	if told := append(h.about("firing critical bounces"), h.about("firing critical complaints")...); len(told) > 0 {
		t.Errorf("told of too few: %q", told)
	}
	reload(config(5, ""))
	w.says(w.told(h, "firing critical bounces_high sender example.org: "), "5 bounces of mail of example.org in 24 h, of 20 recipients: 25 % (from 10 %)")
	w.says(w.told(h, "firing critical complaints_high sender example.org: "), "5 complaints about mail of example.org in 24 h, of 20 recipients: 25 % (from 0.3 %)")
	w.says(w.does("feedback", "--config", w.pratique.Config()), "bounced     5 (20.00 %): hard 5", "complaints  5 (20.00 %)")
	if out, status := w.command("alerts", "--config", w.pratique.Config()); status != 1 || !strings.Contains(out, "complaints_high") {
		t.Errorf("exit %d: %s", status, out)
	}

	// It lasts, which is told no second time; then it is over.
	reload(config(5, "keep = \"29d\""))
	w.judged()
	reload(config(5, "bounces_critical = \"90%\"\nbounces_warning = \"80%\"\ncomplaints_critical = \"90%\"\ncomplaints_warning = \"80%\""))
	w.told(h, "resolved critical bounces_high sender example.org")
	w.told(h, "resolved critical complaints_high sender example.org")
	if told := h.about("firing"); len(told) != 2 {
		t.Errorf("told %d times: %q", len(told), told)
	}
}

// judged waits for the daemon to have looked at the shares: it does so within five
// seconds of another configuration.
func (w *world) judged() {
	w.Helper()
	select {
	case <-w.ctx.Done():
		w.Fatal("no time is left")
	case <-time.After(6 * time.Second):
	}
}
