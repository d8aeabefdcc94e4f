package signing

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// RSASSA-PKCS1-v1_5 is deterministic: every backend gives the same signature.
func TestBackendsAgree(t *testing.T) {
	key := newRSA(t)
	digest := sha256.Sum256([]byte("digest"))
	want, err := rsaSignature(goRSA{}, key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range testBackends(t) {
		got, err := rsaSignature(b, key, digest[:])
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %x (%v), want %x", b.name(), got, err, want)
		}
	}
}

func rsaSignature(b backend, key *rsa.PrivateKey, digest []byte) ([]byte, error) {
	sign, err := b.load(key)
	if err != nil {
		return nil, err
	}
	return sign(digest)
}

// Keys come and go with each reload: what libcrypto has of them is freed, and
// a key outlives the collections that happen while it signs.
func TestBackendsUnderCollection(t *testing.T) {
	key := newRSA(t)
	digest := sha256.Sum256(nil)
	for _, b := range testBackends(t) {
		for range 20 {
			sign, err := b.load(key)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				runtime.GC()
				if _, err := sign(digest[:]); err != nil {
					t.Fatalf("%s: %v", b.name(), err)
				}
			}
		}
	}
}

// Signatures of one key that are made at once, more of them than have a place, are those made one by one.
func TestBackendsSignAtOnce(t *testing.T) {
	key := newRSA(t)
	for _, b := range testBackends(t) {
		sign, err := b.load(key)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for n := range 50 {
			digest := sha256.Sum256([]byte{byte(n)})
			all.Go(func() {
				for range 3 {
					signature, err := sign(digest[:])
					if err == nil {
						err = rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature)
					}
					if err != nil {
						t.Errorf("%s: %v", b.name(), err)
					}
				}
			})
		}
		all.Wait()
	}
}

// A digest of another length than SHA-256's is a mistake of ours that must not pass.
func TestBackendsRefuseOtherDigests(t *testing.T) {
	key := newRSA(t)
	for _, b := range testBackends(t) {
		sign, err := b.load(key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sign(make([]byte, 20)); err == nil {
			t.Errorf("%s signed a digest of 20 octets", b.name())
		}
		digest := sha256.Sum256(nil)
		if _, err := sign(digest[:]); err != nil {
			t.Errorf("%s does not sign after that: %v", b.name(), err)
		}
	}
}

// fakeBackend refuses keys, or signs with what it likes.
type fakeBackend struct {
	sign signFunc
	err  error
}

func (fakeBackend) name() string                             { return "fake" }
func (f fakeBackend) load(*rsa.PrivateKey) (signFunc, error) { return f.sign, f.err }

func TestBadBackendIsNotUsed(t *testing.T) {
	id := example(t)
	other := newRSA(t)
	for name, b := range map[string]backend{
		"refuses the key":  fakeBackend{err: errors.New("unsupported")},
		"does not sign":    fakeBackend{sign: func([]byte) ([]byte, error) { return nil, errors.New("no provider") }},
		"signs otherwise":  fakeBackend{sign: func(d []byte) ([]byte, error) { return rsaSignature(goRSA{}, other, d) }},
		"signs with zeros": fakeBackend{sign: func([]byte) ([]byte, error) { return make([]byte, 256), nil }},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			s, err := newSigner(id.opts, fixedClock, slog.New(slog.NewTextHandler(&log, nil)), b)
			if err != nil {
				t.Fatal(err)
			}
			signed, _ := sign(t, s, letter)
			id.wantValid(t, signed, 2)
			if !strings.Contains(log.String(), "RSA key left to crypto/rsa") {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}
