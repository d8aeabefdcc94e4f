package integration

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/rates"
)

// pratiqueDo runs a subcommand with the configuration of the running daemon and returns what it prints.
func (w *world) pratiqueDo(args ...string) string {
	w.Helper()
	args = append(args, "--config", w.pratique.Config())
	out, err := exec.CommandContext(w.ctx, binary, args...).CombinedOutput()
	if err != nil {
		w.Fatalf("pratique %q: %v: %s", args, err, out)
	}
	return string(out)
}

// answers sends mail until the answer begins like this, for as long as an order may take.
func (w *world) answers(addr, want string, m func() harness.Mail) {
	w.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		answer := w.send(addr, m())
		if strings.HasPrefix(answer.Reply.String(), want) {
			return
		}
		if time.Now().After(deadline) {
			w.Fatalf("answered %s, want %s", answer, want)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Through a real Postfix: an override lets one sender have more than the others, new
// recipients are told from known ones, and orders reach the running daemon.
func TestLimitsAndOrders(t *testing.T) {
	w := newWorld(t, tables{rates: `
[[rates.limits]]
per = "sender"
count = "messages"
max = 2
every = "1h"
then = "tempfail"

[[rates.overrides]]
per = "sender"
keys = ["big.example.org"]
count = "messages"
max = 4

[[rates.overrides]]
per = "sender"
keys = ["c@example.org"]
count = "messages"
unlimited = true

[[rates.limits]]
per = "client"
count = "new_recipients"
max = 3
every = "24h"
then = "reject"`}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	n := 0
	from := func(sender string, to ...string) harness.Mail {
		n++
		m := mail(harness.Letter(fmt.Sprintf("limits-%d", n)))
		m.From = sender
		if len(to) > 0 {
			m.To = to
		}
		return m
	}
	for sender, most := range map[string]int{"a@example.org": 2, "a@big.example.org": 4} {
		for range most {
			w.accepts(p.Addr(), from(sender))
		}
		answer := w.send(p.Addr(), from(sender))
		want := fmt.Sprintf("rates: sender %s sent %d messages in the last 1h, limit %[2]d; room again in 61 min", sender, most)
		if answer.Code != 451 || !strings.Contains(answer.String(), want) {
			t.Errorf("%s: answered %s, want %s", sender, answer, want)
		}
	}
	// recipient@example.net is known by now; two more are new, and then one too many.
	w.accepts(p.Addr(), from("b@example.org", "recipient@example.net", "new1@example.net", "new2@example.net"))
	if answer := w.send(p.Addr(), from("b@example.org", "new3@example.net")); answer.Code != 550 ||
		!strings.Contains(answer.String(), "client 127.0.0.1 sent 3 new recipients in the last 24h, limit 3") {
		t.Errorf("a fourth new recipient: answered %s", answer)
	}
	w.accepts(p.Addr(), from("b@example.org", "NEW2@example.net"))

	w.pratiqueDo("rates", "block", "sender", "c@example.org", "--reason", "stolen password")
	w.answers(p.Addr(), "550 5.7.1 rates: sender c@example.org is blocked since 20", func() harness.Mail { return from("c@example.org") })
	if out := w.pratiqueDo("rates", "blocks"); !strings.Contains(out, "stolen password") {
		t.Errorf("blocks:\n%s", out)
	}
	w.accepts(p.Addr(), from("d@example.org"))
	w.pratiqueDo("rates", "unblock", "sender:c@example.org")
	w.answers(p.Addr(), "250 ", func() harness.Mail { return from("c@example.org") })

	w.pratiqueDo("rates", "reset", "sender", "a@example.org")
	w.answers(p.Addr(), "250 ", func() harness.Mail { return from("a@example.org") })
	w.isFull("a@big.example.org", 4)
}

// isFull waits until the report, which is a second behind, shows that a key has used all of its limit.
func (w *world) isFull(key string, most uint64) {
	w.Helper()
	for range 50 {
		var report rates.Report
		out := w.pratiqueDo("rates", "sender", "--json")
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			w.Fatal(err)
		}
		for _, row := range report.Rows {
			if full := row.Fullest; row.Key == key && full != nil && full.Max == most && full.Used == most {
				return
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.Fatalf("the report does not show that %s is full:\n%s", key, w.pratiqueDo("rates"))
}
