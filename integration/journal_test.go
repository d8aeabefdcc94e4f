package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/journal"
)

var queuedAs = regexp.MustCompile(`queued as (\w+)`)

// sent is a message that Postfix took.
type sent struct {
	subject, queueID string
	at               time.Time
}

// keepSending sends messages in so many sessions, one after the other, until stop is
// closed, and returns those that were taken.
func keepSending(ctx context.Context, addr string, sessions int, stop <-chan struct{}) func() []sent {
	var mu sync.Mutex
	var taken []sent
	var sending sync.WaitGroup
	for session := range sessions {
		sending.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				subject := fmt.Sprintf("journal-%d-%d", session, n)
				answer, err := harness.Send(ctx, addr, "", mail(harness.Letter(subject)))
				if err != nil || !answer.Accepted() {
					time.Sleep(20 * time.Millisecond) // the daemon is dead
					continue
				}
				if id := queuedAs.FindStringSubmatch(answer.String()); id != nil {
					mu.Lock()
					taken = append(taken, sent{subject, id[1], time.Now()})
					mu.Unlock()
				}
			}
		})
	}
	return func() []sent {
		sending.Wait()
		return taken
	}
}

// A daemon that is killed in the middle loses the records of its last second at most,
// and no mail; the next one goes on with the same journal.
func TestKilledInTheMiddle(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	stop := make(chan struct{})
	taken := keepSending(w.ctx, p.Addr(), 3, stop)
	time.Sleep(3 * time.Second)
	killed := time.Now()
	if err := w.pratique.Kill(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	all := taken()
	state := filepath.Join(filepath.Dir(w.pratique.Config()), "state")
	held := journaled(t, state, all, func(m sent) bool { return m.at.Before(killed.Add(-time.Second)) })
	if held < 20 {
		t.Errorf("only %d messages were sent a second before the end", held)
	}
	for _, m := range all {
		w.delivered(m.subject)
	}

	again := exec.CommandContext(w.ctx, binary, "serve", "--config", w.pratique.Config())
	again.Cancel = func() error { return again.Process.Signal(syscall.SIGTERM) }
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := again.Wait(); err != nil {
			t.Error(err)
		}
		journaled(t, state, all, func(m sent) bool { return m.subject == "after" })
	}()
	w.eventuallyAccepts(p.Addr(), mail(harness.Letter("after")), func(id string) {
		all = append(all, sent{subject: "after", queueID: id})
	})
}

// eventuallyAccepts sends a message again until the MTA takes it.
func (w *world) eventuallyAccepts(addr string, m harness.Mail, taken func(queueID string)) {
	w.Helper()
	for {
		if answer := w.send(addr, m); answer.Accepted() {
			taken(queuedAs.FindStringSubmatch(answer.String())[1])
			return
		}
		select {
		case <-w.ctx.Done():
			w.Fatal("the message is not taken")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// journaled holds that each message that counts is in the journal, and returns how many there are.
func journaled(t *testing.T, state string, all []sent, counts func(sent) bool) int {
	t.Helper()
	reader, err := journal.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	n := 0
	for _, m := range all {
		if !counts(m) {
			continue
		}
		n++
		found, err := reader.Find(context.Background(), m.queueID)
		if err != nil || len(found) != 1 || found[0].Verdict != "accepted" {
			t.Errorf("%s (%s): %d records, error %v", m.queueID, m.subject, len(found), err)
		}
	}
	return n
}

// The story of a message that went through Postfix: as it was told to the client, and
// each check with the time that it took.
func TestWhy(t *testing.T) {
	w := newWorld(t, tables{clamd: realClamd(t)}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	answer := w.send(p.Addr(), mail(harness.Letter("why")))
	if !answer.Accepted() {
		t.Fatalf("answered %s", answer)
	}
	w.refuses(w.send(p.Addr(), mail(harness.BrokenMIME("broken"))), ".", 550, "M01")

	var records []journal.Record
	w.why(&records, queuedAs.FindStringSubmatch(answer.String())[1])
	r := records[0]
	if r.Verdict != "accepted" || len(r.Signatures) == 0 || r.Scan == nil || r.Scan.Result != journal.ScanClean ||
		r.Client.Addr != "127.0.0.1" || r.Recipients != 1 || r.Sender != "sender@example.org" || r.Subject != "" || r.Addresses != nil {
		t.Errorf("record %+v", r)
	}
	for _, c := range r.Checks {
		if c.Verdict == journal.Passed && (c.Name == "scanning" || c.Name == "signing") && c.Took <= 0 {
			t.Errorf("%s took %v", c.Name, c.Took)
		}
	}
	w.why(&records, "--verdict", "reject", "--last", "1")
	if r := records[0]; r.DecidedBy != "lint" || r.Reply == nil || r.Reply.Code != 550 || !strings.Contains(r.Reply.Text, "M01") {
		t.Errorf("record %+v", r)
	}
}

// why asks the command until it knows the message, which takes part of a second.
func (w *world) why(into *[]journal.Record, args ...string) {
	w.Helper()
	args = append([]string{"why", "--config", w.pratique.Config(), "--json"}, args...)
	var out []byte
	var err error
	for range 100 {
		if out, err = exec.CommandContext(w.ctx, binary, args...).Output(); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil || len(*into) != 1 {
		w.Fatalf("%v: %d records, %v: %s", args, len(*into), err, out)
	}
}
