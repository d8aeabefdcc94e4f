package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	values := []int{5, 1, 4, 2, 3}
	for _, tt := range []struct {
		q    float64
		want int
	}{{0, 1}, {0.5, 3}, {0.99, 5}, {1, 5}} {
		if got := quantile(values, tt.q); got != tt.want {
			t.Errorf("quantile %v is %d, want %d", tt.q, got, tt.want)
		}
	}
	if !slices.Equal(values, []int{5, 1, 4, 2, 3}) {
		t.Error("the values were put in order")
	}
	if got := quantile([]time.Duration(nil), 0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
}

func TestLettersDiffer(t *testing.T) {
	for _, size := range []int{2 << 10, 50 << 10, 1 << 20} {
		var serials atomic.Uint64
		one, two := newStationery(size, &serials), newStationery(size, &serials)
		first, second := raw(one.next()), raw(two.next())
		if got := len(first); got < size*9/10 || got > size*11/10 {
			t.Errorf("a letter of %s has %d octets", sizeName(size), got)
		}
		if len(first) != len(second) {
			t.Errorf("letters of %s have %d and %d octets", sizeName(size), len(first), len(second))
		}
		if bytes.Equal(body(first), body(second)) {
			t.Errorf("two letters of %s have the same body", sizeName(size))
		}
		if bytes.Contains(body(first), []byte(strings.Repeat("0", serialWidth))) {
			t.Errorf("a place in a letter of %s was not stamped", sizeName(size))
		}
	}
}

func body(letter []byte) []byte {
	_, after, _ := bytes.Cut(letter, []byte("\r\n\r\n"))
	return after
}

func TestProcfsOfThisProcess(t *testing.T) {
	pids, err := family(os.Getpid())
	if err != nil || pids[0] != os.Getpid() {
		t.Fatalf("family %v: %v", pids, err)
	}
	if err := resetPeaks(pids[:1]); err != nil {
		t.Fatal(err)
	}
	const size = 64 << 20
	held := bytes.Repeat([]byte{1}, size)
	m, err := readMemory(pids[:1])
	if err != nil || m.Now < size || m.Peak < m.Now {
		t.Errorf("memory %+v with %d octets held: %v", m, len(held), err)
	}
	before, err := cpuTime(pids[:1])
	if err != nil {
		t.Fatal(err)
	}
	after := before
	for sum := 0; after < before+3*tick; sum++ { // ends as soon as time is seen to be spent
		if after, err = cpuTime(pids[:1]); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFamilyHasChildren(t *testing.T) {
	p, err := spawn(t.TempDir(), "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	pids, err := family(os.Getpid())
	if err != nil || !slices.Contains(pids, p.pid()) {
		t.Errorf("%d is not in %v: %v", p.pid(), pids, err)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
	_, err = cpuTime(pids)
	_, memoryErr := readMemory(pids)
	if err := errors.Join(err, memoryErr, resetPeaks(pids)); err != nil {
		t.Errorf("a child that has ended: %v", err)
	}
	if _, err := cpuTime([]int{p.pid()}); err == nil {
		t.Error("the time of a program that has ended was read")
	}
	if pids, err = family(os.Getpid()); err != nil || slices.Contains(pids, p.pid()) {
		t.Errorf("%d is still in %v: %v", p.pid(), pids, err)
	}
}

// A child leaves its time to its parent.
func TestTimeOfChildrenThatHaveEnded(t *testing.T) {
	self := []int{os.Getpid()}
	before, err := cpuTime(self)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	after, err := cpuTime(self)
	if spent := cmd.ProcessState.UserTime(); err != nil || after-before < spent-2*tick {
		t.Errorf("a child spent %v, and %v are told, %v", spent, after-before, err)
	}
}

func TestFlags(t *testing.T) {
	o, err := parse([]string{"-sizes", "2k,1M,25MiB,7", "-connections", "3,4"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{2 << 10, 1 << 20, 25 << 20, 7}) || !slices.Equal(o.connections, []int{3, 4}) {
		t.Errorf("sizes %v, connections %v", o.sizes, o.connections)
	}
}

func TestQuickLeavesWhatWasAskedFor(t *testing.T) {
	o, err := parse([]string{"-sizes", "7", "-quick"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.sizes, []int{7}) || !slices.Equal(o.connections, []int{1, 16}) || o.only != "signing,scanning" || o.time != 800*time.Millisecond {
		t.Errorf("options %+v", o)
	}
}

func TestReport(t *testing.T) {
	run := func(messages int, cpu time.Duration) sample {
		return sample{Messages: messages, Elapsed: time.Second, CPU: cpu, Median: time.Millisecond, P99: 9 * time.Millisecond, Memory: memory{Peak: 3 << 20}}
	}
	p := point{Size: 2 << 10, Connections: 16}
	r := results{Rounds: 3, LeftOut: []omission{{"rspamd", "not installed"}}, Tables: []table{{Title: "Signing", Note: "A note.", Ours: "ours", Rows: []row{
		{"ours", p, []sample{run(200, 100*time.Millisecond), run(300, 150*time.Millisecond), run(100, 50*time.Millisecond)}},
		{"theirs", p, []sample{run(100, 0), run(100, 0), run(100, 0)}},
	}}}}
	var b strings.Builder
	if err := r.markdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 2 KiB | 16 | ours | 200 (100–300) | 0.50 (0.50–0.50) | 1.00 (1.00–1.00) | 9.0 | 3 |  |\n",
		"| 2 KiB | 16 | theirs | 100 (100–100) | – | 1.00 (1.00–1.00) | 9.0 | 3 | × 2.00 (1.00–3.00) |\n",
		"Left out: rspamd (not installed).",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
}
