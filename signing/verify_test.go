package signing

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/miekg/dns"

	"pratique/message"
)

func TestVerifySeparatesGoodFromBad(t *testing.T) {
	id := example(t)
	signed, _ := sign(t, id.signer(t, goRSA{}), letter)
	delete(id.records, "e._domainkey.example.org")
	results, err := Verify(context.Background(), bytes.NewReader(signed), id.lookup)
	if err != nil || len(results) != 2 {
		t.Fatalf("%v, %v", results, err)
	}
	if results[0].Err != nil || results[0].Selector != "r" || results[0].Algorithm != rsaSHA256 || results[0].Domain != "example.org" {
		t.Errorf("first %+v", results[0])
	}
	if results[1].Err == nil || results[1].Selector != "e" || results[1].Algorithm != ed25519SHA256 {
		t.Errorf("second %+v", results[1])
	}
}

func TestVerifyWhatIsNotSigned(t *testing.T) {
	for _, text := range []string{letter, "", "Subject: a header alone", "Subject: a header alone\r\n"} {
		results, err := Verify(context.Background(), strings.NewReader(text), identity{}.lookup)
		if results != nil || err != nil {
			t.Errorf("%q: %v, %v", text, results, err)
		}
	}
}

func TestVerifyBounds(t *testing.T) {
	signature := "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r; h=From; bh=; b=\r\n"
	tests := map[string]string{
		"more than the 50": strings.Repeat(signature, maxSignatures+1) + letter,
		"larger than":      "Subject: " + strings.Repeat("x", message.MaxHeaderBytes) + "\r\n\r\n",
	}
	for want, text := range tests {
		if _, err := Verify(context.Background(), strings.NewReader(text), identity{}.lookup); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	broken := errors.New("disk on fire")
	r := io.MultiReader(strings.NewReader("Subject: x\r\n"), failing{broken})
	if _, err := Verify(context.Background(), r, identity{}.lookup); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Signatures of all four canonicalizations over generated messages are valid for
// go-msgauth, and its signer finds the same body hash. Bare CR and LF are left
// out: go-msgauth makes line ends of them.
func TestAgainstMsgauth(t *testing.T) {
	id := example(t)
	random := rand.New(rand.NewPCG(5, 6))
	for _, canonicalization := range []string{"relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"} {
		id.opts.Canonicalization = canonicalization
		s := id.signer(t, testBackends(t)[0])
		for range 50 {
			text := randomHeader(random) + "\r\n" + randomBody(random, "")
			signed, m := sign(t, s, text)
			id.wantValid(t, signed, 2)
			first, _ := m.Header.First(signatureField)
			if got, want := tag(first.Unfolded(), "bh"), msgauthBodyHash(t, s.canon, text); got != want {
				t.Errorf("%s: bh=%s, go-msgauth has %s:\n%q", canonicalization, got, want, text)
			}
		}
	}
}

func msgauthBodyHash(t *testing.T, c canonicalization, text string) string {
	t.Helper()
	var signed bytes.Buffer
	err := dkim.Sign(&signed, strings.NewReader(text), &dkim.SignOptions{
		Domain: "example.org", Selector: "e", Signer: newEd25519(t),
		HeaderCanonicalization: dkim.Canonicalization(algorithm(c.relaxedHeader)),
		BodyCanonicalization:   dkim.Canonicalization(algorithm(c.relaxedBody)),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, value, _ := strings.Cut(signed.String(), ":")
	field, _, _ := strings.Cut(value, "\r\nFrom")
	return tag(field, "bh")
}

// randomHeader has a From first and then fields of difficult shapes.
func randomHeader(random *rand.Rand) string {
	names := []string{"To", "TO", "cc", "Subject", "Reply-To", "References", "List-Unsubscribe", "Resent-From", "X-Other", "Content-Type"}
	pieces := []string{" ", "  ", "\t", "\r\n ", "\r\n\t ", "a", "word", ":", ";", "b=c", "\xc3\xa9"}
	var b strings.Builder
	b.WriteString("From: Sender <sender@example.org>\r\n")
	for range random.IntN(12) {
		b.WriteString(names[random.IntN(len(names))] + ":")
		for range random.IntN(12) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		b.WriteString("x\r\n")
	}
	return b.String()
}

func TestResolver(t *testing.T) {
	addr := serveDNS(t, map[string][]string{"r._domainkey.example.org.": {"v=DKIM1; k=rsa; ", "p=AAAA"}})
	lookup := Resolver(addr)
	records, err := lookup(t.Context(), "r._domainkey.example.org")
	if err != nil || len(records) != 1 || records[0] != "v=DKIM1; k=rsa; p=AAAA" {
		t.Errorf("%q, %v", records, err)
	}
	_, err = lookup(t.Context(), "e._domainkey.example.org")
	var dnsError *net.DNSError
	if !errors.As(err, &dnsError) || !dnsError.IsNotFound {
		t.Errorf("an absent name: %v", err)
	}
}

// serveDNS answers for these TXT records, over UDP with the truncated bit only,
// so that TCP is needed, and returns the address.
func serveDNS(t *testing.T, records map[string][]string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		text, found := records[strings.ToLower(r.Question[0].Name)]
		switch _, udp := w.RemoteAddr().(*net.UDPAddr); {
		case !found:
			m.Rcode = dns.RcodeNameError
		case udp:
			m.Truncated = true
		default:
			header := dns.RR_Header{Name: r.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}
			m.Answer = append(m.Answer, &dns.TXT{Hdr: header, Txt: text})
		}
		w.WriteMsg(m)
	})
	for _, server := range []*dns.Server{{Listener: listener, Handler: handler}, {PacketConn: packets, Handler: handler}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return listener.Addr().String()
}
