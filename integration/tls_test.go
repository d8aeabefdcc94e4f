package integration

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/integration/harness"
)

// Postfix tells the version of TLS with the macros of HELO and MAIL, and of a
// message that came without TLS none.
func TestTLSVersionIsOnRecord(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	certificate := newCertificate(t)
	p := w.postfix(w.overUnix(), "smtpd_tls_security_level", "may", "smtpd_tls_chain_files", certificate)
	for _, tc := range []struct {
		subject string
		tls     bool
		logged  string
	}{
		{"plain", false, `"tls":""`},
		{"encrypted", true, `"tls":"TLSv1.3"`},
		{"plain-again", false, `"tls":""`},
	} {
		c, err := harness.Dial(w.ctx, p.Addr(), "")
		if err == nil && tc.tls {
			err = c.StartTLS(w.ctx)
		}
		started(t, c, err)
		before := len(w.pratique.Log())
		if answer, err := c.Send(mail(harness.Letter(tc.subject))); err != nil || !answer.Accepted() {
			t.Fatalf("%s: %v, %v", tc.subject, answer, err)
		}
		w.delivered(tc.subject)
		if log := w.pratique.Log()[before:]; !strings.Contains(log, tc.logged) {
			t.Errorf("%s: %q is not in\n%s", tc.subject, tc.logged, log)
		}
	}
}

// newCertificate writes a private key with its certificate, as Postfix reads them from one file.
func newCertificate(t *testing.T) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mail.example.org"}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	chain := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})...)
	file := filepath.Join(tempDir(t), "chain.pem")
	if err := os.WriteFile(file, chain, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
