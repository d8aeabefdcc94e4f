package integration

import (
	"bytes"
	"fmt"
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
	w := newWorld(t, tables{}, harness.SinkOptions{EightBitMIME: true, Refuse: refuseNobody}) // Postfix declares its bounces 8bit
	p := w.postfix(w.overUnix())
	w.verifies(w.bounce(p, "lost"))
}

// The bounces of a host whose name has no keys get those of the default domain, and
// without one they say why they have none.
func TestBouncesOfAHostWithoutKeys(t *testing.T) {
	const reason = "X-Pratique-Unsigned"
	settings := fmt.Sprintf("reason_header = %q\nexclude = [\"quiet@example.org\"]\n", reason)
	w := newWorld(t, tables{signing: signingKeys.TOML(settings)}, harness.SinkOptions{EightBitMIME: true, Refuse: refuseNobody})
	p := w.postfix(w.overUnix(), "myorigin", "mx7.example.com") // the domain of a bounce's From

	w.saysUnsigned(w.bounce(p, "first"), reason+": null_sender\r\n")
	excluded := mail(bytes.Replace(harness.Letter("excluded"), []byte("From: "), []byte(reason+": forged\r\nFrom: Quiet <quiet@example.org>\r\nX-From: "), 1))
	w.accepts(p.Addr(), excluded)
	w.saysUnsigned(w.delivered("excluded"), reason+": excluded\r\n")

	if err := w.pratique.Reload(w.ctx, tables{signing: signingKeys.TOML(settings + "default_domain = \"example.org\"\n")}.toml()); err != nil {
		t.Fatal(err)
	}
	w.verifies(w.bounce(p, "second"))
}

// saysUnsigned holds that a message has no signature, and one field with this reason.
func (w *world) saysUnsigned(d harness.Delivery, field string) {
	w.Helper()
	head, _, _ := bytes.Cut(d.Data, []byte("\r\n\r\n"))
	name, _, _ := strings.Cut(field, ":")
	if bytes.Contains(head, []byte("DKIM-Signature:")) || !bytes.Contains(head, []byte(field)) || bytes.Count(head, []byte(name)) != 1 {
		w.Errorf("wanted unsigned, and once %q:\n%s", field, head)
	}
}

func refuseNobody(to string) string {
	if strings.HasPrefix(to, "nobody@") {
		return "550 5.1.1 no such user"
	}
	return ""
}

// bounce sends a message that comes back, and returns what its sender gets.
func (w *world) bounce(p *harness.Postfix, subject string) harness.Delivery {
	w.Helper()
	lost := mail(harness.Letter(subject))
	lost.To = []string{"nobody@example.net"}
	w.accepts(p.Addr(), lost)
	d, err := w.sink.Await(w.ctx, "Subject: "+subject+"\r\n")
	if err != nil {
		w.Fatal(err)
	}
	if d.From != "" || d.Recipients[0] != "sender@example.org" {
		w.Errorf("bounce from %q to %q:\n%s", d.From, d.Recipients, d.Data)
	}
	return d
}
