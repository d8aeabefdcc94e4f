package keystore

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/signing/records"
)

// fakeDNS has two servers. What they answer is by the name of the record.
type fakeDNS struct {
	down    error
	answers map[string][2]any // string: the record; nil: none; error: unknown
}

func (f *fakeDNS) Ask(_ context.Context, name string) ([]records.Answer, error) {
	if f.down != nil {
		return nil, f.down
	}
	var answers []records.Answer
	for i, said := range f.answers[name] {
		a := records.Answer{Server: fmt.Sprintf("ns%d.example", i+1), Name: name, TTL: 10 * time.Minute}
		switch said := said.(type) {
		case string:
			a.Records, a.TTL = []string{said}, time.Duration(i+1)*time.Hour
		case error:
			a.Err = said
		}
		answers = append(answers, a)
	}
	return answers, nil
}

// life is a store with its keeper, a clock and a DNS that are set by hand.
type life struct {
	*testing.T
	store  *Store
	clock  *clock
	dns    *fakeDNS
	keeper *Keeper
	used   []Key // what messages are signed by
	unfit  error // why other keys can't be used
	logged bytes.Buffer
}

func testOptions() Options {
	o := DefaultOptions()
	o.ActivateAfter, o.QueueLifetime = time.Hour, 5*day
	return o
}

func newLife(t *testing.T, o Options) *life {
	t.Helper()
	l := &life{T: t, dns: &fakeDNS{answers: map[string][2]any{}}}
	l.store, l.clock = newStore(t)
	l.restart(o)
	return l
}

// restart has a new keeper go on with the same store, as a restarted daemon would.
func (l *life) restart(o Options) {
	l.keeper = NewKeeper(Open(l.store.Folder(), l.clock.now), l.dns, o, l.use, slog.New(slog.NewTextHandler(&l.logged, nil)))
}

func (l *life) use(keys []Key) error {
	if l.unfit == nil {
		l.used = slices.Clone(keys)
	}
	return l.unfit
}

func (l *life) record(k Key) string {
	l.Helper()
	private, err := l.store.Load(k)
	if err != nil {
		l.Fatal(err)
	}
	return private.Record()
}

func (l *life) publish(k Key) { l.dns.answers[k.Record()] = [2]any{l.record(k), l.record(k)} }

// round plays a round some time after the last one, and compares the states of all
// keys, as "selector state, selector state", and returns what was logged.
func (l *life) round(after time.Duration, want string) string {
	l.Helper()
	l.clock.at = l.clock.at.Add(after)
	l.logged.Reset()
	if _, err := l.keeper.Round(l.Context()); err != nil {
		l.Errorf("%s: %v", want, err)
	}
	l.holds(want)
	return l.logged.String()
}

func (l *life) holds(want string) {
	l.Helper()
	var got []string
	for _, k := range l.store.mustKeys(l.T) {
		got = append(got, fmt.Sprintf("%s %s", k.Selector, k.State))
	}
	if s := strings.Join(got, ", "); s != want {
		l.Errorf("the keys are: %s; want %s\n%s", s, want, l.logged.String())
	}
}

func (l *life) says(log string, texts ...string) {
	l.Helper()
	for _, text := range texts {
		if !strings.Contains(log, text) {
			l.Errorf("the log lacks %q:\n%s", text, log)
		}
	}
}

func (l *life) newKey() Key {
	l.Helper()
	made, err := l.store.New(l.Context(), "example.org", "", ed25519Kind)
	if err != nil {
		l.Fatal(err)
	}
	return made[0]
}

func (l *life) rotate() Key {
	l.Helper()
	made, err := l.store.Rotate(l.Context(), "example.org", "")
	if err != nil {
		l.Fatal(err)
	}
	return made[0]
}

// signs compares the selectors of the keys to sign with.
func (l *life) signs(want ...string) {
	l.Helper()
	domains, err := l.store.Domains()
	if err != nil {
		l.Fatal(err)
	}
	var got []string
	for _, d := range domains {
		for _, k := range d.Keys {
			got = append(got, k.Selector)
		}
	}
	if !slices.Equal(got, want) {
		l.Errorf("signs with %v; want %v", got, want)
	}
}

// key returns the key with a selector as it is now.
func (l *life) key(selector string) Key {
	l.Helper()
	keys := l.store.mustKeys(l.T)
	return keys[slices.IndexFunc(keys, func(k Key) bool { return k.Selector == selector })]
}
