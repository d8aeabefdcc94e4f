package posture

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"pratique/posture/blocklist"
	"pratique/posture/lookup"
	"pratique/posture/lookup/lookuptest"
	"pratique/signing/records"
	"pratique/signing/records/recordstest"
)

// gauge tells how many questions were under way at most.
type gauge struct{ now, most atomic.Int64 }

func (g *gauge) during(f func()) {
	n := g.now.Add(1)
	defer g.now.Add(-1)
	for most := g.most.Load(); n > most && !g.most.CompareAndSwap(most, n); most = g.most.Load() {
	}
	f()
}

// slowly answers a moment later, and counts.
type slowly struct {
	lookup.Exchanger
	gauge
}

func (s *slowly) Exchange(ctx context.Context, q *dns.Msg) (m *dns.Msg, err error) {
	s.during(func() {
		time.Sleep(200 * time.Microsecond)
		m, err = s.Exchanger.Exchange(ctx, q)
	})
	return m, err
}

// TestManyDomains: with many domains there are no more questions under way than
// with one, neither at the resolver nor at the servers of their zones.
func TestManyDomains(t *testing.T) {
	const count = 200
	key := newKey(t, 0)
	var zone strings.Builder
	var names []string
	var keys []Key
	zone.WriteString(sound)
	for i := range count {
		name := fmt.Sprintf("d%d.test", i)
		names = append(names, name)
		keys = append(keys, Key{Record: "s._domainkey." + name, Domain: name, Selector: "s", Private: key})
		fmt.Fprintf(&zone, "%s. MX 10 mail.test.\n%s. TXT \"v=spf1 a:mail.test -all\"\n", name, name)
	}
	resolver := &slowly{Exchanger: lookuptest.New(t, zone.String())}
	var servers gauge
	addr := recordstest.Start(t, "127.0.0.1", 0, func(q *dns.Msg, _ bool) (m *dns.Msg) {
		servers.during(func() {
			time.Sleep(200 * time.Microsecond)
			m = new(dns.Msg).SetReply(q)
			m.Authoritative = true
		})
		return m
	})
	env := asking(addr)
	env.Resolver = resolver
	env.Authority = records.New(records.Options{Authoritative: []string{addr}})
	env.Lists = []blocklist.List{{Zone: "list.test", Kind: blocklist.Domain, Listed: "2.0.0.127", Free: "1.0.0.127"}}
	r := Run(t.Context(), env, Subject{Hostname: "mail.test", Addresses: []netip.Addr{ours()[0]}, Pairs: from(names...), Keys: keys})
	if n := resolver.most.Load(); n > defaultParallel || n < defaultParallel/2 {
		t.Errorf("%d questions at the resolver at a time, want up to %d", n, defaultParallel)
	}
	if n := servers.most.Load(); n > authorities || n < 2 {
		t.Errorf("%d questions at the servers of zones at a time, want up to %d", n, authorities)
	}
	if got := len(only(r.Findings, "dkim")); got < count {
		t.Errorf("%d findings about keys", got)
	}
}
