package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"pratique/integration/harness"
	"pratique/rates"
)

// startRedis starts a redis-server that ends with the test.
func startRedis(t testing.TB, args ...string) *harness.Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r, err := harness.StartRedis(t.Context(), dir, args...)
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func socketURL(r *harness.Redis) string { return "unix://" + r.Socket() }

// admin is a client of the test's own, which waits as long as it takes.
func admin(t testing.TB, r *harness.Redis) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Network: "unix", Addr: r.Socket(), Protocol: 2})
	t.Cleanup(func() { c.Close() })
	return c
}

// events collects what an instance tells.
type events struct {
	mu         sync.Mutex
	away, back int
	text       string
}

func (e *events) told() (away, back int, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.away, e.back, e.text
}

func (e *events) events() Events {
	return Events{
		Away: func(text string) { e.mu.Lock(); e.away++; e.text = text; e.mu.Unlock() },
		Back: func() { e.mu.Lock(); e.back++; e.mu.Unlock() },
	}
}

type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

var hourly = Window{Kind: rates.PerClient, Count: rates.CountMessages, Every: 3600}

// options are those of an instance in a test.
func options(url, name string) Options {
	return Options{
		URL: url, Prefix: "test", Name: name, Timeout: 3 * time.Second, // a busy machine is not to look like a Redis that is away
		Windows: []Window{hourly},
		Now:     time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// impatient is for tests of what happens when Redis does not answer in time.
func impatient(o *Options) { o.Timeout = 200 * time.Millisecond }

// openCounts opens an instance that ends with the test, unless the test ended it.
func openCounts(t testing.TB, opts Options) *Counts {
	t.Helper()
	c, err := open(opts, pace{retry: 50 * time.Millisecond, greet: 200 * time.Millisecond, away: 300 * time.Millisecond}, newScripts(windowsLua))
	if err != nil {
		t.Fatal(err)
	}
	c.begin(t.Context())
	t.Cleanup(func() { c.Close() })
	return c
}

// kill ends an instance that says no more.
func kill(c *Counts) {
	c.once.Do(func() {
		c.stop()
		c.done.Wait()
		c.client.Close()
	})
}

// one asks for one message of a client under a limit.
func one(key string, most uint64) []Ask {
	return []Ask{{Window: hourly, Key: key, Since: Never, Amount: 1, Bounds: []Bound{{Max: most, Refuses: true}}}}
}

// took is a message of that client that left.
func took(key string, n uint64) []Counted { return []Counted{{Window: hourly, Key: key, Amount: n}} }

// send sends one message, and reports whether it was let through.
func send(c *Counts, key string, most uint64) (bool, error) {
	p, _, err := c.Reserve(context.Background(), one(key, most))
	if err != nil || p == nil {
		return false, err
	}
	c.Settle([]*Place{p}, took(key, 1))
	return true, nil
}

// used asks for what Redis has of a key, without taking anything.
func used(t testing.TB, c *Counts, key string) uint64 {
	t.Helper()
	_, answers, err := c.Reserve(t.Context(), []Ask{{Window: hourly, Key: key, Since: Never, Amount: 1, Bounds: []Bound{{Max: 0, Refuses: true}}}})
	if err != nil {
		t.Fatal(err)
	}
	return answers[0].Used
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// settled waits until Redis knows everything that an instance does.
func settled(t testing.TB, all ...*Counts) {
	t.Helper()
	for _, c := range all {
		eventually(t, "everything is told", func() bool { return c.Joined() && c.Backlog() == 0 && !c.telling.Load() })
	}
}

// wantWhole fails if the sums in Redis are not those of the cells, or anything is
// reserved that should not be.
func wantWhole(t testing.TB, client *goredis.Client, reserved bool) {
	t.Helper()
	keys, err := client.Keys(context.Background(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if ttl := client.TTL(context.Background(), key).Val(); ttl <= 0 && !strings.HasSuffix(key, ":clock") {
			t.Errorf("%s never goes", key)
		}
		if !strings.Contains(key, ":messages:") && !strings.Contains(key, ":recipients:") && !strings.Contains(key, ":bytes:") {
			continue
		}
		var sums [2]int64
		fields := client.HGetAll(context.Background(), key).Val()
		for field, value := range fields {
			var n int64
			fmt.Sscan(value, &n)
			switch field[0] {
			case 'c':
				sums[0] += n
			case 'p':
				sums[1] += n
			}
			if n < 0 || n == 0 && field[0] == 'p' {
				t.Errorf("%s %s is %d", key, field, n)
			}
		}
		for i, field := range []string{"s", "r"} {
			var sum int64
			fmt.Sscan(fields[field], &sum)
			if sum != sums[i] {
				t.Errorf("%s %s is %d, its cells have %d", key, field, sum, sums[i])
			}
		}
		if r := fields["r"]; !reserved && r != "" && r != "0" {
			t.Errorf("%s has %s reserved", key, r)
		}
	}
}
