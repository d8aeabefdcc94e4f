package integration

import (
	"strings"
	"testing"

	"pratique/integration/harness"
	"pratique/scanning/clamdtest"
)

func eicarMail(subject string) harness.Mail {
	return mail(harness.WithAttachment(subject, "report.dat", clamdtest.EICAR()))
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, tables{clamd: realClamd(t)}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())

	w.refuses(w.send(p.Addr(), eicarMail("infected")), ".", 554, clamdtest.EICARName)
	w.refuses(w.send(p.Addr(), mail(harness.BrokenMIME("broken"))), ".", 550, "M01")
	w.refuses(w.sendFrom(p.Addr(), "127.0.0.2", mail(harness.Letter("stranger"))), "MAIL", 550, "127.0.0.2")
	w.nothingDelivered(p)

	w.accepts(p.Addr(), mail(harness.WithAttachment("clean", "report.dat", []byte("figures"))))
	w.delivered("clean")
}

// What is wrong with a message is told in lines of one reply, the worst first, and of
// very much of it how much more there is. An override has the same pass for another sender.
func TestRefusalForManyFaults(t *testing.T) {
	w := newWorld(t, tables{lint: "[[lint.overrides]]\nsenders = [\"other@example.org\"]\n" +
		`rules = { H02 = "observe", H03 = "off", H04 = "off", H09 = "warn", H11 = "off", H12 = "off" }`}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())

	faulty := mail(append([]byte("From: x\r\nReply-To: a@example.org\r\nReply-To: b@example.org\r\nSender: a@example.org\r\nSender: b@example.org\r\n"+
		"Cc: a@example.org\r\nCc: b@example.org\r\nMessage-ID: <"+strings.Repeat("long-", 110)+">\r\n"), harness.Letter("faulty")...))
	answer := w.send(p.Addr(), faulty)
	w.refuses(answer, ".", 550, "H02 several From fields: From[2]", "(Gmail answers 550 5.7.1, Yahoo 554 as not RFC compliant)")
	if n := len(answer.Lines); n != 5 || !strings.HasSuffix(answer.Lines[n-1], " more)") {
		t.Errorf("%d lines, the last one should say how many more there are: %s", n, answer)
	}

	faulty.From = "other@example.org"
	w.accepts(p.Addr(), faulty)
}

// The refusal of one message leaves the session, and the milter's connection, fit for the next.
func TestRefusalsWithinOneSession(t *testing.T) {
	w := newWorld(t, tables{clamd: realClamd(t)}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	c, err := harness.Dial(w.ctx, p.Addr(), "")
	started(t, c, err)

	for _, step := range []struct {
		mail harness.Mail
		code int
	}{
		{eicarMail("one"), 554}, {mail(harness.Letter("two")), 250},
		{mail(harness.BrokenMIME("three")), 550}, {mail(harness.Letter("four")), 250},
	} {
		answer, err := c.Send(step.mail)
		if err != nil {
			t.Fatal(err)
		}
		w.refuses(answer, ".", step.code)
	}
	w.delivered("two")
	w.delivered("four")
	if got := len(w.sink.Deliveries()); got != 2 {
		t.Errorf("%d messages were delivered", got)
	}
}

func TestClientOverIPv6(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	if p.Addr6() == "" {
		t.Skip("this machine has no IPv6 loopback address")
	}
	w.accepts(p.Addr6(), mail(harness.Letter("six")))
	w.delivered("six")

	shut := newWorld(t, tables{access: `networks = ["127.0.0.1"]`}, harness.SinkOptions{})
	p = shut.postfix(shut.overUnix())
	shut.refuses(shut.send(p.Addr6(), mail(harness.Letter("six"))), "MAIL", 550, "::1")
}

// A client that sends its commands at once (RFC 2920) has every one of them answered.
func TestPipelinedClient(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	envelope := []string{"MAIL FROM:<sender@example.org>", "RCPT TO:<one@example.net>", "RCPT TO:<two@example.net>", "DATA"}
	for from, want := range map[string][]int{"127.0.0.1": {250, 250, 250, 354}, "127.0.0.2": {550, 503, 503, 503}} {
		c, err := harness.Dial(w.ctx, p.Addr(), from)
		started(t, c, err)
		replies, err := c.Pipeline(envelope...)
		if err != nil {
			t.Fatal(err)
		}
		for i, reply := range replies {
			if reply.Code != want[i] {
				t.Errorf("from %s, %s was answered %s; expected %d", from, envelope[i], reply, want[i])
			}
		}
		if want[3] != 354 {
			continue
		}
		if reply, err := c.Content(harness.Letter("pipelined")); err != nil || reply.Code != 250 {
			t.Errorf("answered %s, %v", reply, err)
		}
	}
	if d := w.delivered("pipelined"); len(d.Recipients) != 2 {
		t.Errorf("delivered to %q", d.Recipients)
	}
}

// Postfix tells the login at MAIL; XCLIENT gives us one without a SASL server.
func TestLoginFromAnywhere(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix(), "mynetworks", "0.0.0.0/0")
	c, err := harness.Dial(w.ctx, p.Addr(), "")
	started(t, c, err)
	for _, command := range []string{"XCLIENT ADDR=192.0.2.7 LOGIN=shop", "EHLO laptop.example.org"} {
		if reply, err := c.Cmd(command); err != nil || !reply.Positive() {
			t.Fatalf("%s was answered %s, %v", command, reply, err)
		}
	}
	answer, err := c.Send(mail(harness.Letter("roaming")))
	if err != nil || !answer.Accepted() {
		t.Fatalf("answered %s, %v", answer, err)
	}
	w.delivered("roaming")
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, tables{rates: `
[[rates.limits]]
per = "sender"
count = "recipients"
max = 3
every = "1h"
then = "tempfail"`}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	two := mail(harness.Letter("two"))
	two.To = []string{"a@example.net", "b@example.net"}

	w.accepts(p.Addr(), two)
	if answer := w.send(p.Addr(), two); answer.Code/100 != 4 {
		t.Errorf("four of three: answered %s", answer)
	}
	w.accepts(p.Addr(), mail(harness.Letter("third"))) // what was refused did not count
	if answer := w.send(p.Addr(), mail(harness.Letter("fourth"))); answer.Code/100 != 4 {
		t.Errorf("four of three: answered %s", answer)
	}
	other := mail(harness.Letter("other"))
	other.From = "another@example.org"
	w.accepts(p.Addr(), other)
}

func TestHoldAndDiscard(t *testing.T) {
	clamd := realClamd(t)
	w := newWorld(t, tables{clamd: clamd, scanning: `infected = "hold"`}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	w.accepts(p.Addr(), eicarMail("held"))
	queued := w.queue(p)
	if len(queued) != 1 || queued[0].Queue != "hold" {
		t.Fatalf("the queue holds %+v", queued)
	}
	if err := p.Release(w.ctx, queued[0].ID); err != nil {
		t.Fatal(err)
	}
	w.verifies(w.delivered("held")) // it was signed before it was held

	discarding := newWorld(t, tables{clamd: clamd, scanning: `infected = "discard"`}, harness.SinkOptions{})
	p = discarding.postfix(discarding.overUnix())
	discarding.accepts(p.Addr(), eicarMail("discarded"))
	discarding.nothingDelivered(p)
}
