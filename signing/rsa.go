package signing

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"log/slog"
)

// signFunc signs a SHA-256 digest. It is safe for concurrent use.
type signFunc func(digest []byte) ([]byte, error)

// backend makes RSA signatures, RSASSA-PKCS1-v1_5 (RFC 6376 3.3.1).
type backend interface {
	name() string
	load(*rsa.PrivateKey) (signFunc, error)
}

// rsaBackend returns the fastest way to RSA signatures that this machine has.
func rsaBackend(log *slog.Logger) backend {
	lib, err := openLibcrypto()
	if err != nil {
		log.Info("RSA signatures through crypto/rsa, which is slower than libcrypto", "reason", err)
		return goRSA{}
	}
	log.Info("RSA signatures through " + lib.name())
	return lib
}

// newSignFunc makes a key ready to sign. An RSA key that the backend can't use, or
// gets wrong, is left to crypto/rsa.
func newSignFunc(key *PrivateKey, b backend, log *slog.Logger) (signFunc, error) {
	switch private := key.signer.(type) {
	case *rsa.PrivateKey:
		sign, err := loadTested(private, b)
		if err != nil {
			log.Warn("RSA key left to crypto/rsa", "backend", b.name(), "error", err)
			sign, err = loadTested(private, goRSA{})
		}
		return sign, err
	case ed25519.PrivateKey:
		// PureEd25519 of the digest, not Ed25519ph (RFC 8463 3).
		return func(digest []byte) ([]byte, error) { return ed25519.Sign(private, digest), nil }, nil
	default:
		return nil, fmt.Errorf("no way to sign with a %T", private)
	}
}

// loadTested loads a key and holds its first signature against crypto/rsa.
func loadTested(key *rsa.PrivateKey, b backend) (signFunc, error) {
	sign, err := b.load(key)
	if err != nil {
		return nil, fmt.Errorf("load RSA key: %w", err)
	}
	digest := sha256.Sum256([]byte("self-test"))
	signature, err := sign(digest[:])
	if err != nil {
		return nil, fmt.Errorf("self-test: %w", err)
	}
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature); err != nil {
		return nil, fmt.Errorf("self-test: %w", err)
	}
	return sign, nil
}

// goRSA is crypto/rsa.
type goRSA struct{}

func (goRSA) name() string { return "crypto/rsa" }

func (goRSA) load(key *rsa.PrivateKey) (signFunc, error) {
	return func(digest []byte) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest)
	}, nil
}
