package signing

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"slices"
	"testing"
)

// blocks are one RSA key in both forms.
func blocks(t testing.TB, key *rsa.PrivateKey) []*pem.Block {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return []*pem.Block{
		{Type: pkcs1Type, Bytes: x509.MarshalPKCS1PrivateKey(key)},
		{Type: pkcs8Type, Bytes: der},
	}
}

func TestPlainRSAKnowsUsualKeys(t *testing.T) {
	for _, size := range []int{1024, 2048, 3072} {
		key, err := rsa.GenerateKey(rand.Reader, size)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks(t, key) {
			plain, ok := plainRSA(block)
			if !ok || plain.bits != size {
				t.Fatalf("%d bits, %s: %v, %+v", size, block.Type, ok, plain)
			}
			whole, err := plain.key()
			if err != nil || !whole.Public().(*rsa.PublicKey).Equal(key.Public()) {
				t.Errorf("%d bits, %s: %v, another key", size, block.Type, err)
			}
		}
	}
}

// No single octet can be changed, and none be missing, without notice.
func TestPlainRSANoticesDamage(t *testing.T) {
	for _, block := range blocks(t, newRSA(t)) {
		for i := range block.Bytes {
			damaged := &pem.Block{Type: block.Type, Bytes: bytes.Clone(block.Bytes)}
			damaged.Bytes[i] ^= 1 << (i % 8)
			holdPlainRSA(t, damaged)
			if _, ok := plainRSA(damaged); ok && !harmless(block, damaged) {
				t.Errorf("%s: octet %d was changed without notice", block.Type, i)
			}
			if _, ok := plainRSA(&pem.Block{Type: block.Type, Bytes: block.Bytes[:i]}); ok {
				t.Errorf("%s: taken with %d of %d octets", block.Type, i, len(block.Bytes))
			}
		}
	}
}

// harmless reports whether two blocks are the same key all the same: PKCS#8 has
// parameters that mean nothing.
func harmless(a, b *pem.Block) bool {
	x, errX := parseBlock(a)
	y, errY := parseBlock(b)
	return errX == nil && errY == nil && x.signer.(*rsa.PrivateKey).Equal(y.signer.(*rsa.PrivateKey))
}

// holdPlainRSA holds that what is taken is a key for crypto/x509 too.
func holdPlainRSA(t *testing.T, block *pem.Block) {
	t.Helper()
	plain, ok := plainRSA(block)
	if !ok {
		return
	}
	key, err := parseBlock(block)
	if err != nil {
		t.Fatalf("%s: crypto/x509 says %v of\n%x", block.Type, err, block.Bytes)
	}
	if whole, err := plain.key(); err != nil || !whole.Public().(*rsa.PublicKey).Equal(key.Public()) {
		t.Fatalf("%s: %v, or another key than crypto/x509 has of\n%x", block.Type, err, block.Bytes)
	}
}

func FuzzPlainRSA(f *testing.F) {
	for _, block := range blocks(f, rfcKey(f, "6376", rsaSHA256).signer.(*rsa.PrivateKey)) {
		f.Add(block.Type == pkcs8Type, block.Bytes)
	}
	f.Add(false, []byte{0x30, 0x00})
	f.Fuzz(func(t *testing.T, wrapped bool, der []byte) {
		kind := pkcs1Type
		if wrapped {
			kind = pkcs8Type
		}
		holdPlainRSA(t, &pem.Block{Type: kind, Bytes: der})
	})
}

// BenchmarkPlainRSA is what looking at one key of 2048 bits takes, beside crypto/x509.
func BenchmarkPlainRSA(b *testing.B) {
	block := blocks(b, newRSA(b))[1]
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			plainRSA(block)
		}
	})
	b.Run("x509", func(b *testing.B) {
		for b.Loop() {
			if _, err := parseBlock(block); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// Whatever is changed in a file, the signer takes no key of it that ParseKey does not.
func TestHeldKeysAreThoseOfParseKey(t *testing.T) {
	ring := newKeyring(slog.New(slog.DiscardHandler), goRSA{})
	for _, block := range blocks(t, rfcKey(t, "6376", rsaSHA256).signer.(*rsa.PrivateKey)) {
		text := pem.EncodeToMemory(block)
		for i := range text {
			for _, damaged := range [][]byte{
				slices.Concat(text[:i], []byte{text[i] ^ 1}, text[i+1:]), slices.Concat(text[:i], text[i+1:]),
				slices.Concat(text[:i], []byte("\n"), text[i:]), text[:i],
			} {
				_, want := ParseKey(damaged)
				if err := (&heldKey{}).parse(damaged, ring); (err == nil) != (want == nil) {
					t.Fatalf("%v, and ParseKey says %v of\n%s", err, want, damaged)
				}
			}
		}
	}
}
