package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pratique/integration/harness"
	"pratique/lint"
	"pratique/message"
	"pratique/rates"
	"pratique/signing"
)

// chunkSize is what MTAs send at once.
const chunkSize = 65535

// BenchmarkPipeline is the daemon's work for a message without the sockets: for
// profiles, and to see what a check costs.
func BenchmarkPipeline(b *testing.B) {
	keys, err := harness.NewKeys(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	rsaOnly := signing.Key{Selector: harness.RSASelector, File: keys.RSAFile}
	ed25519 := signing.Key{Selector: harness.Ed25519Selector, File: keys.Ed25519File}
	for _, c := range []struct {
		name  string
		links []message.Link
	}{
		{"lint", []message.Link{linter(b)}},
		{"rates", []message.Link{counter(b)}},
		{"signing-RSA", []message.Link{signer(b, rsaOnly)}},
		{"signing-RSA-Ed25519", []message.Link{signer(b, rsaOnly, ed25519)}},
		{"all", []message.Link{counter(b), linter(b), signer(b, rsaOnly)}},
	} {
		chain := message.NewChain(c.links...)
		for _, size := range []int{2 << 10, 50 << 10, 1 << 20, 25 << 20} {
			b.Run(c.name+"/"+sizeName(size), func(b *testing.B) { benchmarkChain(b, chain, size) })
		}
	}
}

func benchmarkChain(b *testing.B, chain *message.Chain, size int) {
	letters := newStationery(size, new(atomic.Uint64))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	before := cpuOfThisProcess(b)
	for b.Loop() {
		mail := letters.next()
		m := &message.Message{
			Client: message.Client{Addr: netip.MustParseAddr("127.0.0.1")}, Sender: mail.From, Recipients: []message.Recipient{{Addr: recipient}},
		}
		for _, f := range mail.Header {
			if err := m.Header.Receive(message.NewField(f.Name, f.Value)); err != nil {
				b.Fatal(err)
			}
		}
		if err := converse(chain, m, mail.Body); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuOfThisProcess(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpuOfThisProcess tells more than the clock on a machine that others use too.
func cpuOfThisProcess(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func converse(chain *message.Chain, m *message.Message, body []byte) error {
	inspector, err := chain.Begin(context.Background(), m)
	if err != nil {
		return err
	}
	defer inspector.Close()
	if err := inspector.Header(); err != nil {
		return err
	}
	for len(body) > 0 {
		n := min(len(body), chunkSize)
		if _, err := inspector.Write(body[:n]); err != nil {
			return err
		}
		body = body[n:]
	}
	return inspector.End()
}

func linter(b *testing.B) message.Link {
	o := lint.DefaultOptions()
	o.MaxSize = 100 << 20
	l, err := lint.New(o, lint.Env{Clock: time.Now, Hostname: "mail.example.org", Random: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	return message.Link{Check: l}
}

func counter(b *testing.B) message.Link {
	store, err := rates.Open(context.Background(), b.TempDir(), time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { store.Close() })
	r, err := rates.New(store, nil, rates.DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	return message.Link{Check: r}
}

func signer(b *testing.B, keys ...signing.Key) message.Link {
	o := signing.DefaultOptions()
	o.Domains = []signing.Domain{{Domain: "example.org", Keys: keys}}
	s, err := signing.New(o, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	return message.Link{Check: s}
}
