package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"pratique/scanning/clamdtest"
	"pratique/signing"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pratique": main})
}

// TestScripts runs testdata/script/*.txt. Beside the usual commands there is
// "genkey rsa|ed25519 FILE NAME", which writes a private key and publishes it
// under NAME at the DNS server $DNS, "publish FILE", which publishes the records of
// a zone file there, "publishtext NAME TEXT", "record DIR", which writes the journal
// of recordMail, "lockstate DIR", which holds a state folder as a running daemon does, and what
// check_rate_test.go has.
func TestScripts(t *testing.T) {
	blind := clamdtest.Start(t) // calls everything clean
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			zone := startDNS(t) // one for each script: they run side by side
			e.Values[zoneKey{}] = zone
			e.Setenv("DNS", zone.addr)
			e.Setenv("BLINDCLAMD", blind.Address())
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"genkey": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) != 3 {
					ts.Fatalf("usage: genkey rsa|ed25519 FILE NAME")
				}
				ts.Check(writeKey(args[0], ts.MkAbs(args[1])))
				key, err := signing.LoadKey(ts.MkAbs(args[1]))
				ts.Check(err)
				ts.Value(zoneKey{}).(*zone).publish(args[2], key.Record())
			},
			"publishtext": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) != 2 {
					ts.Fatalf("usage: publishtext NAME TEXT")
				}
				ts.Value(zoneKey{}).(*zone).publish(args[0], args[1])
			},
			"publish": func(ts *testscript.TestScript, _ bool, args []string) {
				if len(args) != 1 {
					ts.Fatalf("usage: publish FILE")
				}
				ts.Check(ts.Value(zoneKey{}).(*zone).publishAll(ts.ReadFile(args[0])))
			},
			"record":    recordMail,
			"status":    statusOf,
			"countmail": countMail,
			"lockstate": func(ts *testscript.TestScript, _ bool, args []string) {
				release, err := lockState(ts.MkAbs(args[0]))
				ts.Check(err)
				ts.Defer(func() { release() })
			},
		},
	})
}

func writeKey(kind, file string) error {
	var key any
	var err error
	if kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// zoneKey finds the DNS server of a script.
type zoneKey struct{}

// zone is a DNS server with authority for everything, that knows some TXT records.
type zone struct {
	addr string
	mu   sync.Mutex
	txt  map[string]string
	down bool // it fails at every question
}

func startDNS(t *testing.T) *zone {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{addr: conn.LocalAddr().String(), txt: map[string]string{}}
	server := &dns.Server{PacketConn: conn, Handler: z}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	return z
}

func (z *zone) publish(name, text string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.txt[strings.ToLower(dns.Fqdn(name))] = text
}

// fail has the server fail at every question, or no longer.
func (z *zone) fail(down bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.down = down
}

// publishAll publishes the TXT records of a zone file.
func (z *zone) publishAll(text string) error {
	parser := dns.NewZoneParser(strings.NewReader(text), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		txt, isTXT := rr.(*dns.TXT)
		if !isTXT {
			return fmt.Errorf("%v is no TXT record", rr)
		}
		z.publish(txt.Hdr.Name, strings.Join(txt.Txt, ""))
	}
	return parser.Err()
}

func (z *zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	z.mu.Lock()
	defer z.mu.Unlock()
	answer := new(dns.Msg)
	answer.SetReply(q)
	answer.Authoritative = true
	text, ok := z.txt[strings.ToLower(q.Question[0].Name)]
	switch {
	case z.down:
		answer.Rcode = dns.RcodeServerFailure
	case !ok:
		answer.Rcode = dns.RcodeNameError
	case q.Question[0].Qtype == dns.TypeTXT:
		rr := &dns.TXT{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
		for len(text) > 255 {
			rr.Txt, text = append(rr.Txt, text[:255]), text[255:]
		}
		rr.Txt = append(rr.Txt, text)
		answer.Answer = []dns.RR{rr}
	}
	w.WriteMsg(answer)
}
