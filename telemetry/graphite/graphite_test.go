package graphite

import (
	"bufio"
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func figures() *prometheus.Registry {
	r := prometheus.NewRegistry()
	messages := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pratique_messages_total", Help: "m"}, []string{"verdict", "check"})
	messages.WithLabelValues("accepted", "none").Add(3)
	messages.WithLabelValues("refused", "").Inc()
	findings := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "pratique_findings_total", Help: "f"}, []string{"rule"})
	findings.WithLabelValues("recipients per client in 1h; a.b\nx 1 2").Inc()
	took := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "pratique_took_seconds", Help: "t"})
	took.Observe(0.25)
	took.Observe(0.5)
	large := prometheus.NewGauge(prometheus.GaugeOpts{Name: "process_bytes", Help: "b"})
	large.Set(123456789012)
	odd := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "odd", Help: "o"}, func() float64 { var zero float64; return zero / zero })
	r.MustRegister(messages, findings, took, large, odd)
	return r
}

const lines = `mail.odd_host.findings_total.recipients_per_client_in_1h__a_b_x_1_2 1 1000
mail.odd_host.messages_total.none.accepted 3 1000
mail.odd_host.messages_total.none.refused 1 1000
mail.odd_host.process_bytes 123456789012 1000
mail.odd_host.took_seconds.count 2 1000
mail.odd_host.took_seconds.sum 0.75 1000
`

func newPusher(addr string) *Pusher {
	return &Pusher{Addr: addr, Prefix: "mail.odd_host", Every: 20 * time.Millisecond, Gatherer: figures(),
		Now: func() time.Time { return time.Unix(1000, 0) }, Log: slog.New(slog.DiscardHandler)}
}

// carbon is a listener that keeps what it is told.
type carbon struct {
	net.Listener
	mu   sync.Mutex
	text bytes.Buffer
}

func listen(t *testing.T, addr string) *carbon {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := &carbon{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for in := bufio.NewScanner(conn); in.Scan(); {
				c.mu.Lock()
				c.text.WriteString(in.Text() + "\n")
				c.mu.Unlock()
			}
			conn.Close()
		}
	}()
	return c
}

func (c *carbon) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestPush(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	if err := newPusher(c.Addr().String()).Push(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything arrives", func() bool { return len(c.String()) >= len(lines) })
	got := slices.Sorted(strings.Lines(c.String()))
	if want := slices.Collect(strings.Lines(lines)); !slices.Equal(got, want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A carbon that is away, and comes later; each is said once.
func TestRun(t *testing.T) {
	c := listen(t, "127.0.0.1:0")
	addr := c.Addr().String()
	c.Close()
	p := newPusher(addr)
	var log bytes.Buffer
	p.Log = slog.New(slog.NewTextHandler(&log, nil))
	var mu sync.Mutex
	ok, failed := 0, 0
	p.Sent = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failed++
		} else {
			ok++
		}
	}
	count := func(n *int, least int) func() bool {
		return func() bool { mu.Lock(); defer mu.Unlock(); return *n >= least }
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.Run(ctx); close(done) }()
	eventually(t, "it fails a few times", count(&failed, 3))
	listen(t, addr)
	eventually(t, "it works", count(&ok, 3))
	before := ok
	cancel()
	<-done
	if ok <= before {
		t.Error("the last figures were not sent")
	}
	text := log.String()
	if strings.Count(text, "can't be sent") != 1 || strings.Count(text, "sent to graphite again") != 1 {
		t.Errorf("log:\n%s", text)
	}
}

// A carbon that accepts and reads nothing holds nobody up for longer than its bound.
func TestAStalledCarbon(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := newPusher(l.Addr().String())
	many := prometheus.NewRegistry()
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "many", Help: "m"}, []string{"n"})
	for i := range 100_000 { // more than the kernel buffers
		vec.WithLabelValues(strings.Repeat("x", 60) + string(rune('a'+i%26)) + time.Unix(int64(i), 0).UTC().Format("20060102150405")).Set(1)
	}
	many.MustRegister(vec)
	p.Gatherer = many
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := p.Push(ctx); err == nil {
		t.Error("it was sent to nobody, without an error")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
