package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/watch"
	"pratique/watch/maillog"
)

// The daemon follows the journal that a real systemd-journald writes of a real
// Postfix: over a rotation, over the end of its journalctl, and over its own restart.
func TestJournald(t *testing.T) {
	t.Parallel() // it waits, most of the time
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	j, err := harness.StartJournald(ctx, tempDir(t))
	journald := started(t, j, err)
	w := newWorld(t, tables{rates: fmt.Sprintf("[watch]\nqueue = \"off\"\nlog = \"journald:%s\"\n", journald.Folder())},
		harness.SinkOptions{Refuse: refuseNobody})
	w.awaitLog("the MTA's log is followed")
	p := w.postfix(w.overUnix())
	w.bounce(p, "comes-back")
	logs(t, journald, ofPostfix(p.Log())...)
	w.bounced(1)
	if r := w.feedback(); r.Bounces.Failed != 1 || r.Bounces.Unverified != 0 || r.Reasons[0].Key() != "hard/unknown_user 5.1.1" || r.Senders[0].Key != "example.org" {
		t.Errorf("bounces %+v, reasons %+v, senders %+v", r.Bounces, r.Reasons, r.Senders)
	}

	if err := journald.Rotate(); err != nil {
		t.Fatal(err)
	}
	logs(t, journald, bouncedLine(1))
	w.bounced(2)

	w.killJournalctl()
	logs(t, journald, bouncedLine(2))
	w.bounced(3)

	if err := w.pratique.Kill(); err != nil {
		t.Fatal(err)
	}
	var missed []string
	for i := range 25 { // more than the ten lines that journalctl shows if it is not told otherwise
		missed = append(missed, bouncedLine(3+i))
	}
	logs(t, journald, missed...)
	again := exec.CommandContext(w.ctx, binary, "serve", "--config", w.pratique.Config())
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(again.Process.Signal(syscall.SIGTERM), again.Wait()); err != nil {
			t.Error(err)
		}
	}()
	w.bounced(28)
}

func bouncedLine(n int) string {
	return fmt.Sprintf("postfix/smtp[%d]: ID%05d: to=<u%d@example.com>, relay=none, delay=1, delays=1/0/0/0, dsn=5.1.2, status=bounced (Host or domain name not found)", 100+n, n, n)
}

// ofPostfix returns the lines of a log as Postfix hands them to syslog(3).
func ofPostfix(log string) []string {
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^\w+ +\d+ [\d:]+ \S+ (postfix/\S+\[\d+\]: .*)$`).FindAllStringSubmatch(log, -1) {
		lines = append(lines, m[1])
	}
	return lines
}

func logs(t *testing.T, j *harness.Journald, lines ...string) {
	t.Helper()
	if err := j.Log(lines...); err != nil {
		t.Fatal(err)
	}
}

func (w *world) awaitLog(text string) {
	w.Helper()
	for !strings.Contains(w.pratique.Log(), text) {
		w.pause("the daemon does not say: " + text)
	}
}

// feedback returns what "pratique feedback" tells; nothing as long as nothing is kept.
func (w *world) feedback() watch.Report {
	w.Helper()
	var r watch.Report
	out, err := exec.CommandContext(w.ctx, binary, "feedback", "--config", w.pratique.Config(), "--json").Output()
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		w.Log(err)
	}
	return r
}

// bounced waits until so many bounces are known by the log.
func (w *world) bounced(n int) {
	w.Helper()
	for found := -1; found != n; {
		found = 0
		for _, d := range w.feedback().Deliveries {
			found += d.Bounced
		}
		if found > n {
			w.Fatalf("%d bounces are known, and %d happened", found, n)
		}
		w.pause(fmt.Sprintf("%d of %d bounces are known", found, n))
	}
}

// killJournalctl kills the journalctl that the daemon started.
func (w *world) killJournalctl() {
	w.Helper()
	for _, pid := range children(w.T, w.pratique.Pid()) {
		command, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && strings.TrimSpace(string(command)) == "journalctl" {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				w.Fatal(err)
			}
			return
		}
	}
	w.Fatal("the daemon runs no journalctl")
}

func children(t *testing.T, parent int) []int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// What was logged before a reboot is read after it, and what another machine logs
// into the same folder is none of ours to leave out.
func TestJournalOverReboot(t *testing.T) {
	const remote = "/lib/systemd/systemd-journal-remote"
	if _, err := os.Stat(remote); err != nil {
		started[*harness.Journald](t, nil, fmt.Errorf("%s: %w", remote, harness.ErrMissing))
	}
	folder := tempDir(t)
	write := func(file, boot string, from, to int) {
		t.Helper()
		var entries bytes.Buffer
		at := time.Now().UnixMicro()
		for i := from; i < to; i++ {
			program, message, _ := strings.Cut(bouncedLine(i), "[")
			_, message, _ = strings.Cut(message, ": ")
			fmt.Fprintf(&entries, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n_MACHINE_ID=00112233445566778899aabbccddeeff\nSYSLOG_FACILITY=2\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s\n\n",
				at+int64(i), 1000+i, boot, program, message)
		}
		cmd := exec.CommandContext(t.Context(), remote, "--output="+filepath.Join(folder, file), "-")
		cmd.Stdin = &entries
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	const first, second = "0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef"
	write("a.journal", first, 0, 3)
	read := func(pos maillog.Position, more func()) (ids []string, last maillog.Position) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var mu sync.Mutex
		var once sync.Once
		var follow sync.WaitGroup
		follow.Go(func() {
			maillog.NewJournald(folder, pos).Run(ctx, func(found []maillog.Delivery, p maillog.Position) {
				mu.Lock()
				defer mu.Unlock()
				last = p
				for _, d := range found {
					ids = append(ids, d.QueueID)
				}
			}, func(err error) {
				if err != nil {
					t.Error(err)
					cancel()
				}
				once.Do(more)
			})
		})
		done := func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(ids) > 0 && ids[len(ids)-1] == fmt.Sprintf("ID%05d", lastOf)
		}
		for ctx.Err() == nil && !done() {
			time.Sleep(50 * time.Millisecond)
		}
		cancel()
		follow.Wait()
		return ids, last
	}
	ids, pos := read(maillog.Position{}, func() { write("b.journal", first, lastOf, lastOf+1) })
	if !slices.Equal(ids, []string{"ID00099"}) || pos.Cursor == "" {
		t.Fatalf("read %q, %+v", ids, pos)
	}
	write("c.journal", first, 120, 140)
	write("d.journal", second, 40, 60)
	write("e.journal", second, lastOf, lastOf+1)
	ids, _ = read(pos, func() {})
	if len(ids) != 41 || ids[0] != "ID00120" || ids[20] != "ID00040" {
		t.Errorf("read %d: %q", len(ids), ids)
	}
}

// lastOf is the number of the entry that ends a round.
const lastOf = 99
