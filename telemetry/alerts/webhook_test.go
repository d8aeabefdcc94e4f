package alerts

import (
	"context"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is what a webhook got.
type request struct {
	header http.Header
	body   []byte
}

// hook is a webhook that keeps what it gets and answers what the test says.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	got    []request
	answer func(w http.ResponseWriter, n int) // of the n-th request, from 1
}

func newHook(t *testing.T, answer func(w http.ResponseWriter, n int)) *hook {
	h := &hook{answer: answer}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.got = append(h.got, request{r.Header, body})
		n := len(h.got)
		h.mu.Unlock()
		h.answer(w, n)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) requests() []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]request(nil), h.got...)
}

func status(code int) func(http.ResponseWriter, int) {
	return func(w http.ResponseWriter, _ int) { w.WriteHeader(code) }
}

// deliveries counts what the metrics are told.
type deliveries struct {
	mu     sync.Mutex
	counts map[string]int
}

func (d *deliveries) AlertsActive(map[[2]string]int) {}

func (d *deliveries) AlertDelivery(channel string, r Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts == nil {
		d.counts = map[string]int{}
	}
	d.counts[channel+" "+string(r)]++
}

func (d *deliveries) of(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.counts[what]
}

// running starts a manager whose channels try again at once.
func running(t *testing.T, o Options) (*Manager, *deliveries) {
	t.Helper()
	d := &deliveries{}
	env := Env{Hostname: "mail.example.org", Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: d, Seal: NewSeal("", time.Now)}
	m := Open(Options{Repeat: time.Hour, PerMinute: 10}, env)
	m.opts = o
	for _, c := range newChannels(o, m) {
		c.wait = time.Millisecond
		m.channels = append(m.channels, c)
		c.start(nil)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var loop sync.WaitGroup
	loop.Go(func() { m.Run(ctx) })
	t.Cleanup(func() { cancel(); loop.Wait() })
	return m, d
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func hookOptions(url string) Options {
	o := DefaultOptions()
	o.Log = false
	o.Webhook = Webhook{URL: url, Secret: "shared", Timeout: 5 * time.Second}
	return o
}

func TestWebhook(t *testing.T) {
	h := newHook(t, func(w http.ResponseWriter, n int) {
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	m, d := running(t, hookOptions(h.URL+"/hook"))
	a := Alert{Name: "rate_spike", Subject: "client 10.0.0.1", Severity: Critical, Text: "900 messages in 10 minutes, 12 are usual", Value: 900, Threshold: 60}
	m.Raise(a)
	await(t, "the delivery", func() bool { return d.of("webhook delivered") == 1 })

	got := h.requests()
	if len(got) != 3 || d.of("webhook retried") != 2 || d.of("webhook failed") != 0 {
		t.Fatalf("%d requests, %v", len(got), d.counts)
	}
	for _, r := range got {
		if r.header.Get(headerID) == "" || r.header.Get(headerID) != got[0].header.Get(headerID) {
			t.Error("an attempt has another id")
		}
		want := hex.EncodeToString(Sign("shared", r.header.Get(headerTime), r.body))
		if signature := strings.TrimPrefix(r.header.Get(headerSignature), "sha256="); !hmac.Equal([]byte(signature), []byte(want)) {
			t.Errorf("signature %q, want %q", signature, want)
		}
		var n Notification
		if err := json.Unmarshal(r.body, &n); err != nil {
			t.Fatal(err)
		}
		if n.Version != 1 || n.Host != "mail.example.org" || len(n.Alerts) != 1 || n.Alerts[0].State != Firing || !reflect.DeepEqual(n.Alerts[0].Alert, a) {
			t.Errorf("%s", r.body)
		}
	}
}

// TestSignature holds the signature to figures that were computed with openssl:
// printf '1764300000.{"a":1}' | openssl dgst -sha256 -hmac shared
func TestSignature(t *testing.T) {
	const want = "7376240bdb59560041b2ac2ccfcc641aa8f806c0dea49e6fb30974ffd8cbd577"
	if got := hex.EncodeToString(Sign("shared", "1764300000", []byte(`{"a":1}`))); got != want {
		t.Errorf("got %s", got)
	}
}

func TestWebhookAnswers(t *testing.T) {
	for code, wantPermanent := range map[int]bool{400: true, 401: true, 404: true, 410: true, 302: true, 408: false, 429: false, 500: false, 503: false} {
		h := newHook(t, status(code))
		err := post(hookOptions(h.URL).Webhook, Env{Now: time.Now})(t.Context(), Notification{})
		if err == nil || errors.As(err, new(*permanent)) != wantPermanent {
			t.Errorf("%d: %v", code, err)
		}
	}
	h := newHook(t, func(w http.ResponseWriter, _ int) {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(429)
	})
	err := post(hookOptions(h.URL).Webhook, Env{Now: time.Now})(t.Context(), Notification{})
	if got := wish(err, time.Second); got != 30*time.Second {
		t.Errorf("waits %v", got)
	}
}

func TestWebhookThatHangs(t *testing.T) {
	release := make(chan struct{})
	h := newHook(t, func(http.ResponseWriter, int) { <-release })
	defer close(release)
	o := hookOptions(h.URL + "/secret-path")
	o.Webhook.Timeout = 50 * time.Millisecond
	err := post(o.Webhook, Env{Now: time.Now})(t.Context(), Notification{})
	if err == nil || strings.Contains(err.Error(), "secret-path") {
		t.Errorf("%v", err)
	}
}

// TestABrokenChannelIsToldByTheOthers, and never by itself.
func TestABrokenChannelIsToldByTheOthers(t *testing.T) {
	works := newHook(t, status(200))
	broken := newHook(t, status(404))
	m, d := running(t, hookOptions(broken.URL))
	other := &channel{name: "other", deliver: post(hookOptions(works.URL).Webhook, m.env), manager: m, wait: time.Millisecond,
		more: make(chan struct{}, 1), done: make(chan struct{})}
	other.start(nil)
	m.mu.Lock()
	m.channels = append(m.channels, other)
	m.mu.Unlock()
	m.Raise(drop("a"))
	await(t, "the other's second delivery", func() bool { return d.of("other delivered") == 2 })
	time.Sleep(50 * time.Millisecond)
	if got := len(broken.requests()); got != 1 {
		t.Errorf("the broken one got %d", got)
	}
	if last := works.requests()[1]; !strings.Contains(string(last.body), `"name":"alert_delivery_failing","subject":"webhook"`) {
		t.Errorf("%s", last.body)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	release := make(chan struct{})
	h := newHook(t, func(http.ResponseWriter, int) { <-release })
	m, d := running(t, hookOptions(h.URL))
	c := m.channels[0]
	for range 3 * maxQueue {
		c.offer(Notification{Alerts: []Event{{State: Firing}}})
	}
	if got := len(c.waiting()); got != maxQueue {
		t.Errorf("%d wait", got)
	}
	if got := d.of("webhook failed"); got != 2*maxQueue {
		t.Errorf("%d were given up", got)
	}
	close(release)
}
