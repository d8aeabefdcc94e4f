package signing

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
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
			der, bits, ok := plainRSA(block)
			if !ok || bits != size || !bytes.Equal(der, x509.MarshalPKCS1PrivateKey(key)) {
				t.Errorf("%d bits, %s: %v, %d bits", size, block.Type, ok, bits)
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
			if _, _, ok := plainRSA(damaged); ok && !harmless(block, damaged) {
				t.Errorf("%s: octet %d was changed without notice", block.Type, i)
			}
			if _, _, ok := plainRSA(&pem.Block{Type: block.Type, Bytes: block.Bytes[:i]}); ok {
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
	der, bits, ok := plainRSA(block)
	if !ok {
		return
	}
	key, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		t.Fatalf("%s: crypto/x509 says %v of\n%x", block.Type, err, block.Bytes)
	}
	if key.N.BitLen() != bits || key.Validate() != nil {
		t.Fatalf("%s: %d bits, want %d; %v", block.Type, bits, key.N.BitLen(), key.Validate())
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
