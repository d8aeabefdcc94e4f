package integration

import (
	"bytes"
	"strings"
	"testing"

	"pratique/integration/harness"
)

func TestLocalMailIsSigned(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	if err := p.Submit(w.ctx, harness.Letter("local"), "-f", "sender@example.org", "recipient@example.net"); err != nil {
		t.Fatal(err)
	}
	w.verifies(w.delivered("local"))
}

// What is refused does not come back to the MTA for ever: the sender gets it back.
func TestLocalMailThatIsRefusedIsReturned(t *testing.T) {
	w := newWorld(t, tables{}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	if err := p.Submit(w.ctx, harness.BrokenMIME("bad"), "-f", "sender@example.org", "recipient@example.net"); err != nil {
		t.Fatal(err)
	}
	d, err := w.sink.Await(w.ctx, "Undelivered Mail Returned to Sender")
	if err != nil {
		t.Fatal(err)
	}
	if d.Recipients[0] != "sender@example.org" || !bytes.Contains(d.Data, []byte("M01")) {
		t.Errorf("to %q:\n%s", d.Recipients, d.Data)
	}
}

// A bounce has the null sender, comes from Postfix itself, and is never refused, whatever is in it.
func TestBounces(t *testing.T) {
	refuse := func(to string) string {
		if strings.HasPrefix(to, "nobody@") {
			return "550 5.1.1 no such user"
		}
		return ""
	}
	w := newWorld(t, tables{}, harness.SinkOptions{EightBitMIME: true, Refuse: refuse}) // Postfix declares its bounces 8bit
	p := w.postfix(w.overUnix(), "myhostname", "example.org")                           // which is the bounce's From domain
	lost := mail(harness.Letter("lost"))
	lost.To = []string{"nobody@example.net"}
	w.accepts(p.Addr(), lost)
	d, err := w.sink.Await(w.ctx, "Undelivered Mail Returned to Sender")
	if err != nil {
		t.Fatal(err)
	}
	if d.From != "" || d.Recipients[0] != "sender@example.org" {
		t.Errorf("bounce from %q to %q", d.From, d.Recipients)
	}
	w.verifies(d)
}
