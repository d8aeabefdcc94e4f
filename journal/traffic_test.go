package journal

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"pratique/message"
)

// traffic makes messages such as a host for many sites sends: few clients, domains
// and receivers with most of the mail, and very many with little. The same seed makes
// the same messages.
type traffic struct {
	random                                *rand.Rand
	clients, logins, senders, domains, to *rand.Zipf
	n                                     int
}

func newTraffic(seed uint64) *traffic {
	random := rand.New(rand.NewPCG(seed, 1))
	zipf := func(most uint64) *rand.Zipf { return rand.NewZipf(random, 1.2, 4, most) }
	return &traffic{random: random, clients: zipf(200), logins: zipf(2000), senders: zipf(20), domains: zipf(500), to: zipf(50_000)}
}

// next makes a message and its outcome.
func (g *traffic) next(at time.Time) (*message.Message, message.Outcome) {
	g.n++
	client, domain := g.clients.Uint64(), g.domains.Uint64()
	from := fmt.Sprintf("sender%d@site%d.example", g.senders.Uint64(), domain)
	m := &message.Message{
		Client: message.Client{
			Addr: netip.AddrFrom4([4]byte{10, 1, byte(client >> 8), byte(client)}),
			Name: fmt.Sprintf("app%d.example.org", client), Helo: fmt.Sprintf("app%d.example.org", client), TLS: "TLSv1.3",
		},
		QueueID: fmt.Sprintf("4F%09X", g.random.Uint64()>>28), Sender: from,
		BodySize: int64(2000 + g.random.ExpFloat64()*20_000), Began: at.Add(-20 * time.Millisecond),
		Notes: []message.Note{{Check: "access", Key: "admitted", Text: "network 10.0.0.0/8"}},
	}
	if g.random.IntN(3) == 0 {
		m.Client.Login = fmt.Sprintf("login%d", g.logins.Uint64())
	}
	for range 1 + g.random.IntN(20)/19 {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: fmt.Sprintf("user%d@receiver%d.example", g.random.IntN(1e6), g.to.Uint64())})
	}
	g.header(m, from)
	for _, name := range []string{"access", "rates", "lint", "scanning", "survival", "signing", "forecast"} {
		m.Checks = append(m.Checks, message.CheckRun{Check: name, State: message.CheckRan, Spent: time.Duration(g.random.IntN(900)) * time.Microsecond})
	}
	return m, g.outcome(m, domain)
}

func (g *traffic) header(m *message.Message, from string) {
	for _, f := range [][2]string{
		{"Received", " from app (app.example.org [10.1.0.1])\r\n\tby mail.example.org (Postfix) with ESMTPS id 4F123456789\r\n\tfor <user@receiver.example>; Sat, 28 Nov 2026 13:00:00 +0000"},
		{"From", " Shop <" + from + ">"}, {"To", " <user@receiver.example>"}, {"Subject", " Your order has been shipped"},
		{"Date", " Sat, 28 Nov 2026 13:00:00 +0000"}, {"MIME-Version", " 1.0"}, {"Content-Type", " multipart/alternative; boundary=x"},
		{"Message-ID", fmt.Sprintf(" <%016x.%d@%s>", g.random.Uint64(), g.n, message.Domain(from))},
		{"X-Mailer", " Shop 1.0"}, {"List-Unsubscribe", " <https://shop.example/u?x=1>"},
	} {
		if err := m.Header.Receive(message.NewField(f[0], f[1])); err != nil {
			panic(err)
		}
	}
}

// outcome decides what becomes of a message: 4 of 100 are refused or deferred, and 1 leaves unsigned.
func (g *traffic) outcome(m *message.Message, domain uint64) message.Outcome {
	if g.random.IntN(10) == 0 {
		rule := fmt.Sprintf("M%02d", 1+g.random.IntN(30))
		m.Findings = append(m.Findings, message.Finding{Check: "lint", Rule: rule, Action: "warn", Where: fmt.Sprintf("1.2 line %d", g.random.IntN(500)), Detail: "what was found there"})
	}
	switch at := g.random.IntN(100); {
	case at < 3:
		rule := fmt.Sprintf("H%02d", 1+g.random.IntN(20))
		m.Findings = append(m.Findings, message.Finding{Check: "lint", Rule: rule, Action: "reject", Where: "From[1]", Detail: "what was found there"})
		m.Checks[2].State, m.Checks[3].State, m.Checks[4].State, m.Checks[5].State, m.Checks[6].State = message.CheckDecided, 0, 0, 0, 0
		return message.Outcome{Verdict: message.Refused, Stage: message.StageHeader, Check: "lint", Refusal: &message.Refusal{Code: 550, Enhanced: "5.6.0", Text: rule + " what is wrong: From[1] what was found there"}}
	case at < 4:
		m.Checks[1].State = message.CheckDecided
		return message.Outcome{Verdict: message.Tempfailed, Stage: message.StageHeader, Check: "rates", Refusal: &message.Refusal{Code: 451, Enhanced: "4.7.1",
			Text: fmt.Sprintf("rates: sender %s sent %d recipients in the last 1h, limit 500; room again in %d min", m.Sender, 500, g.random.IntN(60))}}
	case at < 5:
		m.Notes = append(m.Notes, message.Note{Check: "scanning", Key: "verdict", Text: "clean"}, message.Note{Check: "signing", Key: "unsigned", Code: "no_key", Text: fmt.Sprintf("no key for \"site%d.example\"", domain)})
		return message.Outcome{}
	}
	m.Notes = append(m.Notes, message.Note{Check: "scanning", Key: "verdict", Text: "clean"})
	for _, key := range []string{"s=2026a a=rsa-sha256", "s=2026e a=ed25519-sha256"} {
		m.Notes = append(m.Notes, message.Note{Check: "signing", Key: "signed", Text: fmt.Sprintf("d=site%d.example %s", domain, key)})
		m.Header.Prepend("DKIM-Signature", " v=1; a=rsa-sha256; c=relaxed/relaxed; d=site.example; s=2026a; t=1; h=From:To:Subject; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b="+string(make([]byte, 340)))
	}
	return message.Outcome{}
}
