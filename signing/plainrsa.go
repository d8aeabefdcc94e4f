package signing

import (
	"bytes"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
)

// pkcs1 is an RSAPrivateKey of two primes (RFC 8017 A.1.2).
type pkcs1 struct {
	Version      int
	N            *big.Int
	E            int
	D, P, Q      *big.Int
	DP, DQ, QInv *big.Int
}

// pkcs8 is a PrivateKeyInfo (RFC 5208 5).
type pkcs8 struct {
	Version   int
	Algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	PrivateKey []byte
}

// usualExponent is the e of nearly every RSA key.
const usualExponent = 65537

// plainRSA looks at an RSA key without crypto/x509, which takes about 18 times as
// long: too long for the 100,000 keys of a table at start. It returns the key if
// everything in it agrees, which no damage survives. It judges nothing: whatever it
// does not know is left to crypto/x509.
func plainRSA(block *pem.Block) (*primes, bool) {
	der := block.Bytes
	if block.Type == pkcs8Type {
		var outer pkcs8
		rest, err := asn1.Unmarshal(der, &outer)
		rsaEncryption := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
		if err != nil || len(rest) > 0 || outer.Version != 0 || !outer.Algorithm.OID.Equal(rsaEncryption) {
			return nil, false
		}
		der = outer.PrivateKey
	}
	var k pkcs1
	rest, err := asn1.Unmarshal(der, &k)
	if err != nil || len(rest) > 0 || k.Version != 0 || !k.agrees() {
		return nil, false
	}
	return &primes{k.P.Bytes(), k.Q.Bytes(), k.N.BitLen()}, true
}

// plainPEM decodes a file with nothing but one block of a private key in it, in a
// third of the time of encoding/pem, to which it leaves all others.
func plainPEM(text []byte) (*pem.Block, bool) {
	for _, kind := range []string{pkcs8Type, pkcs1Type} {
		body, begins := bytes.CutPrefix(text, []byte("-----BEGIN "+kind+"-----\n"))
		body, ends := bytes.CutSuffix(body, []byte("\n-----END "+kind+"-----\n"))
		if begins && ends {
			der, err := base64.StdEncoding.AppendDecode(nil, body)
			return &pem.Block{Type: kind, Bytes: der}, err == nil
		}
	}
	return nil, false
}

// agrees reports whether all parts of the key fit together (RFC 8017 3.2).
func (k *pkcs1) agrees() bool {
	bits := k.N.BitLen()
	if bits < minRSABits || bits > maxRSABits || k.E != usualExponent {
		return false
	}
	for _, n := range []*big.Int{k.N, k.D, k.P, k.Q, k.DP, k.DQ, k.QInv} {
		if n.Sign() <= 0 || n.Cmp(k.N) > 0 {
			return false
		}
	}
	one, e := big.NewInt(1), big.NewInt(usualExponent)
	product := func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
	rest := func(a, b *big.Int) *big.Int { return new(big.Int).Mod(a, b) }
	half := func(prime, exponent *big.Int) bool {
		order := new(big.Int).Sub(prime, one)
		return prime.Bit(0) == 1 && order.Sign() > 0 &&
			rest(product(e, exponent), order).Cmp(one) == 0 && rest(k.D, order).Cmp(exponent) == 0
	}
	return product(k.P, k.Q).Cmp(k.N) == 0 && half(k.P, k.DP) && half(k.Q, k.DQ) &&
		k.QInv.Cmp(k.P) < 0 && rest(product(k.QInv, k.Q), k.P).Cmp(one) == 0
}

// primes is all that there is to know of a key with the usual exponent, in a fifth
// of the room that PKCS#1 takes.
type primes struct {
	p, q []byte
	bits int // of the key
}

// key returns the whole key.
func (k *primes) key() (*PrivateKey, error) {
	p, q, one := new(big.Int).SetBytes(k.p), new(big.Int).SetBytes(k.q), big.NewInt(1)
	order := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: usualExponent},
		D:         new(big.Int).ModInverse(big.NewInt(usualExponent), order), // there is one, for all agrees
		Primes:    []*big.Int{p, q},
	}
	key.Precompute()
	if err := key.Validate(); err != nil {
		return nil, fmt.Errorf("is not a valid RSA key: %w", err)
	}
	return newPrivateKey(key)
}
