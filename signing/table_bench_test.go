package signing

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// BenchmarkTable is a start with very many domains: table, keys and all. The first
// figure of a run that is not cached by the system depends on its disk.
func BenchmarkTable(b *testing.B) {
	for _, c := range []struct {
		name          string
		domains, keys int
	}{
		{"100000_domains/1_key", 100_000, 1},
		{"1000000_domains/1_key", 1_000_000, 1},
		{"100000_domains/100000_keys", 100_000, 100_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			writeKeys(b, dir, c.keys)
			opts := DefaultOptions()
			opts.Table = filepath.Join(dir, "signing.table")
			writeTable(b, opts.Table, c.domains, func(i int) string {
				return fmt.Sprintf("customer%d.example 2026a:%d.pem", i, i%c.keys)
			})
			backend := rsaBackend(slog.New(slog.DiscardHandler))
			before := heap()
			var s *Signer
			defer reportCPU(b, cpuTime())
			for b.Loop() {
				s = nil
				var err error
				if s, err = newSigner(opts, fixedClock, slog.New(slog.DiscardHandler), backend); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
			if len(s.table.exact) != c.domains || len(s.Broken()) > 0 {
				b.Fatalf("%d domains, %d broken", len(s.table.exact), len(s.Broken()))
			}
		})
	}
}

// heap returns the octets that are in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what the first one finds, the second one takes
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func writeTable(t testing.TB, file string, lines int, line func(i int) string) {
	t.Helper()
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	for i := range lines {
		fmt.Fprintln(w, line(i))
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// writeKeys writes so many different RSA keys of 2048 bits, 0.pem and on. To make
// 100,000 takes hours, but 450 primes have 100,000 products.
func writeKeys(t testing.TB, dir string, count int) {
	t.Helper()
	e := big.NewInt(usualExponent)
	one := big.NewInt(1)
	var primes []*big.Int
	for written := 0; written < count; {
		p, err := rand.Prime(rand.Reader, 1024)
		if err != nil {
			t.Fatal(err)
		}
		p1 := new(big.Int).Sub(p, one)
		for _, q := range primes {
			if written == count {
				break
			}
			key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: usualExponent}, Primes: []*big.Int{p, q}}
			q1 := new(big.Int).Sub(q, one)
			key.D = new(big.Int).ModInverse(e, new(big.Int).Mul(p1, q1))
			key.Precomputed = rsa.PrecomputedValues{Dp: new(big.Int).Mod(key.D, p1), Dq: new(big.Int).Mod(key.D, q1), Qinv: new(big.Int).ModInverse(q, p)}
			text := pem.EncodeToMemory(&pem.Block{Type: pkcs1Type, Bytes: x509.MarshalPKCS1PrivateKey(key)})
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.pem", written)), text, 0o600); err != nil {
				t.Fatal(err)
			}
			written++
		}
		primes = append(primes, p)
	}
}

// BenchmarkFind is a look-up: of a domain of its own, of one that a wildcard five
// labels up has, and of none.
func BenchmarkFind(b *testing.B) {
	for _, domains := range []int{1_000, 100_000, 1_000_000} {
		t := &table{exact: map[string]*entry{}, below: map[string]*entry{}}
		for i := range domains / 2 {
			name := fmt.Sprintf("customer%d.example", i)
			t.exact[name], t.below[name] = &entry{}, &entry{}
		}
		for _, c := range []struct {
			name, prefix string
			found        bool
		}{{"own", "customer", true}, {"wildcard", "a.b.c.d.e.customer", true}, {"none", "a.b.c.d.e.stranger", false}} {
			names := make([]string, 1024) // more than one, so that they are not all in the processor's cache
			for i := range names {
				names[i] = fmt.Sprintf("%s%d.example", c.prefix, i*(domains/2)/len(names))
			}
			b.Run(fmt.Sprintf("%d_domains/%s", domains, c.name), func(b *testing.B) {
				i := 0
				for b.Loop() {
					if (t.find(names[i%len(names)]) != nil) != c.found {
						b.Fatal(names[i%len(names)])
					}
					i++
				}
			})
		}
	}
}
