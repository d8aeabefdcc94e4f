//go:build unix

package signing

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"pratique/message"
)

const benchHeader = "From: Example <sender@example.org>\r\nTo: recipient@example.net\r\nSubject: a message of some size\r\n" +
	"Date: Tue, 3 Feb 2026 04:05:06 +0000\r\nMessage-ID: <bench@example.org>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=\"frontier\"\r\n"

// attachment is base64 in lines of 76, which most octets of mail are.
func attachment(size int) []byte {
	line := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x5a, 0xa5, 0x42}, 19)) + "\r\n"
	return []byte(strings.Repeat(line, size/len(line)+1)[:size-2] + "\r\n")
}

// prose is text as people write it; every seventh line has two spaces in a row.
func prose(size int) []byte {
	line := "It was a bright cold day in April, and the clocks were striking thirteen.\r\n"
	text := strings.Repeat(line, 6) + "He walked on.  It was windy, and he was late for all that.\r\n"
	return []byte(strings.Repeat(text, size/len(text)+1)[:size-2] + "\r\n")
}

var benchBodies = []struct {
	name string
	body []byte
}{
	{"2KiB", prose(2 << 10)},
	{"1MiB", attachment(1 << 20)},
	{"25MiB", attachment(25 << 20)},
	{"25MiB_prose", prose(25 << 20)},
	{"25MiB_CRLF", bytes.Repeat(crlf, 25<<19)},
}

// chunkSize is the largest that an MTA sends (MILTER_CHUNK_SIZE).
const chunkSize = 65535

func BenchmarkSigner(b *testing.B) {
	id := example(b)
	rsaOnly := id
	rsaOnly.opts.Domains = []Domain{{Domain: "example.org", Keys: id.opts.Domains[0].Keys[:1]}}
	backend := rsaBackend(slog.New(slog.DiscardHandler))
	for _, size := range benchBodies {
		b.Run(size.name+"/RSA", func(b *testing.B) { benchSigner(b, rsaOnly.signer(b, backend), size.body) })
		b.Run(size.name+"/both", func(b *testing.B) { benchSigner(b, id.signer(b, backend), size.body) })
	}
}

// BenchmarkRest is what the signer costs a message beside the private key operation.
func BenchmarkRest(b *testing.B) {
	id := example(b)
	id.opts.Domains = []Domain{{Domain: "example.org", Keys: id.opts.Domains[0].Keys[:1]}}
	for _, size := range benchBodies[:2] {
		b.Run(size.name, func(b *testing.B) { benchSigner(b, id.signer(b, &replayed{}), size.body) })
	}
}

// replayed gives the first signature again and again.
type replayed struct {
	goRSA
	first []byte
}

func (r *replayed) load(key *rsa.PrivateKey) (signFunc, error) {
	return func(digest []byte) (_ []byte, err error) {
		if r.first == nil {
			r.first, err = rsaSignature(r.goRSA, key, digest)
		}
		return r.first, err
	}, nil
}

func benchSigner(b *testing.B, s *Signer, body []byte) {
	defer reportCPU(b, cpuTime())
	fields := strings.SplitAfter(benchHeader, "\r\n")
	var waits []time.Duration // of End
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		m := &message.Message{}
		for _, f := range fields[:len(fields)-1] {
			name, value, _ := strings.Cut(strings.TrimSuffix(f, "\r\n"), ":")
			if err := m.Header.Receive(message.NewField(name, value)); err != nil {
				b.Fatal(err)
			}
		}
		i, err := s.Begin(context.Background(), m)
		if err != nil {
			b.Fatal(err)
		}
		if err := i.Header(); err != nil {
			b.Fatal(err)
		}
		for rest := body; len(rest) > 0; {
			n := min(len(rest), chunkSize)
			if _, err := i.Write(rest[:n]); err != nil {
				b.Fatal(err)
			}
			rest = rest[n:]
		}
		ended := time.Now()
		if err := i.End(); err != nil {
			b.Fatal(err)
		}
		waits = append(waits, time.Since(ended))
		i.Close()
	}
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Microseconds()), "wait-µs")
}

// BenchmarkMsgauth is go-msgauth's signer on the same messages. On a body of
// CRLFs only it takes quadratic time, so that one is left out.
func BenchmarkMsgauth(b *testing.B) {
	keys := []crypto.Signer{newRSA(b), newEd25519(b)}
	for _, size := range benchBodies[:4] {
		text := append([]byte(benchHeader+"\r\n"), size.body...)
		b.Run(size.name+"/RSA", func(b *testing.B) { benchMsgauth(b, text, keys[:1]) })
		b.Run(size.name+"/both", func(b *testing.B) { benchMsgauth(b, text, keys) })
	}
}

func benchMsgauth(b *testing.B, text []byte, keys []crypto.Signer) {
	defer reportCPU(b, cpuTime())
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		for _, key := range keys {
			options := &dkim.SignOptions{
				Domain: "example.org", Selector: "s", Signer: key,
				HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
			}
			if err := dkim.Sign(io.Discard, bytes.NewReader(text), options); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// reportCPU reports the processor time since start for each operation: on a busy
// machine it says more than the clock.
func reportCPU(b *testing.B, start time.Duration) {
	b.ReportMetric(float64((cpuTime()-start).Microseconds())/float64(b.N), "cpu-µs/op")
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkSHA256 is the floor under every signer.
func BenchmarkSHA256(b *testing.B) {
	body := benchBodies[2].body
	b.SetBytes(int64(len(body)))
	defer reportCPU(b, cpuTime())
	for b.Loop() {
		sha256.Sum256(body)
	}
}

func BenchmarkCanonicalize(b *testing.B) {
	for _, relaxed := range []bool{true, false} {
		for _, size := range benchBodies[2:] {
			b.Run(algorithm(relaxed)+"/"+size.name, func(b *testing.B) {
				b.SetBytes(int64(len(size.body)))
				defer reportCPU(b, cpuTime())
				for b.Loop() {
					c := newBody(relaxed, io.Discard)
					for rest := size.body; len(rest) > 0; {
						n := min(len(rest), chunkSize)
						c.Write(rest[:n])
						rest = rest[n:]
					}
					c.finish()
				}
			})
		}
	}
}

// BenchmarkRSA compares the ways to one RSA-2048 signature.
func BenchmarkRSA(b *testing.B) {
	key := newRSA(b)
	digest := sha256.Sum256(nil)
	for _, backend := range testBackends(b) {
		sign, err := backend.load(key)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(backend.name(), func(b *testing.B) {
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				if _, err := sign(digest[:]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLoadRSA is what a key costs before its first signature.
func BenchmarkLoadRSA(b *testing.B) {
	der := x509.MarshalPKCS1PrivateKey(newRSA(b))
	for _, backend := range testBackends(b) {
		b.Run(backend.name(), func(b *testing.B) {
			for b.Loop() {
				var key *rsa.PrivateKey
				key, err := x509.ParsePKCS1PrivateKey(der)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := loadTested(key, backend); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
