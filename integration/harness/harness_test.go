package harness

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// start skips the test when what it starts is not there, unless the real programs are demanded.
func start[T interface{ Close() error }](t *testing.T, running T, err error) T {
	t.Helper()
	if errors.Is(err, ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Close(); err != nil {
			t.Error(err)
		}
	})
	return running
}

func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// relays sends a letter by SMTP and expects every octet of its body at the sink.
func relays(t *testing.T, addr string, sink *Sink, subject string) {
	t.Helper()
	ctx := testContext(t)
	answer, err := Send(ctx, addr, "", Mail{From: "a@example.org", To: []string{"b@example.net"}, Data: Letter(subject)})
	if err != nil || !answer.Accepted() {
		t.Fatalf("answer %s, error %v", answer, err)
	}
	d, err := sink.Await(ctx, "Subject: "+subject+"\r\n")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(Letter(subject), []byte("\r\n\r\n"))
	if !bytes.HasSuffix(d.Data, append([]byte("\r\n\r\n"), body...)) || d.From != "a@example.org" {
		t.Errorf("delivered from %s:\n%q", d.From, d.Data)
	}
}

func TestPostfixRelaysToTheSink(t *testing.T) {
	sink, err := StartSink(SinkOptions{})
	start(t, sink, err)
	postfix, err := StartPostfix(t.Context(), tempDir(t), PostfixOptions{Relay: sink.Addr()})
	start(t, postfix, err)
	other, err := StartPostfix(t.Context(), tempDir(t), PostfixOptions{Relay: sink.Addr()})
	start(t, other, err)

	relays(t, postfix.Addr(), sink, "over-ipv4")
	if postfix.Addr6() != "" {
		relays(t, postfix.Addr6(), sink, "over-ipv6")
	}
	relays(t, other.Addr(), sink, "beside")

	ctx := testContext(t)
	if err := postfix.Submit(ctx, Letter("submitted"), "-f", "a@example.org", "b@example.net"); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Await(ctx, "Subject: submitted"); err != nil {
		t.Fatalf("%v\n%s", err, Tail(postfix.Log(), 20))
	}
}

func TestPostfixBouncesWhatTheSinkRefuses(t *testing.T) {
	sink, err := StartSink(SinkOptions{Refuse: func(to string) string {
		if strings.HasPrefix(to, "nobody@") {
			return "550 5.1.1 no such user"
		}
		return ""
	}})
	start(t, sink, err)
	postfix, err := StartPostfix(t.Context(), tempDir(t), PostfixOptions{Relay: sink.Addr()})
	start(t, postfix, err)

	ctx := testContext(t)
	answer, err := Send(ctx, postfix.Addr(), "", Mail{From: "a@example.org", To: []string{"nobody@example.net"}, Data: Letter("bounced")})
	if err != nil || !answer.Accepted() {
		t.Fatalf("answer %s, error %v", answer, err)
	}
	bounce, err := sink.Await(ctx, "Undelivered Mail Returned to Sender")
	if err != nil {
		t.Fatalf("%v\n%s", err, Tail(postfix.Log(), 20))
	}
	if bounce.From != "" || bounce.Recipients[0] != "a@example.org" {
		t.Errorf("bounce from %q to %q", bounce.From, bounce.Recipients)
	}
}

func TestPostfixHoldsMailWhoseMilterIsAway(t *testing.T) {
	sink, err := StartSink(SinkOptions{})
	start(t, sink, err)
	postfix, err := StartPostfix(t.Context(), tempDir(t), PostfixOptions{Relay: sink.Addr(), Milter: "unix:/nonexistent/milter.sock"})
	start(t, postfix, err)

	ctx := testContext(t)
	answer, err := Send(ctx, postfix.Addr(), "", Mail{From: "a@example.org", To: []string{"b@example.net"}, Data: Letter("x")})
	if err != nil || answer.Code != 451 {
		t.Fatalf("answer %s, error %v", answer, err)
	}
	if err := postfix.Submit(ctx, Letter("local"), "-f", "a@example.org", "b@example.net"); err != nil {
		t.Fatal(err)
	}
	queued, err := postfix.Queue(ctx)
	if err != nil || len(queued) != 1 || queued[0].Queue != "maildrop" {
		t.Errorf("queue %+v, error %v", queued, err)
	}
	if got := sink.Deliveries(); len(got) != 0 {
		t.Errorf("%d messages were delivered", len(got))
	}
}

func TestSendmailRelaysToTheSink(t *testing.T) {
	sink, err := StartSink(SinkOptions{})
	start(t, sink, err)
	sendmail, err := StartSendmail(t.Context(), tempDir(t), SendmailOptions{Unpacked: "../../.build/sendmail", Relay: sink.Addr()})
	start(t, sendmail, err)

	relays(t, sendmail.Addr(), sink, "by-sendmail")
}
