package signing

import (
	"encoding/asn1"
	"encoding/pem"
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
// long: too long for the 100,000 keys of a table at start. If everything in the
// key agrees, which no damage survives, it returns the key in PKCS#1 and its size
// in bits. It judges nothing: whatever it does not know is left to crypto/x509.
func plainRSA(block *pem.Block) (der []byte, bits int, ok bool) {
	der = block.Bytes
	if block.Type == pkcs8Type {
		var outer pkcs8
		rest, err := asn1.Unmarshal(der, &outer)
		rsaEncryption := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
		if err != nil || len(rest) > 0 || outer.Version != 0 || !outer.Algorithm.OID.Equal(rsaEncryption) {
			return nil, 0, false
		}
		der = outer.PrivateKey
	}
	var k pkcs1
	rest, err := asn1.Unmarshal(der, &k)
	if err != nil || len(rest) > 0 || k.Version != 0 || !k.agrees() {
		return nil, 0, false
	}
	return der, k.N.BitLen(), true
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
	one, e := big.NewInt(1), big.NewInt(int64(k.E))
	p1, q1 := new(big.Int).Sub(k.P, one), new(big.Int).Sub(k.Q, one)
	de := new(big.Int).Mul(k.D, e)
	product := func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
	rest := func(a, b *big.Int) *big.Int { return new(big.Int).Mod(a, b) }
	return k.P.Bit(0) == 1 && k.Q.Bit(0) == 1 && p1.Sign() > 0 && q1.Sign() > 0 &&
		product(k.P, k.Q).Cmp(k.N) == 0 &&
		rest(de, p1).Cmp(one) == 0 && rest(de, q1).Cmp(one) == 0 &&
		rest(k.D, p1).Cmp(k.DP) == 0 && rest(k.D, q1).Cmp(k.DQ) == 0 &&
		k.QInv.Cmp(k.P) < 0 && rest(product(k.QInv, k.Q), k.P).Cmp(one) == 0
}
