package redis

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/rates"
)

// book is what an instance has counted itself, as a rates.Store has it.
type book struct {
	mu   sync.Mutex
	left []time.Time
}

func (b *book) count() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left = append(b.left, time.Now())
}

func (b *book) past(seconds int64, each func(rates.Past)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, at := range b.left {
		if age := int64(time.Since(at) / time.Second); age <= seconds {
			each(rates.Past{Kind: rates.PerClient, Key: "k", Age: age, Left: rates.Amounts{Messages: 1}})
		}
	}
}

// instance is one with counts of its own.
type instance struct {
	*Counts
	book
}

func openInstance(t testing.TB, url, name string, change ...func(*Options)) *instance {
	i := &instance{}
	opts := options(url, name)
	opts.History = i.past
	for _, c := range change {
		c(&opts)
	}
	i.Counts = openCounts(t, opts)
	return i
}

// send lets a message through whatever Redis says, and reports how long it took.
func (i *instance) send(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	p, _, err := i.Reserve(t.Context(), one("k", 1<<40))
	took1 := time.Since(began)
	var places []*Place
	if err == nil {
		places = []*Place{p}
	}
	i.count()
	i.Settle(places, took("k", 1))
	return took1
}

// A Redis that dies loses what it had, all or since it last wrote to disk: everybody tells it again, once.
func TestRedisDies(t *testing.T) {
	t.Parallel()
	for name, snapshot := range map[string]bool{"everything lost": false, "an old state": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRedis(t)
			a, b := openInstance(t, socketURL(r), "a"), openInstance(t, socketURL(r), "b")
			for range 10 {
				a.send(t)
				b.send(t)
			}
			settled(t, a.Counts, b.Counts)
			if snapshot {
				// What is older than three seconds is not told again.
				sent := time.Now().Unix()
				eventually(t, "both are known to have told everything", func() bool {
					return through(t, r, "a") > sent+2 && through(t, r, "b") > sent+2
				})
				if err := admin(t, r).Save(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1100 * time.Millisecond)
			}
			for range 5 {
				a.send(t)
			}
			settled(t, a.Counts)
			if err := r.Kill(); err != nil {
				t.Fatal(err)
			}
			r.Close()
			for range 7 {
				if took := b.send(t); took > time.Second {
					t.Errorf("a message waited %v", took)
				}
			}
			eventually(t, "both notice", func() bool { return !a.Joined() && !b.Joined() })
			a.send(t)
			if err := r.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			settled(t, a.Counts, b.Counts)
			if n := used(t, a.Counts, "k"); n != 33 {
				t.Errorf("%d are counted", n)
			}
			wantWhole(t, admin(t, r), false)
		})
	}
}

// through is until when an instance has told everything.
func through(t testing.TB, r *harness.Redis, name string) int64 {
	n, err := admin(t, r).HGet(t.Context(), "test:{counts}:instance:"+name, "through").Int64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Somebody may empty it while it runs.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	a, b := openInstance(t, socketURL(r), "a"), openInstance(t, socketURL(r), "b")
	for range 10 {
		a.send(t)
		b.send(t)
	}
	settled(t, a.Counts, b.Counts)
	if err := admin(t, r).FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Reserve(t.Context(), one("k", 1)); err == nil {
		t.Error("an empty Redis was believed")
	}
	settled(t, a.Counts)
	eventually(t, "the other one tells its part", func() bool { return a.Joined() && used(t, a.Counts, "k") == 20 })
}

// A Redis that does not answer costs one wait, and then nothing. What it was sent before
// it stopped, and does later, is not counted twice.
func TestRedisStalls(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	var e events
	a := openInstance(t, socketURL(r), "a", impatient, func(o *Options) { o.Events = e.events() })
	b := openInstance(t, socketURL(r), "b", impatient)
	for range 10 {
		a.send(t)
	}
	settled(t, a.Counts)
	if err := r.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer r.Signal(syscall.SIGCONT)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if took := a.send(t); took > time.Second {
				t.Errorf("a message waited %v", took)
			}
		})
	}
	wg.Wait()
	began := time.Now()
	for range 100 {
		a.send(t)
	}
	if took := time.Since(began); took > 300*time.Millisecond {
		t.Errorf("100 messages took %v", took)
	}
	eventually(t, "it is told that Redis is away", func() bool { away, _, _ := e.told(); return away > 0 })
	b.send(t)
	if err := r.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	settled(t, a.Counts, b.Counts)
	eventually(t, "nothing is reserved", func() bool { return b.Joined() && used(t, b.Counts, "k") == 131 })
	time.Sleep(100 * time.Millisecond)
	if n := used(t, a.Counts, "k"); n != 131 {
		t.Errorf("%d are counted", n)
	}
	if away, back, text := e.told(); away == 0 || back != 1 || !strings.Contains(text, "timeout") {
		t.Errorf("told %d times that it is away, %d that it is back: %s", away, back, text)
	}
	eventually(t, "the books are whole", func() bool { return a.Backlog()+b.Backlog() == 0 })
	wantWhole(t, admin(t, r), false)
}

// wire is a connection to Redis that can be cut, slowed, and made to lose answers.
type wire struct {
	listener net.Listener
	server   string
	mu       sync.Mutex
	open     map[net.Conn]bool
	cut      atomic.Bool
	delay    atomic.Int64
	swallow  atomic.Bool // nothing of what Redis answers arrives, and the connection ends
}

func startWire(t *testing.T, r *harness.Redis) *wire {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, server: r.Socket(), open: map[net.Conn]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(conn)
		}
	}()
	t.Cleanup(func() { l.Close(); w.hangUp() })
	return w
}

func (w *wire) url() string { return "redis://" + w.listener.Addr().String() }

func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.open {
		conn.Close()
	}
}

func (w *wire) serve(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("unix", w.server)
	if err != nil || w.cut.Load() {
		return
	}
	defer server.Close()
	w.mu.Lock()
	w.open[conn] = true
	w.mu.Unlock()
	go func() {
		io.Copy(server, conn)
		server.(*net.UnixConn).CloseWrite()
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil || w.swallow.Load() {
			return
		}
		time.Sleep(time.Duration(w.delay.Load()))
		if _, err := conn.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func TestTheNetworkIsCut(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	w := startWire(t, r)
	a, b := openInstance(t, w.url(), "a"), openInstance(t, socketURL(r), "b")
	a.send(t)
	settled(t, a.Counts)
	w.cut.Store(true)
	w.hangUp()
	for range 10 {
		a.send(t)
		b.send(t)
	}
	settled(t, b.Counts)
	if n := used(t, b.Counts, "k"); n != 11 {
		t.Errorf("the other one counts %d", n)
	}
	w.cut.Store(false)
	settled(t, a.Counts)
	if n := used(t, b.Counts, "k"); n != 21 {
		t.Errorf("after it %d are counted", n)
	}
	wantWhole(t, admin(t, r), false)
}

// Redis does it, and the answer is lost: it must not be done again.
func TestAnswersAreLost(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	w := startWire(t, r)
	a, b := openInstance(t, w.url(), "a"), openInstance(t, socketURL(r), "b")
	for range 5 {
		p, _, err := a.Reserve(t.Context(), one("k", 1<<40))
		if err != nil {
			t.Fatal(err)
		}
		w.swallow.Store(true)
		a.count()
		a.Settle([]*Place{p}, took("k", 1))
		eventually(t, "the batch is lost", func() bool { return !a.Joined() })
		w.swallow.Store(false)
		settled(t, a.Counts)
		w.swallow.Store(true)
		a.send(t) // its reservation is lost
		w.swallow.Store(false)
		settled(t, a.Counts)
	}
	eventually(t, "every message is counted once, and nothing is reserved", func() bool {
		return b.Joined() && used(t, b.Counts, "k") == 10
	})
	settled(t, a.Counts)
	wantWhole(t, admin(t, r), false)
}

func TestRedisIsSlow(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	w := startWire(t, r)
	a := openInstance(t, w.url(), "a", func(o *Options) { o.Timeout = time.Second })
	w.delay.Store(int64(50 * time.Millisecond))
	for range 3 {
		if took := a.send(t); took < 50*time.Millisecond || took > time.Second {
			t.Errorf("a message waited %v", took)
		}
	}
	if !a.Joined() {
		t.Error("a Redis that is slow, but in time, was left")
	}
	w.delay.Store(int64(3 * time.Second))
	if took := a.send(t); took > 2*time.Second {
		t.Errorf("a message waited %v", took)
	}
	if a.Joined() {
		t.Error("a Redis that answers too late is still asked")
	}
	w.delay.Store(0)
	settled(t, a.Counts)
	eventually(t, "everything is counted once", func() bool { return a.Joined() && used(t, a.Counts, "k") == 4 })
}

// With no memory left Redis refuses to write; nothing is half done.
func TestRedisIsFull(t *testing.T) {
	t.Parallel()
	r := startRedis(t, "--maxmemory-policy", "noeviction")
	a := openInstance(t, socketURL(r), "a")
	for range 3 {
		a.send(t)
	}
	settled(t, a.Counts)
	client := admin(t, r)
	if err := client.ConfigSet(t.Context(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	_, _, err := a.Reserve(t.Context(), one("k", 1<<40))
	if err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("error %v", err)
	}
	for range 4 {
		a.send(t)
	}
	time.Sleep(5 * a.pace.retry)
	if a.Joined() {
		t.Error("a Redis that can't write is asked")
	}
	if err := client.ConfigSet(t.Context(), "maxmemory", "0").Err(); err != nil {
		t.Fatal(err)
	}
	settled(t, a.Counts)
	if n := used(t, a.Counts, "k"); n != 7 {
		t.Errorf("%d are counted", n)
	}
	wantWhole(t, client, false)
}

// Open waits for nobody.
func TestRedisComesLater(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	a := openInstance(t, "unix://"+dir+"/redis.sock", "a")
	if took := time.Since(began); took > time.Second {
		t.Errorf("the start took %v", took)
	}
	a.send(t)
	r, err := harness.StartRedis(context.Background(), dir)
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	settled(t, a.Counts)
	if n := used(t, a.Counts, "k"); n != 1 {
		t.Errorf("%d are counted", n)
	}
}
