package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// zone answers look-ups, and remembers what it was asked for.
type zone struct {
	mx    map[string][]*net.MX
	mu    sync.Mutex
	asked []string
}

func (z *zone) LookupMX(_ context.Context, domain string) ([]*net.MX, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	domain = strings.TrimSuffix(domain, ".")
	z.asked = append(z.asked, domain)
	switch mx, ok := z.mx[domain]; {
	case strings.HasPrefix(domain, "broken"):
		return nil, &net.DNSError{Err: "server misbehaving", IsTemporary: true}
	case !ok:
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	default:
		return mx, nil
	}
}

func (z *zone) take() string {
	asked := z.asked
	z.asked = nil
	slices.Sort(asked)
	return strings.Join(asked, " ")
}

func TestLearnExchangers(t *testing.T) {
	f := newFixture(t)
	z := &zone{mx: map[string][]*net.MX{
		"firm.example":   {{Host: "backup.example.", Pref: 20}, {Host: "ASPMX.L.google.com.", Pref: 1}},
		"school.example": {{Host: "school-example.mail.protection.outlook.com.", Pref: 0}},
		"null.example":   {{Host: ".", Pref: 0}},
	}}
	learn := func() int {
		t.Helper()
		n, err := f.LearnExchangers(t.Context(), z)
		f.check(err)
		return n
	}
	f.sent(3, "a@example.org", "x@firm.example")
	f.sent(2, "a@example.org", "x@school.example")
	for _, domain := range []string{"null.example", "none.example", "broken.example", "gmail.com"} {
		f.sent(1, "a@example.org", "x@"+domain)
	}
	f.logs("AAAAAA1111: to=<x@logged.example>, relay=mx.messagingengine.com[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)")
	f.logs("AAAAAA2222: to=<x@firm.example>, relay=smarthost.example.org[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)") // which tells nothing
	f.sent(1, "a@example.org", "x@logged.example")
	if n := learn(); n != 6 {
		t.Errorf("%d were looked up", n)
	}
	if asked := z.take(); asked != "broken.example firm.example none.example null.example school.example" {
		t.Errorf("asked for %s", asked)
	}
	got := map[string]int{}
	for _, l := range f.report().Receivers {
		got[l.Key] = l.Recipients
	}
	want := map[string]int{"google": 4, "microsoft": 2, "null.example": 1, "none.example": 1, "broken.example": 1, "fastmail": 1}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("receivers %v, want %v", got, want)
	}
	f.logs("AAAAAA2222: to=<x@firm.example>, relay=smarthost.example.org[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (ok)")
	providers, err := f.Providers(t.Context())
	f.check(err)
	if want := map[string]string{"firm.example": "google", "school.example": "microsoft", "logged.example": "fastmail"}; !maps.Equal(providers, want) {
		t.Errorf("providers %v, want %v", providers, want)
	}
	if n := learn(); n != 0 || f.report().Receivers[0].Key != "google" {
		t.Errorf("%d were looked up again; receivers %v", n, f.report().Receivers)
	}
	f.clock = f.clock.Add(askSoon + time.Minute)
	if n := learn(); n != 1 || z.take() != "broken.example" {
		t.Errorf("%d were looked up after an hour", n)
	}
	for i := range 25 {
		f.sent(1, "a@example.org", fmt.Sprintf("x@d%d.example", i))
	}
	for _, want := range []int{10, 10, 5, 0} {
		if n := learn(); n != want {
			t.Errorf("%d were looked up at once, and not %d", n, want)
		}
	}
	f.clock = f.clock.Add(askAgain)
	f.sent(1, "a@example.org", "x@firm.example")
	if n := learn(); n != 1 {
		t.Errorf("%d were looked up after a week", n)
	}
	f.check(f.Store.Close())
	if _, err := f.LearnExchangers(t.Context(), z); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("a closed store: %v", err)
	}
}
