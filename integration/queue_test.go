package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pratique/integration/harness"
)

// deferredMessages is how many messages the queue of the test holds.
const deferredMessages = 10_000

// deferredByHand is how many of them are really deferred; the others are copies of their files.
const deferredByHand = 20

// deferring starts a Postfix whose mail is all deferred: nobody listens where it goes
// to, and no message is tried again while the test runs.
func (w *world) deferring() *harness.Postfix {
	w.Helper()
	return w.postfix("", "relayhost", "[127.0.0.1]:1", "minimal_backoff_time", "1h", "maximal_backoff_time", "1h", "queue_run_delay", "1h")
}

// longQueue has Postfix hold so many deferred messages.
func (w *world) longQueue(p *harness.Postfix, n int) {
	w.Helper()
	fill(w, p, deferredByHand)
	w.mustQueue(p, deferredByHand)
	if err := p.MultiplyDeferred(n/deferredByHand - 1); err != nil {
		w.Fatal(err)
	}
	w.mustQueue(p, n)
}

// The queue of a real Postfix, whose mail is all deferred, as the command shows it.
func TestQueueOfPostfix(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.deferring()
	w.longQueue(p, deferredMessages)
	if said, err := p.CheckQueue(w.ctx); said != "" || err != nil {
		t.Errorf("the queue is not as Postfix makes it: %s, %v", said, err)
	}

	out := w.does("queue", "--queue", "postfix:"+p.ConfigDir(), "--json")
	var got struct {
		Source       string
		Messages     int
		Queues       map[string]struct{ Messages int }
		Destinations []struct {
			Domain   string
			Deferred int
		}
		Reasons []struct {
			Class, Name, Code string
			Recipients        int
		}
		Cost struct {
			Took int64 `json:"took_ns"`
		}
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Source, "showq at ") || got.Messages != deferredMessages || got.Queues["deferred"].Messages != deferredMessages {
		t.Errorf("%s: %d messages, queues %v", got.Source, got.Messages, got.Queues)
	}
	if len(got.Destinations) != 1 || got.Destinations[0].Domain != "example.net" || got.Destinations[0].Deferred != deferredMessages {
		t.Errorf("destinations %+v", got.Destinations)
	}
	if len(got.Reasons) != 1 || got.Reasons[0].Class != "soft" || got.Reasons[0].Name != "connection" || got.Reasons[0].Recipients != deferredMessages {
		t.Errorf("reasons %+v", got.Reasons)
	}
	t.Logf("a look at %d messages took %.0f ms", got.Messages, float64(got.Cost.Took)/1e6)

	text := w.does("queue", "--queue", "postfix:"+p.ConfigDir())
	for _, want := range []string{fmt.Sprintf("%d messages for %d recipients", deferredMessages, deferredMessages), "; the look took ", "soft/connection"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	line, status := w.command("check-queue", "--queue", "postfix:"+p.ConfigDir(), "-w", "100", "-c", "1000000")
	if status != 1 || !strings.HasPrefix(line, fmt.Sprintf("QUEUE WARNING - %d messages", deferredMessages)) {
		t.Errorf("exit %d: %s", status, line)
	}
	// Without the socket postqueue lists the same; for root it goes to the files itself.
	public := filepath.Join(p.QueueFolder(), "public")
	if err := os.Rename(filepath.Join(public, "showq"), filepath.Join(public, "away")); err != nil {
		t.Fatal(err)
	}
	w.says(w.does("queue", "--queue", "postfix:"+p.ConfigDir()), "postqueue -c ", fmt.Sprintf("%d messages for", deferredMessages))
}

// The daemon tells of a queue that grows beyond its bound, and that it is over.
func TestQueueAlerts(t *testing.T) {
	t.Parallel() // it waits, most of the time
	h := newHook(t)
	table := func(queue string) tables {
		return tables{rates: fmt.Sprintf("[watch]\nqueue = %q\nqueue_every = \"5s\"\nqueue_size = 20\n%s", queue, h.table())}
	}
	w := newWorld(t, table("off"), harness.SinkOptions{})
	p := w.deferring()
	if err := w.pratique.Reload(w.ctx, table("postfix:"+p.ConfigDir()).toml()); err != nil {
		t.Fatal(err)
	}
	fill(w, p, 10)
	w.mustQueue(p, 10)
	if err := p.MultiplyDeferred(9); err != nil {
		t.Fatal(err)
	}
	w.says(w.told(h, "firing warning queue_growing size: "), "100 messages in the MTA's queue, watch.queue_size is 20; 100 recipients wait at example.net, soft/connection")
	if err := p.DeleteAll(w.ctx); err != nil {
		t.Fatal(err)
	}
	w.told(h, "resolved warning queue_growing size: ")
	if told := h.about("firing"); len(told) != 1 {
		t.Errorf("told %q", told)
	}
}

// does runs a subcommand that is to succeed.
func (w *world) does(args ...string) string {
	w.Helper()
	said, status := w.command(args...)
	if status != 0 {
		w.Fatalf("pratique %q: exit %d: %s", args, status, said)
	}
	return said
}

// fill hands in messages over several sessions at once.
func fill(w *world, p *harness.Postfix, n int) {
	w.Helper()
	const sessions = 10
	var group sync.WaitGroup
	for i := range sessions {
		group.Go(func() {
			c, err := harness.Dial(w.ctx, p.Addr(), "")
			if err != nil {
				w.Error(err)
				return
			}
			for k := range n / sessions {
				m := mail([]byte("From: news@example.org\r\nSubject: x\r\n\r\nx\r\n"))
				m.To = []string{fmt.Sprintf("u%d-%d@example.net", i, k)}
				if answer, err := c.Send(m); err != nil || !answer.Accepted() {
					w.Errorf("%v, %v", answer, err)
					break
				}
			}
			if err := c.Close(); err != nil {
				w.Error(err)
			}
		})
	}
	group.Wait()
}

// mustQueue waits until so many messages are deferred.
func (w *world) mustQueue(p *harness.Postfix, n int) {
	w.Helper()
	for found := -1; found < n; w.pause(fmt.Sprintf("%d of %d messages are deferred", found, n)) {
		found = 0
		err := filepath.WalkDir(filepath.Join(p.QueueFolder(), "deferred"), func(_ string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				found++
			}
			return nil // a file that was moved meanwhile
		})
		if err != nil {
			w.Fatal(err)
		}
	}
}

// The queue of a real sendmail.
func TestQueueOfSendmail(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{Refuse: func(string) string { return "450 4.2.2 mailbox full" }})
	s := w.sendmail()
	w.accepts(s.Addr(), mail([]byte("From: sender@example.org\r\nTo: recipient@example.net\r\nSubject: x\r\nMessage-ID: <q@example.org>\r\nDate: Sat, 28 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n")))
	var text string
	for !strings.Contains(text, "soft/mailbox_full 4.2.2") {
		w.pause("nothing is deferred: " + text)
		text = w.does("queue", "--queue", "sendmail:"+s.QueueFolder())
	}
	if !strings.Contains(text, "1 message for 1 recipient") || !strings.Contains(text, "example.net") {
		t.Errorf("got %s", text)
	}
}
