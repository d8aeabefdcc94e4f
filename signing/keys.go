package signing

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// PrivateKey is a key to sign with: RSA or Ed25519.
type PrivateKey struct {
	signer crypto.Signer // *rsa.PrivateKey or ed25519.PrivateKey
	record string
}

// The sizes of RSA keys, in bits (RFC 8301 3.2).
const (
	minRSABits  = 1024 // signers MUST use at least
	goodRSABits = 2048 // and SHOULD use at least
	maxRSABits  = 4096 // verifiers need not accept more
)

// The signature algorithms as they stand in a= (RFC 8301 3.1, RFC 8463 3).
const (
	rsaSHA256     = "rsa-sha256"
	ed25519SHA256 = "ed25519-sha256"
)

// LoadKey reads a private key in PEM, PKCS#1 or PKCS#8. A symbolic link is
// followed. The file must not be open to others: no access for group or world,
// except that the group may read what root owns, as with "root:pratique 0640".
//
// No error holds anything of the key.
func LoadKey(file string) (*PrivateKey, error) {
	var data bytes.Buffer
	if _, err := readKeyFile(file, &data); err != nil {
		return nil, err
	}
	key, err := ParseKey(data.Bytes())
	if err != nil {
		return nil, inFile(file, err)
	}
	return key, nil
}

func inFile(file string, err error) error { return fmt.Errorf("key %s: %w", file, err) }

// maxKeyFile is far more than a key of any sensible size, in octets.
const maxKeyFile = 64 << 10

// readKeyFile reads a file into a buffer, and returns how it looked before.
func readKeyFile(file string, into *bytes.Buffer) (Stamp, error) {
	// Without O_NONBLOCK a FIFO in the key's place would keep the daemon waiting.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return stampOf(file), inFile(file, cause(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return stampOf(file), inFile(file, cause(err))
	}
	stamp := stampFrom(info)
	if err := checkKeyFile(info); err != nil {
		return stamp, inFile(file, err)
	}
	if open := openTo(info); open != "" {
		return stamp, fmt.Errorf("key %s has mode %04o: %s; run: chmod 0600 %s", file, info.Mode().Perm(), open, file)
	}
	if _, err := into.ReadFrom(io.LimitReader(f, maxKeyFile)); err != nil {
		return stamp, inFile(file, cause(err))
	}
	return stamp, nil
}

// cause takes the path out of an error: ours names it already.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func checkKeyFile(info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return errors.New("is a directory; the PEM file itself is wanted")
	case !info.Mode().IsRegular():
		return errors.New("is not a regular file")
	case info.Size() == 0:
		return errors.New("is empty")
	case info.Size() > maxKeyFile:
		return errors.New("is far too large for a private key")
	}
	return nil
}

// openTo says who can get at a private key that should not, or "".
func openTo(info fs.FileInfo) string {
	mode := info.Mode().Perm()
	switch {
	case mode&0o007 != 0:
		return "everyone on this machine can get at the private key"
	case mode&0o030 != 0:
		return "its group can change the private key"
	case mode&0o040 != 0 && !ownedByRoot(info):
		return "its group can read the private key, which is allowed only for a file of root's"
	}
	return ""
}

// ParseKey reads a private key from PEM text: PKCS#1 or PKCS#8, not encrypted.
// The first block must be the key.
func ParseKey(text []byte) (*PrivateKey, error) {
	block, err := keyBlock(text)
	if err != nil {
		return nil, err
	}
	return parseBlock(block)
}

// keyBlock returns the block of a private key.
func keyBlock(text []byte) (*pem.Block, error) {
	block, _ := pem.Decode(text)
	switch {
	case block == nil && bytes.Contains(text, []byte("-----BEGIN ")):
		return nil, errors.New("is PEM that is cut short or damaged: what begins in it has no end that fits")
	case block == nil:
		return nil, errors.New("is not PEM: no \"-----BEGIN PRIVATE KEY-----\" in it; \"openssl pkey -in OLD -out NEW\" converts other forms")
	case block.Headers["DEK-Info"] != "" || block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("is encrypted; \"openssl pkey -in OLD -out NEW\" takes the passphrase off")
	case block.Type != pkcs1Type && block.Type != pkcs8Type:
		return nil, fmt.Errorf("holds %q where an RSA or Ed25519 private key is wanted, %q or %q", block.Type, pkcs8Type, pkcs1Type)
	}
	return block, nil
}

// The types of PEM blocks that are private keys.
const (
	pkcs1Type = "RSA PRIVATE KEY"
	pkcs8Type = "PRIVATE KEY"
)

func parseBlock(block *pem.Block) (*PrivateKey, error) {
	if block.Type == pkcs1Type {
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("is not a valid PKCS#1 key: %w", err)
		}
		return newPrivateKey(key)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("is not a valid PKCS#8 key: %w", err)
	}
	return newPrivateKey(key)
}

func newPrivateKey(key any) (*PrivateKey, error) {
	k := &PrivateKey{}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("has %d bits; DKIM needs %d at least and %d are usual (RFC 8301 3.2)", bits, minRSABits, goodRSABits)
		}
		k.signer = key
	case ed25519.PrivateKey:
		k.signer = key
	default:
		return nil, errors.New("is neither an RSA nor an Ed25519 key; DKIM knows no others")
	}
	var err error
	k.record, err = PublicRecord(k.Public())
	return k, err
}

// Algorithm returns the a= of the key's signatures.
func (k *PrivateKey) Algorithm() string {
	if _, ok := k.signer.(*rsa.PrivateKey); ok {
		return rsaSHA256
	}
	return ed25519SHA256
}

// Public returns the public half: *rsa.PublicKey or ed25519.PublicKey.
func (k *PrivateKey) Public() crypto.PublicKey { return k.signer.Public() }

// Weakness says what is wrong with a key that can be used nevertheless, or "".
func (k *PrivateKey) Weakness() string {
	key, ok := k.signer.(*rsa.PrivateKey)
	if !ok {
		return ""
	}
	return rsaWeakness(key.N.BitLen())
}

func rsaWeakness(bits int) string {
	switch {
	case bits < goodRSABits:
		return fmt.Sprintf("%d bits; %d are recommended (RFC 8301 3.2)", bits, goodRSABits)
	case bits > maxRSABits:
		return fmt.Sprintf("%d bits; verifiers need not accept more than %d (RFC 8301 3.2)", bits, maxRSABits)
	}
	return ""
}

// Record returns the TXT record under which the public half is to be published
// at selector._domainkey.domain.
func (k *PrivateKey) Record() string { return k.record }

// Format prints the public half, whatever the verb: a key that ends up in a log
// or an error by mistake gives nothing away.
func (k *PrivateKey) Format(s fmt.State, _ rune) { io.WriteString(s, k.record) }

// PublicRecord returns the TXT record of a public key, *rsa.PublicKey or
// ed25519.PublicKey (RFC 6376 3.6.1, RFC 8463 4.2). In a zone file it has to be
// split into strings of at most 255 octets.
func PublicRecord(public crypto.PublicKey) (string, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			return "", fmt.Errorf("encode public key: %w", err)
		}
		return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der), nil
	case ed25519.PublicKey:
		// The bare 32 octets, without the SubjectPublicKeyInfo around them.
		return "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public), nil
	default:
		return "", fmt.Errorf("DKIM has no record for a %T", public)
	}
}
