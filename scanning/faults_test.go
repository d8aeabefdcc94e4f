package scanning

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/scanning/clamdtest"
)

// failing are the clamds that never come to a verdict.
var failing = map[string]func(t testing.TB) string{
	"absent":                    clamdtest.Absent,
	"refusing":                  clamdtest.Refusing,
	"queue full":                clamdtest.Full,
	"refusing tcp":              func(t testing.TB) string { f := clamdtest.StartTCP(t, clamdtest.Clean); f.Refuse(); return f.Address() },
	"stalls at once":            fake(clamdtest.StallAtOnce),
	"stalls after 10":           fake(clamdtest.StallAt(10)),
	"stalls after 70,000":       fake(clamdtest.StallAt(70_000)),
	"stalls before the answer":  fake(clamdtest.StallBeforeAnswer),
	"dies at once":              fake(clamdtest.DieAtOnce),
	"dies after 10":             fake(clamdtest.DieAt(10)),
	"dies after 70,000":         fake(clamdtest.DieAt(70_000)),
	"dies after 500,000":        fake(clamdtest.DieAt(500_000)),
	"dies before the answer":    fake(clamdtest.DieBeforeAnswer),
	"dies, then stalls":         fake(clamdtest.DieAt(10), clamdtest.StallAtOnce),
	"temporary file":            fake(clamdtest.EarlyAndHangUp(10, "Error writing to temporary file ERROR")),
	"error":                     fake(clamdtest.Answer("stream: Can't allocate memory ERROR")),
	"timed out":                 fake(clamdtest.AnswerRaw("COMMAND READ TIMED OUT\n")),
	"unknown command":           fake(clamdtest.Answer("UNKNOWN COMMAND")),
	"another server":            fake(clamdtest.Greet("220 mail.example.org ESMTP\r\n")),
	"empty answer":              fake(clamdtest.Answer("")),
	"truncated clean":           fake(clamdtest.AnswerRaw("stream: O")),
	"clean without its end":     fake(clamdtest.AnswerRaw("stream: OK")),
	"clean in the n form":       fake(clamdtest.AnswerRaw("stream: OK\n")),
	"clean, then infected":      fake(clamdtest.AnswerRaw("stream: OK\x00stream: X FOUND\x00")),
	"two lines":                 fake(clamdtest.Answer("stream: OK\nstream: X FOUND")),
	"clean with spaces":         fake(clamdtest.Answer("stream: OK ")),
	"clean in lower case":       fake(clamdtest.Answer("stream: ok")),
	"clean of something else":   fake(clamdtest.Answer("/tmp/x: OK")),
	"numbered, as in a session": fake(clamdtest.Answer("1: stream: OK")),
	"found without a name":      fake(clamdtest.Answer("stream:  FOUND")),
	"endless answer":            fake(clamdtest.AnswerRaw(strings.Repeat("stream: OK", 10_000))),
	"binary":                    fake(clamdtest.AnswerRaw("\xff\xfe\x00\x01")),
}

func fake(behaviours ...clamdtest.Behaviour) func(t testing.TB) string {
	return func(t testing.TB) string { return clamdtest.Start(t, behaviours...).Address() }
}

func TestNoVerdictIsNeverAnAcceptByDefault(t *testing.T) {
	for name, clamd := range failing {
		for size, raw := range map[string][]byte{"small": mail(small), "large": mail(large)} {
			for _, policy := range []message.OnError{message.Tempfail, message.Accept, message.Hold} {
				t.Run(name+"/"+size+"/"+policy.String(), func(t *testing.T) {
					t.Parallel()
					opts := options(clamd(t))
					opts.Timeout = 50 * time.Millisecond // failing is all that is asked for
					opts.OnError = policy
					s := newScanner(t, opts)
					m, err := play(t, s, raw)
					if len(m.Failures) != 1 || m.Failures[0].Check != "scanning" {
						t.Errorf("failures = %v, want one", m.Failures)
					}
					if note(m, "verdict") != "" {
						t.Errorf("verdict %q", note(m, "verdict"))
					}
					var refusal *message.Refusal
					switch policy {
					case message.Tempfail:
						if !errors.As(err, &refusal) || !refusal.Temporary() {
							t.Errorf("answer = %v, want a 4xx", err)
						}
					case message.Accept:
						if err != nil || m.Held() != "" {
							t.Errorf("answer = %v, held %q", err, m.Held())
						}
					case message.Hold:
						if err != nil || m.Held() == "" {
							t.Errorf("answer = %v, held %q", err, m.Held())
						}
					}
				})
			}
		}
	}
}

// A word of clamd that came before the end of the message can't be about all of it.
func TestEarlyCleanIsNotClean(t *testing.T) {
	for name, hangUp := range map[string]bool{"goes on reading": false, "hangs up": true} {
		t.Run(name, func(t *testing.T) {
			spoken := make(chan struct{})
			clamd := clamdtest.Start(t, func(c *clamdtest.Conn) {
				c.ReadUntil(10)
				c.Answer("stream: OK")
				if hangUp {
					c.Close()
				}
				close(spoken)
				c.Finish()
			})
			s := newScanner(t, options(clamd.Address()))
			i := begin(t, s)
			defer i.Close()
			if _, err := i.Write(mail(2 * chunkSize)); err != nil {
				t.Fatal(err)
			}
			<-spoken
			if err := i.End(); err == nil {
				t.Error("accepted")
			}
		})
	}
}
