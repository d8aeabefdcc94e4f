package message

import (
	"context"
	"testing"
	"time"
)

// The record says how far each check came, and how long it took.
func TestChainRecordsItsChecks(t *testing.T) {
	var log []string
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	takes := func(d time.Duration, then error) act {
		return func() error { now = now.Add(d); return then }
	}
	nobody := named{name: "nobody"}
	chain := func(decides error) *Chain {
		return NewChain(
			Link{Check: &scripted{name: "first", stage: StageHeader, act: takes(time.Millisecond, nil), log: &log}},
			Link{Check: nobody},
			Link{Check: &scripted{name: "broken", stage: StageHeader, act: takes(time.Second, errBroken), log: &log}, OnError: Accept},
			Link{Check: &scripted{name: "last", stage: StageEnd, act: takes(3*time.Millisecond, decides), log: &log}},
			Link{Check: &scripted{name: "behind", log: &log}},
		).Timed(clock)
	}
	for _, tc := range []struct {
		name    string
		decides error
		stop    Stage
		want    [5]CheckState
		last    time.Duration
	}{
		{"accepted", nil, StageClose, [5]CheckState{CheckRan, CheckSkipped, CheckBroke, CheckRan, CheckRan}, 3 * time.Millisecond},
		{"refused", refusal, StageClose, [5]CheckState{CheckRan, CheckSkipped, CheckBroke, CheckDecided, CheckRan}, 3 * time.Millisecond},
		{"aborted", nil, StageHeader, [5]CheckState{CheckUnreached, CheckSkipped, CheckUnreached, CheckUnreached, CheckUnreached}, 0},
	} {
		m := &Message{Sender: "a@example.org"}
		_ = converse(chain(tc.decides), m, tc.stop) // the answer is tested elsewhere
		spent := [5]time.Duration{time.Millisecond, 0, time.Second, tc.last, 0}
		for i, run := range m.Checks {
			if run.State != tc.want[i] {
				t.Errorf("%s: %s is %v, want %v", tc.name, run.Check, run.State, tc.want[i])
			}
			if tc.stop > StageHeader && run.Spent != spent[i] {
				t.Errorf("%s: %s took %v, want %v", tc.name, run.Check, run.Spent, spent[i])
			}
		}
	}
}

// A check that refuses at Begin is the last one that was asked.
func TestChainRecordsARefusalAtBegin(t *testing.T) {
	var log []string
	m := &Message{Sender: "a@example.org"}
	_, err := NewChain(
		Link{Check: &scripted{name: "first", stage: StageBegin, act: fails(refusal), log: &log}},
		Link{Check: &scripted{name: "behind", log: &log}},
	).Begin(context.Background(), m)
	if err == nil || m.Checks[0].State != CheckDecided || m.Checks[1].State != CheckUnreached {
		t.Errorf("answered %v, checks %v", err, m.Checks)
	}
}

// A bounce that a check would refuse is held: the check did not decide.
func TestChainRecordsAHeldBounce(t *testing.T) {
	var log []string
	m := &Message{Client: Client{Local: true}}
	err := converse(NewChain(Link{Check: &scripted{name: "first", stage: StageEnd, act: fails(refusal), log: &log}}), m, StageClose)
	if err != nil || m.Checks[0].State != CheckRan || m.Held() == "" {
		t.Errorf("answered %v, held %q, checks %v", err, m.Held(), m.Checks)
	}
}

// named is a check that is interested in nothing.
type named struct{ name string }

func (n named) Name() string                                       { return n.name }
func (n named) Begin(context.Context, *Message) (Inspector, error) { return nil, nil }

// idle is a check that does nothing.
type idle struct{}

func (idle) Name() string                                       { return "idle" }
func (idle) Begin(context.Context, *Message) (Inspector, error) { return idle{}, nil }
func (idle) Header() error                                      { return nil }
func (idle) Write(p []byte) (int, error)                        { return len(p), nil }
func (idle) End() error                                         { return nil }
func (idle) Close() error                                       { return nil }

// What it costs a message of one chunk to pass seven checks, with and without their times.
func BenchmarkChain(b *testing.B) {
	var links []Link
	for range 7 {
		links = append(links, Link{Check: idle{}})
	}
	for _, bc := range []struct {
		name  string
		chain *Chain
	}{{"untimed", NewChain(links...)}, {"timed", NewChain(links...).Timed(time.Now)}} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := converse(bc.chain, &Message{Sender: "a@example.org"}, StageClose); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
