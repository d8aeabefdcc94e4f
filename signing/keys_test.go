package signing

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestLoadKey(t *testing.T) {
	rsaKey, edKey := newRSA(t), newEd25519(t)
	tests := []struct {
		name, file, algorithm, record string
		key                           crypto.Signer
	}{
		{"PKCS#1", pemFile(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey)), "rsa-sha256", "v=DKIM1; k=rsa; p=", rsaKey},
		{"PKCS#8, RSA", keyFile(t, rsaKey), "rsa-sha256", "v=DKIM1; k=rsa; p=", rsaKey},
		{"PKCS#8, Ed25519", keyFile(t, edKey), "ed25519-sha256", "v=DKIM1; k=ed25519; p=", edKey},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := LoadKey(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			if key.Algorithm() != tt.algorithm || key.Weakness() != "" {
				t.Errorf("algorithm %s, weakness %q", key.Algorithm(), key.Weakness())
			}
			if public := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !public.Equal(tt.key.Public()) {
				t.Error("another public key")
			}
			if !strings.HasPrefix(key.Record(), tt.record) {
				t.Errorf("record %s", key.Record())
			}
		})
	}
}

func TestLoadKeyFollowsLinks(t *testing.T) {
	link := filepath.Join(t.TempDir(), "current.pem")
	if err := os.Symlink(keyFile(t, newEd25519(t)), link); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(link); err != nil {
		t.Error(err)
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	secret := newEd25519(t)
	der, _ := x509.MarshalPKCS8PrivateKey(secret)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, _ := x509.MarshalPKCS8PrivateKey(ecKey)
	good := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	encrypted := bytes.Replace(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der}), []byte("KEY-----\n"),
		[]byte("KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"), 1)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(t.TempDir(), "link.pem")
	if err := os.Symlink(filepath.Join(t.TempDir(), "gone.pem"), dangling); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, file, want string }{
		{"missing", filepath.Join(t.TempDir(), "missing.pem"), "no such file or directory"},
		{"dangling link", dangling, "no such file or directory"},
		{"directory", t.TempDir(), "is a directory"},
		{"fifo", fifo, "is not a regular file"},
		{"empty", textFile(t, nil), "is empty"},
		{"huge", textFile(t, make([]byte, maxKeyFile+1)), "is far too large"},
		{"not PEM", textFile(t, []byte(base64.StdEncoding.EncodeToString(secret.Seed()))), "is not PEM"},
		{"DER", textFile(t, der), "is not PEM"},
		{"cut short", textFile(t, good[:len(good)/2]), "is PEM that is cut short or damaged"},
		{"without its end line", textFile(t, good[:len(good)-20]), "is PEM that is cut short or damaged"},
		{"one letter too few", textFile(t, slices.Delete(bytes.Clone(good), 40, 41)), "is PEM that is cut short or damaged"},
		{"encrypted PKCS#1", textFile(t, encrypted), "is encrypted"},
		{"encrypted PKCS#8", pemFile(t, "ENCRYPTED PRIVATE KEY", der), "is encrypted"},
		{"certificate", pemFile(t, "CERTIFICATE", der), `holds "CERTIFICATE"`},
		{"public key", pemFile(t, "PUBLIC KEY", der), `holds "PUBLIC KEY"`},
		{"OpenSSH", pemFile(t, "OPENSSH PRIVATE KEY", der), `holds "OPENSSH PRIVATE KEY"`},
		{"broken PKCS#8", pemFile(t, "PRIVATE KEY", der[1:]), "is not a valid PKCS#8 key"},
		{"broken PKCS#1", pemFile(t, "RSA PRIVATE KEY", der), "is not a valid PKCS#1 key"},
		{"elliptic curve", pemFile(t, "PRIVATE KEY", ecDER), "is neither an RSA nor an Ed25519 key"},
		{"everyone reads", withMode(t, good, 0o604), "has mode 0604: everyone"},
		{"everyone writes", withMode(t, good, 0o602), "has mode 0602: everyone"},
		{"usual mistake", withMode(t, good, 0o644), "run: chmod 0600 "},
		{"group writes", withMode(t, good, 0o660), "has mode 0660: its group can change"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadKey(tt.file)
			if err == nil {
				t.Fatal("the key was taken")
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.file) {
				t.Errorf("%q names not both %q and the file", err, tt.want)
			}
			held := &heldKey{file: tt.file}
			if held.load(newKeyring(slog.New(slog.DiscardHandler), goRSA{}), &bytes.Buffer{}); held.err == nil || held.err.Error() != err.Error() {
				t.Errorf("the signer says %v, and not %v", held.err, err)
			}
			if strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(secret.Seed())[:8]) {
				t.Errorf("%q holds a part of the key", err)
			}
		})
	}
}

// The group may read a key that root owns, as with "root:pratique 0640".
func TestGroupMayReadRootsKey(t *testing.T) {
	der, _ := x509.MarshalPKCS8PrivateKey(newEd25519(t))
	file := withMode(t, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o640)
	_, err := LoadKey(file)
	if os.Getuid() != 0 {
		if err == nil {
			t.Error("the group may read a key that is not root's")
		}
		return
	}
	if err != nil {
		t.Error(err)
	}
	if err := os.Chown(file, 1234, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(file); err == nil || !strings.Contains(err.Error(), "mode 0640") {
		t.Errorf("the group may read a key that is not root's: %v", err)
	}
}

func withMode(t *testing.T, text []byte, mode os.FileMode) string {
	t.Helper()
	file := textFile(t, text)
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRSAKeySizes(t *testing.T) {
	for bits, want := range map[int]string{1024: "1024 bits; 2048 are recommended", 2048: ""} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		loaded, err := newPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		if got := loaded.Weakness(); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%d bits: weakness %q, want %q", bits, got, want)
		}
	}
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1022), E: 65537}}
	if _, err := newPrivateKey(small); err == nil || !strings.Contains(err.Error(), "1023 bits") {
		t.Errorf("1023 bits: %v", err)
	}
	large := &PrivateKey{signer: &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 8191)}}}
	if !strings.Contains(large.Weakness(), "8192 bits") {
		t.Errorf("8192 bits: weakness %q", large.Weakness())
	}
}

func TestPublicRecordRefuses(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if record, err := PublicRecord(key.Public()); err == nil {
		t.Errorf("record %s", record)
	}
	if _, err := PublicRecord(ed25519.PublicKey(make([]byte, 32))); err != nil {
		t.Error(err)
	}
}

// Nothing that prints a value shows the private key.
func TestPrivateKeyDoesNotPrint(t *testing.T) {
	key, err := newPrivateKey(newEd25519(t))
	if err != nil {
		t.Fatal(err)
	}
	seed := fmt.Sprintf("%v", []byte(key.signer.(ed25519.PrivateKey).Seed()[:8]))
	seed = strings.Trim(seed, "[]")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(format, key); strings.Contains(out, seed) {
			t.Errorf("%s prints %s", format, out)
		}
	}
}
