package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	info, err := Probe(t.Context(), options(socketURL(r), ""))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(info.Server, "Redis ") || info.Latency <= 0 || info.Policy != "noeviction" || info.Evicts() || info.TooOld() {
		t.Errorf("%+v", info)
	}
	client := admin(t, r)
	for name, value := range map[string]string{"maxmemory-policy": "volatile-lru", "maxmemory": "100mb"} {
		if err := client.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := Probe(t.Context(), options(socketURL(r), "")); err != nil || !info.Evicts() {
		t.Errorf("%+v, %v", info, err)
	}
	wantWhole(t, client, false)
}

func TestHints(t *testing.T) {
	t.Parallel()
	r := startRedis(t, "--requirepass", "secret", "--user", "mail", "on", ">word", "+@all", "-@scripting", "~*")
	replica := startRedis(t, "--replicaof", "127.0.0.1", "1")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for url, want := range map[string]string{
		"redis://" + r.Addr():               "needs a password",
		"redis://:wrong@" + r.Addr():        "is wrong",
		"redis://mail:word@" + r.Addr():     "+@scripting",
		"rediss://:secret@" + r.Addr():      "speak TLS",
		"redis://127.0.0.1:1":               "nothing listens",
		"unix:///nonexistent/redis.sock":    "nothing listens",
		"redis://" + silent.Addr().String(): "does not answer in time",
		socketURL(replica):                  "",
	} {
		opts := options(url, "")
		opts.Timeout = time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		_, err := Probe(ctx, opts)
		cancel()
		if err == nil {
			t.Errorf("%s: no error", url)
			continue
		}
		if hint := Hint(err); !strings.Contains(hint, want) || (want == "") != (hint == "") {
			t.Errorf("%s: %v: hint %q, want %q", url, err, hint, want)
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	port := freePort(t)
	startRedis(t, "--tls-port", port, "--tls-cert-file", dir+"/cert.pem", "--tls-key-file", dir+"/key.pem",
		"--tls-ca-cert-file", dir+"/cert.pem", "--tls-auth-clients", "no")
	opts := options("rediss://127.0.0.1:"+port, "a")
	opts.Timeout = 10 * time.Second
	_, err := Probe(t.Context(), opts)
	if err == nil || !strings.Contains(Hint(err), "certificate") {
		t.Errorf("a certificate that nobody knows: %v", err)
	}
	c, err := open(opts, usualPace(), newScripts(windowsLua))
	if err != nil {
		t.Fatal(err)
	}
	c.client.Options().TLSConfig.RootCAs = pool
	c.begin(t.Context())
	defer c.Close()
	if ok, err := send(c, "k", 1); !ok || err != nil {
		t.Error(ok, err)
	}
}

// writeCertificate writes one for 127.0.0.1, and returns who knows it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return pool
}

func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// The least that a user of Redis has to be allowed is what the hint and the manual say.
func TestAUserWithFewRights(t *testing.T) {
	t.Parallel()
	r := startRedis(t)
	if err := admin(t, r).Do(t.Context(), "ACL", "SETUSER", "mail", "on", ">word", "~test:*",
		"+@scripting", "+@hash", "+@keyspace", "+@connection", "+time", "+info", "-@dangerous", "+info").Err(); err != nil {
		t.Fatal(err)
	}
	url := "redis://mail:word@" + r.Addr()
	if _, err := Probe(t.Context(), options(url, "")); err != nil {
		t.Error(err)
	}
	c := openCounts(t, options(url, "a"))
	if ok, err := send(c, "k", 1); !ok || err != nil {
		t.Error(ok, err)
	}
	settled(t, c)
}
