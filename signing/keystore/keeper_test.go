package keystore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/signing/records"
)

func TestLife(t *testing.T) {
	l := newLife(t, testOptions())
	first := l.newKey()
	l.says(l.round(0, "20261124e created"), "waits for its record", "there is no record", "pratique keys dns example.org")
	if log := l.round(time.Minute, "20261124e created"); log != "" {
		t.Errorf("said again within the day: %s", log)
	}
	l.dns.answers[first.Record()] = [2]any{l.record(first), nil}
	l.says(l.round(time.Minute, "20261124e created"), "published at 1 of 2 servers")
	l.publish(first)
	l.says(l.round(time.Minute, "20261124e published"), "key is now published", "was=created")
	l.round(59*time.Minute, "20261124e published")
	l.signs()
	l.says(l.round(time.Minute, "20261124e active"), "key is now active")
	l.signs("20261124e")
	if log := l.round(179*day, "20261124e active"); log != "" {
		t.Errorf("of a key in its best years: %s", log)
	}
	l.says(l.round(2*day, "20261124e active"), "longer than keys.key_age", "pratique keys rotate example.org")
	if log := l.round(time.Hour, "20261124e active"); log != "" {
		t.Errorf("said again within the day: %s", log)
	}
	l.says(l.round(day, "20261124e active"), "longer than keys.key_age")

	second := l.rotate()
	if log := l.round(2*day, "20261124e active, 20270525e created"); strings.Contains(log, "key_age") {
		t.Errorf("said with a successor on its way: %s", log)
	}
	l.publish(second)
	l.round(time.Minute, "20261124e active, 20270525e published")
	l.says(l.round(time.Hour, "20261124e retiring, 20270525e active"), "succeeded by 20270525e")
	l.signs("20270525e")
	// Five days in queues, and two hours in the memory of resolvers: the longer of the two TTLs.
	l.round(5*day+2*time.Hour-time.Second, "20261124e retiring, 20270525e active")
	l.says(l.round(time.Second, "20261124e done, 20270525e active"), "safe to remove 20261124e._domainkey.example.org from the DNS")
	delete(l.dns.answers, first.Record())
	if log := l.round(day, "20261124e done, 20270525e active"); log != "" {
		t.Errorf("of a key that is done: %s", log)
	}
}

// Whatever the DNS says but the right record at every server, nothing becomes active.
func TestOnlyWhatEveryServerShows(t *testing.T) {
	l := newLife(t, testOptions())
	k := l.newKey()
	right := l.record(k)
	other := strings.Replace(right, "p=", "p=AAAA", 1)
	unknown := errors.New("SERVFAIL")
	for _, answers := range [][2]any{
		{nil, nil}, {right, nil}, {nil, right}, {right, unknown}, {unknown, unknown}, {right, other}, {right, "v=DKIM1; p="},
	} {
		l.dns.answers[k.Record()] = answers
		l.round(time.Hour, "20261124e created")
	}
	l.publish(k)
	l.round(time.Minute, "20261124e published")
	// It was there, and is not certain any more: neither on nor back.
	l.dns.answers[k.Record()] = [2]any{right, unknown}
	l.round(2*time.Hour, "20261124e published")
	// It is gone again, at one server: from the beginning.
	l.dns.answers[k.Record()] = [2]any{right, nil}
	l.says(l.round(time.Minute, "20261124e created"), "key is now created", "level=WARN", "published at 1 of 2 servers; ns2.example: there is no record")
	l.publish(k)
	l.round(time.Minute, "20261124e published")
	l.round(59*time.Minute, "20261124e published")
	l.round(time.Minute, "20261124e active")
}

func TestRecordOfAnActiveKeyVanishes(t *testing.T) {
	l := newLife(t, testOptions())
	k := l.newKey()
	l.publish(k)
	l.round(0, "20261124e published")
	l.round(time.Hour, "20261124e active")
	l.dns.answers[k.Record()] = [2]any{l.record(k), nil}
	const loud = "level=ERROR msg=\"the record of an active key is not at every server"
	l.says(l.round(time.Minute, "20261124e active"), loud, "pratique keys dns example.org")
	l.signs("20261124e")
	if log := l.round(59*time.Minute, "20261124e active"); log != "" {
		t.Errorf("said again within the hour: %s", log)
	}
	l.says(l.round(time.Minute, "20261124e active"), loud)
	if sum, err := l.keeper.Round(t.Context()); err != nil || sum.Unverifiable != 1 || !sum.Oldest().Equal(began.Add(time.Hour)) || sum.Count()[Active] != 1 {
		t.Errorf("summary %+v, %v", sum, err)
	}
	l.publish(k)
	if log := l.round(time.Minute, "20261124e active"); log != "" {
		t.Errorf("the record is back: %s", log)
	}
	l.dns.answers[k.Record()] = [2]any{nil, nil}
	l.says(l.round(time.Minute, "20261124e active"), loud) // at once, because it had come back
}

// Without an answer of the DNS nothing moves and nothing is lost.
func TestDNSDown(t *testing.T) {
	l := newLife(t, testOptions())
	const states = "20261124e retiring, 20261124e2 active, 20261124e3 published"
	first := l.newKey()
	l.store.set(t, first, func(k *Key) { k.State = Active })
	second := l.rotate()
	l.store.set(t, l.key(first.Selector), func(k *Key) { k.State = Retiring })
	l.store.set(t, second, func(k *Key) { k.State = Active })
	l.store.set(t, l.rotate(), func(k *Key) { k.State = Published })
	before := l.store.mustKeys(t)
	l.dns.down = errors.New("the resolver is silent")
	l.says(l.round(30*day, states), "not known whether the record of a key is there", "the resolver is silent")
	l.dns.down = nil
	for _, k := range before {
		l.dns.answers[k.Record()] = [2]any{errors.New("timeout"), errors.New("timeout")}
	}
	l.round(30*day, states)
	if after := l.store.mustKeys(t); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
	for _, k := range before {
		l.publish(k)
	}
	l.round(day, "20261124e done, 20261124e2 retiring, 20261124e3 active")
}

// Restarts at any point change nothing: all that counts is in the store.
func TestRestart(t *testing.T) {
	l := newLife(t, testOptions())
	k := l.newKey()
	l.publish(k)
	l.restart(testOptions())
	l.round(0, "20261124e published")
	l.restart(testOptions())
	l.round(59*time.Minute, "20261124e published")
	l.restart(testOptions())
	l.round(time.Minute, "20261124e active")
	l.publish(l.rotate())
	l.round(0, "20261124e active, 20261124e2 published")
	l.restart(testOptions())
	l.round(time.Hour, "20261124e retiring, 20261124e2 active")
	l.restart(testOptions())
	l.round(5*day+time.Hour, "20261124e retiring, 20261124e2 active")
	l.restart(testOptions())
	l.round(time.Hour, "20261124e done, 20261124e2 active")
}

// Times that lie in the future were written by a clock that was wrong. What was
// waited for is waited for anew; it does not take a year longer, nor is it skipped.
func TestClockPutBack(t *testing.T) {
	l := newLife(t, testOptions())
	l.publish(l.newKey())
	l.round(365*day, "20261124e published")
	l.says(l.round(-365*day, "20261124e published"), "the clock was put back")
	l.round(59*time.Minute, "20261124e published")
	l.round(time.Minute, "20261124e active")
	l.publish(l.rotate())
	l.round(0, "20261124e active, 20261124e2 published")
	l.clock.at = l.clock.at.Add(365 * day)
	l.round(0, "20261124e retiring, 20261124e2 active")
	l.round(-365*day, "20261124e retiring, 20261124e2 active")
	l.round(5*day, "20261124e retiring, 20261124e2 active")
	l.round(2*time.Hour, "20261124e done, 20261124e2 active")
	l.signs("20261124e2")
}

func TestRotateEvery(t *testing.T) {
	o := testOptions()
	o.RotateEvery = 90 * day
	l := newLife(t, o)
	l.publish(l.newKey())
	l.round(0, "20261124e published")
	l.round(time.Hour, "20261124e active")
	l.round(90*day-time.Second, "20261124e active")
	l.says(l.round(time.Second, "20261124e active, 20270222e created"), "key is made: publish its record", "pratique keys dns example.org")
	l.round(day, "20261124e active, 20270222e created")
}

// Each algorithm goes its own way.
func TestAlgorithmsRotateApart(t *testing.T) {
	l := newLife(t, testOptions())
	made, err := l.store.New(t.Context(), "example.org", "", Kind{Type: RSA}, ed25519Kind)
	if err != nil {
		t.Fatal(err)
	}
	l.publish(made[1])
	l.round(0, "20261124r created, 20261124e published")
	l.round(time.Hour, "20261124r created, 20261124e active")
	l.publish(made[0])
	l.round(0, "20261124r published, 20261124e active")
	l.round(time.Hour, "20261124r active, 20261124e active")
	l.signs("20261124r", "20261124e")
	if _, err := l.store.Rotate(t.Context(), "example.org", Ed25519); err != nil {
		t.Fatal(err)
	}
	l.publish(l.key("20261124e2"))
	l.round(0, "20261124r active, 20261124e active, 20261124e2 published")
	l.round(time.Hour, "20261124r active, 20261124e retiring, 20261124e2 active")
	l.signs("20261124r", "20261124e2")
}

// A key is not active before messages are signed by it, nor does the one before it
// retire: what signs keeps its record.
func TestKeysThatCannotBeUsed(t *testing.T) {
	l := newLife(t, testOptions())
	l.publish(l.newKey())
	l.round(0, "20261124e published")
	l.round(time.Hour, "20261124e active")
	l.publish(l.rotate())
	l.round(0, "20261124e active, 20261124e2 published")
	l.unfit = errors.New("another domain's key is broken")
	l.clock.at = l.clock.at.Add(day)
	if _, err := l.keeper.Round(t.Context()); !errors.Is(err, l.unfit) {
		t.Errorf("round: %v", err)
	}
	l.holds("20261124e active, 20261124e2 published")
	l.unfit = nil
	l.round(day, "20261124e retiring, 20261124e2 active")
	if !slices.Equal(l.used, l.store.mustKeys(t)) {
		t.Errorf("signs with %v, and the store has %v", l.used, l.store.mustKeys(t))
	}
	l.round(5*day, "20261124e retiring, 20261124e2 active")
}

// A private half that can't be read moves nothing, and is said.
func TestUnreadableKey(t *testing.T) {
	l := newLife(t, testOptions())
	k := l.newKey()
	l.publish(k)
	l.round(0, "20261124e published")
	if err := os.Truncate(l.store.File(k), 0); err != nil {
		t.Fatal(err)
	}
	l.says(l.round(time.Hour, "20261124e published"), "level=WARN", "20261124e.pem: is empty")
}

// A key that changes while the DNS is asked is not moved by what was seen before.
func TestKeysThatChangeMeanwhile(t *testing.T) {
	l := newLife(t, testOptions())
	k := l.newKey()
	l.publish(k)
	l.keeper.dns = askFunc(func(ctx context.Context, name string) ([]records.Answer, error) {
		if _, err := l.store.Remove(ctx, k.Domain, k.Selector, true); err != nil {
			t.Error(err)
		}
		return l.dns.Ask(ctx, name)
	})
	l.round(0, "")
	ctx, cancel := context.WithCancel(t.Context())
	l.keeper.dns = askFunc(func(context.Context, string) ([]records.Answer, error) {
		cancel()
		return nil, ctx.Err()
	})
	k = l.newKey()
	if _, err := l.keeper.Round(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a round that was cut short: %v", err)
	}
	l.holds(k.Selector + " created")
}

type askFunc func(context.Context, string) ([]records.Answer, error)

func (f askFunc) Ask(ctx context.Context, name string) ([]records.Answer, error) { return f(ctx, name) }

// A DNS that is away does not fill the log with every key.
func TestFewAreNamed(t *testing.T) {
	l := newLife(t, testOptions())
	err := l.store.update(t.Context(), func(_ *disk, all *list) error {
		for i := range 3 * maxNamed {
			all.Keys = append(all.Keys, Key{Domain: fmt.Sprintf("%d.example", i), Selector: "s", Algorithm: "rsa-sha256", State: Active, Created: began})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.keeper.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.says(l.logged.String(), fmt.Sprintf("more=%d", 2*maxNamed))
	if n := strings.Count(l.logged.String(), "not known whether"); n != maxNamed+1 {
		t.Errorf("%d lines", n)
	}
}

func TestWait(t *testing.T) {
	o := DefaultOptions()
	at := func(d time.Duration) time.Time { return began.Add(-d) }
	for name, c := range map[string]struct {
		key  Key
		want time.Duration
	}{
		"new":                   {Key{State: Created, Created: at(0)}, soonest},
		"an hour old":           {Key{State: Created, Created: at(time.Hour)}, 6 * time.Minute},
		"a week old":            {Key{State: Created, Created: at(7 * day)}, o.CheckEvery},
		"just published":        {Key{State: Published, Published: at(0)}, o.ActivateAfter},
		"published, not active": {Key{State: Published, Published: at(day)}, soonest},
		"active":                {Key{State: Active, Activated: at(day)}, o.CheckEvery},
		"retiring":              {Key{State: Retiring, Retired: at(5*day - time.Minute)}, time.Minute},
		"done":                  {Key{State: Done}, o.CheckEvery},
	} {
		k := NewKeeper(Open("", func() time.Time { return began }), nil, o, nil, nil)
		if got := k.Wait([]Key{c.key, {State: Done}}); got != c.want {
			t.Errorf("%s: %v; want %v", name, got, c.want)
		}
	}
}
