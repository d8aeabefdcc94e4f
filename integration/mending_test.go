package integration

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"

	"pratique/integration/harness"
	"pratique/signing/survival"
)

// notMended returns which messages of the corpus do not survive although mending is
// on, because of what they are.
func notMended() []string {
	return slices.Sorted(slices.Values(slices.Concat(
		[]string{"signed 8bit"}, // by somebody else
		[]string{"message 8bit", "message at top", "message both", "message base64 inner", "message global", "message partial", "digest", "999 in message"},                    // forwarded
		[]string{"8bit twice", "8bit first of two", "boundary prefix", "boundary after comment", "no boundary", "not closed", "part header alone", "multipart base64 parts 8"}, // unclear
		[]string{"999 in preamble", "999 in epilogue", "999 in part header", "8bit preamble declared"},                                                                         // not content
		[]string{"long signed field", "long signed words", "long space in field"},                                                                                              // not the body
	)))
}

// Whatever is mended arrives with valid signatures over a hop without 8BITMIME, and
// with the content that it had. The forecast that is made of it holds for Postfix.
func TestMendedMailSurvives(t *testing.T) {
	t.Run("postfix", func(t *testing.T) {
		w := mendingWorld(t)
		corpus := survivalCorpus()
		w.sendAll(w.postfix(w.overUnix()).Addr(), corpus)
		var left []string
		for name, m := range corpus {
			survives := w.survives(w.sink, name)
			if forecast := forecastOf(t, mending(), mendedForm, []byte(m))["none"]; survives != forecast {
				t.Errorf("%s: survives %v, the forecast was %v", name, survives, forecast)
			}
			if survives {
				w.hasContent(name, m)
			} else {
				left = append(left, name)
			}
		}
		if slices.Sort(left); !slices.Equal(left, notMended()) {
			t.Errorf("these do not survive: %q", left)
		}
	})
	t.Run("sendmail", func(t *testing.T) {
		w := mendingWorld(t)
		corpus := survivalCorpus()
		maps.DeleteFunc(corpus, func(_, m string) bool {
			return forecastOf(t, survival.DefaultOptions(), mendedForm, []byte(m))["none"] || !forecastOf(t, mending(), mendedForm, []byte(m))["none"]
		})
		delete(corpus, "boundary padded") // where a body had 8-bit octets when it came, Sendmail drops these blanks
		w.sendAll(w.sendmail().Addr(), corpus)
		for name, m := range corpus {
			if !w.survives(w.sink, name) {
				t.Errorf("%s does not survive", name)
			}
			w.hasContent(name, m)
		}
	})
}

const mendedForm = "simple/simple" // not an octet may differ

func mending() survival.Options {
	o := survival.DefaultOptions()
	o.Mend = true
	return o
}

func mendingWorld(t *testing.T) *world {
	t.Helper()
	return newWorld(t, tables{
		signing:  signingKeys.TOML(fmt.Sprintf("canonicalization = %q", mendedForm)),
		survival: "mend = true",
		lint:     "[lint.rules]\n" + offRules,
	}, harness.SinkOptions{})
}

// sendAll sends messages in one session.
func (w *world) sendAll(addr string, corpus map[string]string) {
	w.Helper()
	c, err := harness.Dial(w.ctx, addr, "")
	started(w.T, c, err)
	for name, m := range corpus {
		if answer, err := c.Send(mail([]byte(m))); err != nil || !answer.Accepted() {
			w.Fatalf("%s: answered %s, %v", name, answer, err)
		}
	}
}

// hasContent holds a delivery against what was sent.
func (w *world) hasContent(name, sent string) {
	w.Helper()
	if !strings.HasSuffix(sent, "\r\n") {
		sent += "\r\n" // as SMTP has it
	}
	want, got := contentsOf([]byte(sent)), contentsOf(w.delivered(subjectOf(name)).Data)
	if !slices.Equal(got, want) {
		w.Errorf("%s: the content was\n%q and is\n%q", name, want, got)
	}
}

// contentsOf are the decoded leaves of a message, as go-message reads them, each with its type.
func contentsOf(data []byte) []string {
	e, err := gomessage.Read(bytes.NewReader(data))
	if e == nil {
		return []string{err.Error()}
	}
	var all []string
	err = e.Walk(func(path []int, part *gomessage.Entity, err error) error {
		if err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
			return err
		}
		if mediaType, _, _ := part.Header.ContentType(); !strings.HasPrefix(mediaType, "multipart/") {
			content, err := io.ReadAll(part.Body)
			all = append(all, fmt.Sprintf("%v %s %v: %s", path, mediaType, err, content))
		}
		return nil
	})
	return append(all, fmt.Sprint(err))
}

// Postfix declares its bounces 8bit. Mended, they survive a hop that takes no 8bit.
func TestMendedBounceSurvives(t *testing.T) {
	w := newWorld(t, tables{survival: "mend = true"}, harness.SinkOptions{Refuse: refuseNobody})
	p := w.postfix(w.overUnix())
	w.verifies(w.bounce(p, "lost"))
}

// A message that is to be held is mended too: it is to be valid when it is released.
func TestHeldMailIsMended(t *testing.T) {
	clamd := filepath.Join(t.TempDir(), "none")
	w := newWorld(t, tables{clamd: "unix:" + clamd, scanning: "timeout = \"1s\"\non_error = \"hold\"", survival: "mend = true"}, harness.SinkOptions{})
	p := w.postfix(w.overUnix())
	w.accepts(p.Addr(), mail([]byte(survivalCorpus()["8bit"])))
	queued := w.queue(p)
	if len(queued) != 1 || queued[0].Queue != "hold" {
		t.Fatalf("the queue holds %+v", queued)
	}
	if err := p.Release(w.ctx, queued[0].ID); err != nil {
		t.Fatal(err)
	}
	d := w.delivered(subjectOf("8bit"))
	w.verifies(d)
	if !bytes.Contains(d.Data, []byte("\r\nGr=C3=BC=C3=9Fe\r\n")) {
		t.Errorf("delivered as\n%s", d.Data)
	}
}
