package posture

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// Port is a port of this host's mail server.
type Port struct {
	Addr string // host:port
	// Expected: somebody asked for it, so that nothing there is a mistake.
	Expected bool
}

// Times of the check of a port.
const (
	portPatience = 20 * time.Second // a server may look the client up before it greets
	soon         = 21 * 24 * time.Hour
	verySoon     = 7 * 24 * time.Hour
)

// ports connects to the mail server's ports, and looks at STARTTLS and certificates.
func (a *audit) ports(ctx context.Context) []Finding {
	byAddr := map[string]Port{}
	var addrs []string
	for _, p := range a.Ports {
		byAddr[p.Addr] = p
		addrs = append(addrs, p.Addr)
	}
	return perDomain(once(addrs), func(addr string) []Finding { return a.port(ctx, byAddr[addr]) })
}

// door is a port with what it is for.
type door struct {
	*audit
	Port
	name       string // that clients know it by; "": not known
	submission bool   // clients verify the certificate
	implicit   bool   // TLS from the first octet (RFC 8314 3.3)
}

func (d door) about(code string, s Status, found, means, do string) []Finding {
	return []Finding{{Topic: "tls", Subject: d.Addr, Code: code, Status: s, Found: found, Means: means, Do: do}}
}

func (a *audit) port(ctx context.Context, p Port) []Finding {
	_, number, _ := net.SplitHostPort(p.Addr)
	return door{audit: a, Port: p, name: a.nameOf(p), submission: number == "587" || number == "465", implicit: number == "465"}.look(ctx)
}

// look makes a session, and judges it.
func (d door) look(ctx context.Context) []Finding {
	ctx, cancel := context.WithTimeout(ctx, portPatience)
	defer cancel()
	conn, err := d.open(ctx, tls.VersionTLS10, 0)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		if d.Expected {
			return d.about("port_closed", Warn, "nothing listens there, and the configuration names it ([audit] ports)", "", "start the service, or take the port out")
		}
		return d.about("port_closed", Info, "nothing listens there", "", "")
	case errors.Is(err, errNoTLS) && d.submission:
		return d.about("no_starttls", Fail, "the server does not offer STARTTLS", "passwords and mail of your users cross the network in the clear, and many clients refuse", "Postfix: smtpd_tls_security_level = encrypt for submission, smtpd_tls_chain_files = …")
	case errors.Is(err, errNoTLS):
		return d.about("no_starttls", Warn, "the server does not offer STARTTLS", "mail to this host crosses the network in the clear; Gmail shows it to its users", "Postfix: smtpd_tls_security_level = may, smtpd_tls_chain_files = …")
	case err != nil:
		return d.about("tls_unknown", Unknown, "no TLS session: "+err.Error(), "", "")
	}
	defer conn.Close()
	found := d.judge(conn.ConnectionState())
	return append(found, d.old(ctx)...)
}

// nameOf is the name that a port is known by: that of the configuration, if it has a
// name for it and no address, else the host's.
func (a *audit) nameOf(p Port) string {
	host, _, _ := net.SplitHostPort(p.Addr)
	if net.ParseIP(host) == nil && strings.Contains(host, ".") {
		return host
	}
	return a.Hostname
}

var errNoTLS = errors.New("STARTTLS is not offered")

// open makes a TLS session with the port, whatever its certificate is.
func (d door) open(ctx context.Context, least, most uint16) (*tls.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.Addr)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		raw.SetDeadline(deadline)
	}
	if !d.implicit {
		if err := startTLS(raw, or(d.Hostname, "localhost")); err != nil {
			raw.Close()
			return nil, err
		}
	}
	// The certificate is judged by itself, so that all that is wrong with it is told.
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: d.name, MinVersion: least, MaxVersion: most})
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("the handshake fails: %w", err)
	}
	return conn, nil
}

// startTLS asks a server for TLS (RFC 3207). Nothing but the answer to STARTTLS is
// read ahead of the handshake.
func startTLS(conn net.Conn, name string) error {
	r := bufio.NewReader(conn)
	if _, err := replyOf(r, "220"); err != nil {
		return fmt.Errorf("its greeting: %w", err)
	}
	fmt.Fprintf(conn, "EHLO %s\r\n", name)
	lines, err := replyOf(r, "250")
	if err != nil {
		return fmt.Errorf("its answer to EHLO: %w", err)
	}
	offered := false
	for _, line := range lines {
		offered = offered || strings.EqualFold(strings.TrimSpace(line), "STARTTLS")
	}
	if !offered {
		return errNoTLS
	}
	fmt.Fprintf(conn, "STARTTLS\r\n")
	if _, err := replyOf(r, "220"); err != nil {
		return fmt.Errorf("its answer to STARTTLS: %w", err)
	}
	if r.Buffered() > 0 {
		return errors.New("it sends text in the clear behind its answer to STARTTLS")
	}
	return nil
}

// maxReply bounds the lines of an SMTP reply.
const maxReply = 100

// replyOf reads an SMTP reply, and wants it to have a code.
func replyOf(r *bufio.Reader, code string) ([]string, error) {
	var lines []string
	for range maxReply {
		line, err := r.ReadSlice('\n')
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("it closed the connection")
			}
			return nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		if len(text) < 3 || text[:3] != code {
			return nil, fmt.Errorf("it answers %.80q", text)
		}
		if len(text) == 3 || text[3] == ' ' {
			return append(lines, text[min(4, len(text)):]), nil
		}
		lines = append(lines, text[4:])
	}
	return nil, fmt.Errorf("its reply has more than %d lines", maxReply)
}

// judge holds a session's certificate against clock, name and roots.
func (d door) judge(state tls.ConnectionState) []Finding {
	leaf := state.PeerCertificates[0]
	var found []Finding
	left := leaf.NotAfter.Sub(d.Now())
	until := leaf.NotAfter.UTC().Format("2006-01-02 15:04 UTC")
	bad := Warn // other MTAs do not verify on port 25, unless MTA-STS or DANE say so
	means := "other MTAs deliver all the same, unless MTA-STS or DANE ask them to verify"
	if d.submission {
		bad, means = Fail, "mail clients refuse to connect, or ask their users"
	}
	switch {
	case left <= 0:
		found = append(found, d.about("certificate_expired", bad, "the certificate expired on "+until, means, "renew it, and have the MTA read it")...)
	case d.Now().Before(leaf.NotBefore):
		found = append(found, d.about("certificate_not_yet", bad, "the certificate is valid only from "+leaf.NotBefore.UTC().Format("2006-01-02 15:04 UTC"), means, "look at the clocks")...)
	case left < verySoon:
		found = append(found, d.about("certificate_expires", bad, fmt.Sprintf("the certificate expires in %d hours, on %s", int(left.Hours()), until), means, "renew it: the automatic renewal has failed, perhaps")...)
	case left < soon:
		found = append(found, d.about("certificate_expires", Warn, fmt.Sprintf("the certificate expires in %d days, on %s", int(left.Hours()/24), until), "", "renew it")...)
	}
	if d.name != "" {
		if err := leaf.VerifyHostname(d.name); err != nil {
			found = append(found, d.about("certificate_name", bad, fmt.Sprintf("the certificate is not for %s, but for %s", d.name, or(strings.Join(leaf.DNSNames, ", "), "no name at all")), means, "get a certificate with that name")...)
		}
	}
	if err := d.chain(state.PeerCertificates); err != nil {
		text := certificateProblem(err)
		do := "have the MTA send the whole chain: certificate, then intermediates (smtpd_tls_chain_files)"
		if selfSigned(leaf) {
			do = "get a certificate from an authority that others know, such as Let's Encrypt (smtpd_tls_chain_files)"
		}
		found = append(found, d.about("certificate_chain", bad, or(text, err.Error()), means, do)...)
	}
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		found = append(found, d.about("certificate_key", Warn, fmt.Sprintf("the certificate's RSA key has %d bits", key.N.BitLen()), "", "get one with 2048 bits, or ECDSA")...)
	}
	if state.Version < tls.VersionTLS12 {
		found = append(found, d.about("old_tls", Warn, "the best that the server can is "+tls.VersionName(state.Version), "Gmail and others want TLS 1.2 at least", "allow TLS 1.2 and 1.3")...)
	}
	if len(found) == 0 {
		found = d.about("tls_ok", OK, fmt.Sprintf("%s; the certificate is for %s, valid until %s", tls.VersionName(state.Version), or(strings.Join(leaf.DNSNames, ", "), leaf.Subject.CommonName), until), "", "")
	}
	return found
}

// chain verifies the chain at the time when the leaf is valid: expiry is said elsewhere.
func (d door) chain(certificates []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range certificates[1:] {
		between.AddCert(c)
	}
	leaf, at := certificates[0], d.Now()
	if at.After(leaf.NotAfter) {
		at = leaf.NotAfter
	} else if at.Before(leaf.NotBefore) {
		at = leaf.NotBefore
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: d.Roots, Intermediates: between, CurrentTime: at})
	return err
}

func selfSigned(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }

// certificateProblem says in words what is wrong with a certificate, or returns "".
func certificateProblem(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &unknown):
		if unknown.Cert != nil && selfSigned(unknown.Cert) {
			return "the certificate is signed by itself, and by no authority that is known here"
		}
		return "the certificate's chain does not lead to an authority that is known here: an intermediate is missing, perhaps"
	case errors.As(err, &name):
		return "the certificate is for another name: " + name.Error()
	case errors.As(err, &invalid):
		return "the certificate is not valid: " + invalid.Error()
	}
	return ""
}

// old tries whether the server still takes TLS 1.0 or 1.1 (RFC 8996).
func (d door) old(ctx context.Context) []Finding {
	if !d.submission {
		return nil // on port 25 old TLS is better than none
	}
	conn, err := d.open(ctx, tls.VersionTLS10, tls.VersionTLS11)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return d.about("old_tls", Warn, "the server still takes "+tls.VersionName(conn.ConnectionState().Version), "it is deprecated (RFC 8996)", "Postfix: smtpd_tls_mandatory_protocols = >=TLSv1.2")
}
