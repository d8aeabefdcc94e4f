package posture

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"pratique/posture/lookup/lookuptest"
)

// authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	now  time.Time
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, now: asking("").Now()}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: a.now.AddDate(-10, 0, 0), NotAfter: a.now.AddDate(10, 0, 0), KeyUsage: x509.KeyUsageCertSign}
	a.cert = a.sign(t, template, template, &key.PublicKey)
	return a
}

func (a *authority) sign(t *testing.T, template, parent *x509.Certificate, public any) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func (a *authority) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// certificate is for a name, and valid for some time from now on.
func (a *authority) certificate(t *testing.T, name string, valid time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := a.sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: a.now.AddDate(-1, 0, 0), NotAfter: a.now.Add(valid), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.cert, &key.PublicKey)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// smtpServer is a server that only greets and starts TLS, at a free port.
func smtpServer(t *testing.T, config *tls.Config, talk func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if talk != nil {
					talk(conn)
					return
				}
				startsTLS(conn, config)
			}()
		}
	}()
	return l.Addr().String()
}

func startsTLS(conn net.Conn, config *tls.Config) {
	r := bufio.NewReader(conn)
	fmt.Fprintf(conn, "220-mail.test greets\r\n220 you\r\n")
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "EHLO"):
			fmt.Fprintf(conn, "250-mail.test\r\n250-SIZE\r\n")
			if config != nil {
				fmt.Fprintf(conn, "250-STARTTLS\r\n")
			}
			fmt.Fprintf(conn, "250 HELP\r\n")
		case strings.HasPrefix(line, "STARTTLS"):
			fmt.Fprintf(conn, "220 go\r\n")
			tls.Server(conn, config).Handshake()
			return
		}
	}
}

// TestPorts looks at servers with good certificates and bad ones. A submission port
// is told from one for mail by its number, which a test has no rights to: door is asked.
func TestPorts(t *testing.T) {
	ca := newAuthority(t)
	stranger := newAuthority(t)
	serving := func(c tls.Certificate) *tls.Config { return &tls.Config{Certificates: []tls.Certificate{c}} }
	year := 365 * 24 * time.Hour
	for _, c := range []struct {
		name, addr string
		submission bool
		want       string
	}{
		{"good", smtpServer(t, serving(ca.certificate(t, "mail.test", year)), nil), true, "tls_ok ok"},
		{"soon", smtpServer(t, serving(ca.certificate(t, "mail.test", 15*24*time.Hour)), nil), true, "certificate_expires warn"},
		{"very soon", smtpServer(t, serving(ca.certificate(t, "mail.test", 15*time.Hour)), nil), true, "certificate_expires fail"},
		{"expired", smtpServer(t, serving(ca.certificate(t, "mail.test", -time.Hour)), nil), true, "certificate_expired fail"},
		{"expired at port 25", smtpServer(t, serving(ca.certificate(t, "mail.test", -time.Hour)), nil), false, "certificate_expired warn"},
		{"name", smtpServer(t, serving(ca.certificate(t, "other.test", year)), nil), true, "certificate_name fail"},
		{"stranger", smtpServer(t, serving(stranger.certificate(t, "mail.test", year)), nil), true, "certificate_chain fail"},
		{"all", smtpServer(t, serving(stranger.certificate(t, "other.test", -time.Hour)), nil), false, "certificate_expired warn, certificate_name warn, certificate_chain warn"},
		{"old", smtpServer(t, &tls.Config{Certificates: []tls.Certificate{ca.certificate(t, "mail.test", year)}, MinVersion: tls.VersionTLS10}, nil), true, "tls_ok ok, old_tls warn"},
		{"none", smtpServer(t, nil, nil), true, "no_starttls fail"},
		{"none at port 25", smtpServer(t, nil, nil), false, "no_starttls warn"},
		{"busy", smtpServer(t, nil, func(c net.Conn) { fmt.Fprintf(c, "421 later\r\n") }), true, "tls_unknown unknown"},
		{"rude", smtpServer(t, nil, func(c net.Conn) {}), true, "tls_unknown unknown"},
		{"injecting", smtpServer(t, nil, func(c net.Conn) {
			fmt.Fprintf(c, "220 a\r\n250-b\r\n250 STARTTLS\r\n220 go\r\n250 injected\r\n")
			time.Sleep(100 * time.Millisecond)
		}), true, "tls_unknown unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := asking("127.0.0.1:1")
			env.Roots = ca.roots()
			d := door{audit: &audit{Env: env, Subject: Subject{Hostname: "mail.test"}}, Port: Port{Addr: c.addr}, name: "mail.test", submission: c.submission}
			ctx := t.Context()
			if got := codes(d.look(ctx)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func codes(found []Finding) string {
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s %s", f.Code, f.Status))
	}
	return strings.Join(got, ", ")
}

// TestClosedPort: that nothing listens is a mistake only at a port that somebody named.
func TestClosedPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for expected, want := range map[bool]string{false: "port_closed info", true: "port_closed warn"} {
		r := Run(t.Context(), asking("127.0.0.1:1"), Subject{Ports: []Port{{Addr: l.Addr().String(), Expected: expected}}})
		if got := codes(only(r.Findings, "tls")); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestImplicitTLS: port 465 speaks TLS from the first octet.
func TestImplicitTLS(t *testing.T) {
	ca := newAuthority(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.certificate(t, "mail.test", 1000*time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	env := asking("127.0.0.1:1")
	env.Roots = ca.roots()
	d := door{audit: &audit{Env: env, Subject: Subject{Hostname: "mail.test"}}, Port: Port{Addr: l.Addr().String()}, name: "mail.test", submission: true, implicit: true}
	if got := codes(d.look(t.Context())); got != "tls_ok ok" {
		t.Error(got)
	}
}

func TestNameOf(t *testing.T) {
	a := &audit{Subject: Subject{Hostname: "mail.test"}}
	for addr, want := range map[string]string{"127.0.0.1:25": "mail.test", "[::1]:25": "mail.test", "localhost:25": "mail.test", "smtp.test:587": "smtp.test"} {
		if got := a.nameOf(Port{Addr: addr}); got != want {
			t.Errorf("%s: %s", addr, got)
		}
	}
}

// TestPolicy fetches policies of MTA-STS from a real server, by HTTPS.
func TestPolicy(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	const good = "version: STSv1\r\nmode: enforce\r\nmx: mail.test\r\nmx: *.backup.test\r\nmax_age: 604800\r\n"
	for _, c := range []struct {
		name, body, kind string
		status           int
		cert             tls.Certificate
		want             string
	}{
		{"good", good, "text/plain; charset=utf-8", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy ok"},
		{"html", good, "text/html", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy fail"},
		{"missing", "no", "text/plain", 404, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy fail"},
		{"redirects", good, "text/plain", 302, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy fail"},
		{"name", good, "text/plain", 200, ca.certificate(t, "good.test", 1e6*time.Second), "sts_policy fail"},
		{"stranger", good, "text/plain", 200, stranger.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy fail"},
		{"expired", good, "text/plain", 200, ca.certificate(t, "mta-sts.good.test", -time.Hour), "sts_policy fail"},
		{"large", strings.Repeat("mx: mail.test\n", 10000), "text/plain", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy fail"},
		{"other mx", "version: STSv1\nmode: enforce\nmx: *.test2\nmax_age: 604800\n", "text/plain", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_mx_not_covered fail"},
		{"testing", "version: STSv1\nmode: testing\nmx: *.test\nmax_age: 604800\n", "text/plain", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_mode info"},
		{"none", "version: STSv1\nmode: none\nmax_age: 604800\n", "text/plain", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_mode info"},
		{"short", "version: STSv1\nmode: enforce\nmx: mail.test\nmax_age: 60\n", "text/plain", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_max_age warn"},
		{"broken", "version: STSv2\nmode: on\nmax_age: x\nmail.test\n", "text/plain", 200, ca.certificate(t, "mta-sts.good.test", 1e6*time.Second), "sts_policy fail"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{c.cert}})
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/.well-known/mta-sts.txt" || r.Host != "mta-sts.good.test" {
					c.status = 500
				}
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set("Location", "https://mta-sts.good.test/.well-known/mta-sts.txt")
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			}), ErrorLog: silent()}
			go server.Serve(l)
			defer server.Close()
			env := asking("127.0.0.1:1")
			env.Resolver = lookuptest.New(t, sound+"mta-sts.good.test. A 127.0.0.1\n")
			env.Policies = &http.Client{Transport: &http.Transport{
				DialContext:     dialTo(l.Addr().String()),
				TLSClientConfig: &tls.Config{RootCAs: ca.roots(), Time: env.Now},
			}}
			r := Run(t.Context(), env, Subject{Hostname: "mail.test", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.25")}, Pairs: from("good.test")})
			found := only(r.Findings, "mta-sts")
			if got := codes(found); got != "sts_record ok, "+c.want {
				t.Errorf("%s (%s), want %s", got, found[1].Found, c.want)
			}
		})
	}
}

// TestPolicyOutOfReach: there is no address to ask, nothing listens there, or nobody answers.
func TestPolicyOutOfReach(t *testing.T) {
	const host = "mta-sts.good.test. A 127.0.0.1\n"
	silent := func(context.Context, string, string) (net.Conn, error) { return nil, os.ErrDeadlineExceeded }
	for _, c := range []struct {
		zone, want string
		dial       func(context.Context, string, string) (net.Conn, error)
	}{
		{sound, "sts_policy fail", silent},
		{sound + host, "sts_policy fail", dialTo("127.0.0.1:1")},
		{sound + host, "sts_policy_unknown unknown", silent},
	} {
		env := asking("127.0.0.1:1")
		env.Resolver = lookuptest.New(t, c.zone)
		env.Policies = &http.Client{Transport: &http.Transport{DialContext: c.dial}}
		r := Run(t.Context(), env, Subject{Pairs: from("good.test")})
		if got := codes(only(r.Findings, "mta-sts")); got != "sts_record ok, "+c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
