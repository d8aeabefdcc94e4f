package domains

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pratique/integration/harness"
	"pratique/lint"
)

// zone has every kind of domain below test, which has no DMARC record itself.
const zone = `$TTL 60
@ IN SOA ns hostmaster 1 60 60 60 60
  IN NS ns
ns IN A 127.0.0.1
good      IN MX 10 mail.good
mail.good IN A 192.0.2.25
good      IN TXT "v=spf1 ip4:192.0.2.25 ip6:2001:db8::/32 -all"
_dmarc.good IN TXT "v=DMARC1; p=none"
deep.er.good IN A 192.0.2.1
a.b.c.d.e.f.g.h.good IN A 192.0.2.1
address   IN AAAA 2001:db8::1
text      IN TXT "only text"
_dmarc.text IN TXT "v=spf1 -all"
eleven    IN TXT "v=spf1 a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test a:m1.test -all"
m1        IN A 192.0.2.25
void      IN TXT "v=spf1 a:n1.test a:n2.test a:n3.test -all"
twice     IN TXT "v=spf1 -all"
twice     IN TXT "v=spf1 +all"
broken    IN TXT "v=spf1 ip4:192.0.2 -all"
open      IN TXT "v=spf1 +all"
`

// zoned is a zone that has nothing but itself.
const zoned = `$TTL 60
@ IN SOA ns.test. hostmaster.test. 1 60 60 60 60
  IN NS ns.test.
`

func egress() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.0.2.25"), netip.MustParseAddr("2001:db8::25")}
}

// serve starts a real nsd with the zone and returns a resolver that asks it.
func serve(t *testing.T) *net.Resolver {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: map[string]string{"test": zone, "zoned.test": zoned}})
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nsd.Close() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, nsd.Addr())
	}}
}

func TestDomains(t *testing.T) {
	d := New(Options{Resolver: serve(t), Egress: egress(), Hostname: "mail.good.test", Wait: 10 * time.Second, Clock: time.Now})
	both := egress()
	for _, c := range []struct {
		from, sender string
		want         lint.DomainFacts
	}{
		{"good.test", "ann@good.test", lint.DomainFacts{}},
		{"GOOD.test", "ann@Good.Test.", lint.DomainFacts{}},
		{"deep.er.good.test", "", lint.DomainFacts{}},
		{"a.b.c.d.e.f.g.h.good.test", "", lint.DomainFacts{}},
		{"address.test", "", lint.DomainFacts{NoDMARC: true}},
		{"zoned.test", "", lint.DomainFacts{NoDMARC: true}},
		{"text.test", "", lint.DomainFacts{FromMissing: true, NoDMARC: true}},
		{"none.test", "", lint.DomainFacts{FromMissing: true, NoDMARC: true}},
		{"", "ann@none.test", lint.DomainFacts{Uncovered: both}},
		{"", "ann@eleven.test", lint.DomainFacts{Uncovered: egress()[1:], SPFProblem: "lookup limit reached"}},
		{"", "ann@void.test", lint.DomainFacts{Uncovered: both, SPFProblem: "void lookup limit reached"}},
		{"", "ann@twice.test", lint.DomainFacts{Uncovered: both, SPFProblem: "multiple matching DNS records"}},
		{"", "ann@broken.test", lint.DomainFacts{Uncovered: both, SPFProblem: "invalid ipX value"}},
		{"", "ann@open.test", lint.DomainFacts{}},
		{"", "", lint.DomainFacts{}},
		{"localhost", "root@localhost", lint.DomainFacts{}},
		{"[192.0.2.1]", "ann@[192.0.2.1]", lint.DomainFacts{}},
		{"192.0.2.1", "ann@192.0.2.1", lint.DomainFacts{}},
		{strings.Repeat("a", 300) + ".test", "x@-.test", lint.DomainFacts{}},
	} {
		got := d.Ask(c.from, c.sender)(context.Background())
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("From %q, sender %q: %+v, want %+v", c.from, c.sender, got, c.want)
		}
	}
}

// resolver is a Resolver that answers what ask says to every question.
type resolver struct {
	asked atomic.Int32
	ask   func(ctx context.Context) error
}

func (r *resolver) question(ctx context.Context) error { r.asked.Add(1); return r.ask(ctx) }

func (r *resolver) LookupTXT(ctx context.Context, _ string) ([]string, error) {
	return nil, r.question(ctx)
}
func (r *resolver) LookupMX(ctx context.Context, _ string) ([]*net.MX, error) {
	return nil, r.question(ctx)
}
func (r *resolver) LookupIPAddr(ctx context.Context, _ string) ([]net.IPAddr, error) {
	return nil, r.question(ctx)
}
func (r *resolver) LookupAddr(ctx context.Context, _ string) ([]string, error) {
	return nil, r.question(ctx)
}
func (r *resolver) LookupNS(ctx context.Context, _ string) ([]*net.NS, error) {
	return nil, r.question(ctx)
}

func notFound(context.Context) error { return &net.DNSError{IsNotFound: true} }

// TestADeadResolver holds that one message waits, at most, and none is blamed.
func TestADeadResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var healed atomic.Bool
		r := &resolver{ask: func(ctx context.Context) error {
			if healed.Load() {
				return notFound(ctx)
			}
			<-ctx.Done()
			return ctx.Err()
		}}
		d := New(Options{Resolver: r, Egress: egress(), Wait: time.Second, Clock: time.Now})
		begin := time.Now()
		for i := range 50 {
			facts := d.Ask(fmt.Sprintf("d%d.example", i), fmt.Sprintf("ann@d%d.example", i))(context.Background())
			if !reflect.DeepEqual(facts, lint.DomainFacts{}) {
				t.Fatalf("message %d: %+v", i, facts)
			}
		}
		if waited := time.Since(begin); waited != time.Second {
			t.Errorf("50 messages waited %v, want one of them 1s", waited)
		}
		if n := r.asked.Load(); n > maxQuestions {
			t.Errorf("%d questions under way, at most %d", n, maxQuestions)
		}
		time.Sleep(patience + time.Second)
		healed.Store(true)
		d.Ask("other.example", "")(context.Background())
		synctest.Wait()
		if facts := d.Ask("other.example", "")(context.Background()); !facts.FromMissing {
			t.Error("a resolver that answers again is not believed")
		}
	})
}

func TestAFailingResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, failure := range []error{&net.DNSError{IsTemporary: true}, &net.DNSError{IsTimeout: true}, errors.New("misbehaving"), &net.DNSError{Err: "server misbehaving"}} {
			r := &resolver{ask: func(context.Context) error { return failure }}
			d := New(Options{Resolver: r, Wait: time.Second, Clock: time.Now})
			if facts := d.Ask("x.example", "ann@x.example")(context.Background()); facts.FromMissing || facts.NoDMARC {
				t.Errorf("%v: %+v", failure, facts)
			}
		}
	})
}

func TestAnswersAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &resolver{ask: notFound}
		d := New(Options{Resolver: r, Wait: time.Second, Clock: time.Now})
		ask := func() int32 {
			before := r.asked.Load()
			d.Ask("x.example", "")(context.Background())
			return r.asked.Load() - before
		}
		if n := ask(); n != 5 { // MX, address, NS; _dmarc of two names
			t.Errorf("%d questions, want 5", n)
		}
		time.Sleep(keepAnswer - time.Second)
		if n := ask(); n != 0 {
			t.Errorf("asked again %d times", n)
		}
		time.Sleep(2 * time.Second)
		if n := ask(); n != 5 {
			t.Errorf("%d questions after the answers went stale, want 5", n)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Options{Resolver: &resolver{ask: notFound}, Wait: time.Second, Clock: time.Now})
		for i := range 3 * maxKept {
			d.Ask(fmt.Sprintf("d%d.example", i), "")(context.Background())
		}
		if n := len(d.existence.young) + len(d.existence.old); n > maxKept || n < maxKept/2 {
			t.Errorf("%d answers are kept, at most %d", n, maxKept)
		}
	})
}
