package harness

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
)

// The selectors of the two keys.
const (
	RSASelector     = "2026a"
	Ed25519Selector = "2026e"
)

// Keys are signing keys of example.org, made for one run.
type Keys struct {
	RSAFile, Ed25519File string
	Records              map[string]string // what verifiers find in the DNS: TXT records by name
}

// NewKeys makes an RSA and an Ed25519 key in a folder.
func NewKeys(dir string) (Keys, error) {
	k := Keys{RSAFile: filepath.Join(dir, "rsa.pem"), Ed25519File: filepath.Join(dir, "ed25519.pem")}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return k, err
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return k, err
	}
	if err := writeKey(k.RSAFile, rsaKey); err != nil {
		return k, err
	}
	if err := writeKey(k.Ed25519File, edKey); err != nil {
		return k, err
	}
	spki, err := x509.MarshalPKIXPublicKey(rsaKey.Public())
	if err != nil {
		return k, err
	}
	// An Ed25519 key is published bare, without the SubjectPublicKeyInfo around it (RFC 8463 4).
	k.Records = map[string]string{
		RSASelector + "._domainkey.example.org":     "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(spki),
		Ed25519Selector + "._domainkey.example.org": "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic),
	}
	return k, nil
}

// TOML returns the [signing] table of a configuration that signs with both keys,
// after other settings of that table.
func (k Keys) TOML(settings string) string {
	return fmt.Sprintf(`[signing]
%s
[[signing.domains]]
domain = "example.org"
keys = [ { selector = %q, file = %q }, { selector = %q, file = %q } ]
`, settings, RSASelector, k.RSAFile, Ed25519Selector, k.Ed25519File)
}

func writeKey(file string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
