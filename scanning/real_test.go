package scanning

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pratique/message"
	"pratique/scanning/clamdtest"
)

func eicarMail() []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nSubject: plain\r\n\r\n%s\r\n", clamdtest.EICAR())
}

// attachment returns a MIME message with a file behind a text of this size.
func attachment(file []byte, textSize int) []byte {
	return fmt.Appendf(nil, "From: a@example.org\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"+
		"--b\r\nContent-Type: text/plain\r\n\r\n%s\r\n"+
		"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n%s\r\n--b--\r\n",
		bytes.Repeat([]byte("some text\r\n"), textSize/11), base64.StdEncoding.EncodeToString(file))
}

func TestRealClamdFindsEICAR(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	s := newScanner(t, options(clamd.Address()))
	const found = "554 5.7.1 message refused: infected with " + clamdtest.EICARName
	tests := map[string]struct {
		raw  []byte
		want string
	}{
		"clean":                 {mail(small), "none"},
		"clean, large":          {mail(large), "none"},
		"clean, empty":          {[]byte("\r\n"), "none"},
		"in the body":           {eicarMail(), found},
		"attached":              {attachment(clamdtest.EICAR(), 0), found},
		"attached, large":       {attachment(clamdtest.EICAR(), 5*chunkSize), found},
		"attached, harmless":    {attachment([]byte("harmless"), 0), "none"},
		"across two chunks":     {attachment(clamdtest.EICAR(), chunkSize-300), found},
		"in the header's value": {fmt.Appendf(nil, "Subject: %s\r\n\r\n", clamdtest.EICAR()), found},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := play(t, s, tt.raw)
			if got := describe(err); got != tt.want {
				t.Errorf("answer = %s, want %s", got, tt.want)
			}
		})
	}
}

// uuencoded is the EICAR test file as uuencode(1) has it.
func uuencoded() string {
	var text strings.Builder
	text.WriteString("begin 644 eicar.com\r\n")
	const perLine = 45
	for line := range slices.Chunk(clamdtest.EICAR(), perLine) {
		text.WriteByte(' ' + byte(len(line)))
		sixths := base64.StdEncoding.EncodeToString(line) // the same bits by other characters
		const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		for _, c := range strings.ReplaceAll(sixths, "=", "A") {
			text.WriteByte(' ' + byte(strings.IndexRune(characters, c)))
		}
		text.WriteString("\r\n")
	}
	return text.String() + "`\r\nend\r\n"
}

// TestRealClamdTakesAllForMail has clamd decode what is encoded without MIME, which it does
// in mail alone, and tell mail by its first field.
func TestRealClamdTakesAllForMail(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	s := newScanner(t, options(clamd.Address()))
	for _, header := range []string{
		"From: a@example.org\r\nSubject: a\r\n",
		"X-Campaign: 7\r\nFrom: a@example.org\r\nTo: b@example.net\r\nSubject: a\r\n",
		"from: a@example.org\r\n",
		"Date: a\r\n",
		"From : a@example.org\r\n", // this is no mbox
		"",
	} {
		for _, text := range []string{"", "\r\nFrom here on\r\n"} {
			if _, err := play(t, s, []byte(header+"\r\n"+text+uuencoded())); !strings.Contains(describe(err), "infected") {
				t.Errorf("%q, text %q: %s", header, text, describe(err))
			}
		}
		raw := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\r\nFrom here on\r\n--b\r\n" +
			"Content-Transfer-Encoding: base64\r\n\r\n" + base64.StdEncoding.EncodeToString(clamdtest.EICAR()) + "\r\n--b--\r\n"
		if _, err := play(t, s, []byte(header+raw)); !strings.Contains(describe(err), "infected") {
			t.Errorf("%q, multipart: %s", header, describe(err))
		}
	}
}

func TestRealClamdLimits(t *testing.T) {
	for _, tt := range []struct {
		name          string
		option, value string
		size          int
	}{
		{"just over", "StreamMaxLength", "1M", 1<<20 + 100},
		{"far over", "StreamMaxLength", "1M", 8 << 20},
		{"over", "MaxFileSize", "512K", 600 << 10},
		{"over", "MaxScanTime", "1", 8 << 20}, // milliseconds
	} {
		t.Run(tt.name+" "+tt.option, func(t *testing.T) {
			clamd := clamdtest.StartReal(t, map[string]string{tt.option: tt.value, "AlertExceedsMax": "yes"})
			m, err := play(t, newScanner(t, options(clamd.Address())), mail(tt.size))
			if got, want := describe(err), "452 4.3.4 message is too large to be scanned"; got != want {
				t.Errorf("answer = %s, want %s; failures %v", got, want, m.Failures)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	ctx := context.Background()
	t.Run("all is well", func(t *testing.T) {
		s := newScanner(t, options(clamdtest.StartReal(t, nil).Address()))
		for _, size := range []int64{0, 1024, chunkSize, large} {
			if err := s.Probe(ctx, size); err != nil {
				t.Errorf("%d octets: %v", size, err)
			}
		}
	})
	t.Run("clamd calls clean what it does not look at", func(t *testing.T) {
		s := newScanner(t, options(clamdtest.StartReal(t, map[string]string{"MaxFileSize": "512K"}).Address()))
		if err := s.Probe(ctx, 500<<10); err != nil {
			t.Errorf("below MaxFileSize: %v", err)
		}
		if err := s.Probe(ctx, 600<<10); err == nil || !strings.Contains(err.Error(), "614400 octets: clean") {
			t.Errorf("above MaxFileSize: %v", err)
		}
	})
	t.Run("fits into max_size to the octet", func(t *testing.T) {
		clamd := clamdtest.Start(t, clamdtest.Answer("stream: X FOUND"))
		opts := options(clamd.Address())
		opts.MaxSize = 100_000
		s := newScanner(t, opts)
		if err := s.Probe(ctx, opts.MaxSize); err != nil {
			t.Error(err)
		}
		if n := len(clamd.Scans()[0].Stream); n != 100_000 {
			t.Errorf("sent %d octets", n)
		}
		if err := s.Probe(ctx, opts.MaxSize+1); err == nil {
			t.Error("one octet more is found, too")
		}
	})
	t.Run("no clamd", func(t *testing.T) {
		opts := options(clamdtest.Absent(t))
		opts.Timeout = 50 * time.Millisecond
		var refusal *message.Refusal
		if err := newScanner(t, opts).Probe(ctx, 1024); err == nil || errors.As(err, &refusal) {
			t.Errorf("err = %v", err)
		}
	})
}

// slowDatabase puts signatures that match nothing beside EICAR's, so that a reload takes a while.
func slowDatabase(t *testing.T, clamd *clamdtest.Real) {
	t.Helper()
	var b bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintf(&b, "%064x:1234:Test.Nothing.%d:73\n", uint64(i)*0x9e3779b97f4a7c15, i) // SHA-256, size, name, level
	}
	if err := os.WriteFile(filepath.Join(clamd.Databases(), "slow.hsb"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// With ConcurrentDatabaseReload off, clamd is silent until its threads have been
// idle for IdleTimeout, which is 30 s by default, and has then read the signatures.
func TestRealClamdReloadsUnderLoad(t *testing.T) {
	for _, concurrent := range []string{"yes", "no"} {
		t.Run("concurrent "+concurrent, func(t *testing.T) {
			clamd := clamdtest.StartReal(t, map[string]string{"ConcurrentDatabaseReload": concurrent, "IdleTimeout": "1"})
			slowDatabase(t, clamd)
			s := newScanner(t, options(clamd.Address()))
			verdicts := load(t, s, func() {
				for range 2 {
					if err := s.Reload(context.Background()); err != nil {
						t.Error(err)
					}
					// One message through, so that this reload is not the same as the last.
					if _, err := play(t, newScanner(t, s.opts), eicarMail()); describe(err)[:3] != "554" {
						t.Errorf("answer = %v", err)
					}
				}
			})
			if verdicts.failed > 0 {
				t.Errorf("%d of %d scans failed, such as: %v", verdicts.failed, verdicts.total, verdicts.example)
			}
		})
	}
}

// A clamd that is killed and comes back costs no small message, and no message its verdict.
func TestRealClamdKilledUnderLoad(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	s := newScanner(t, options(clamd.Address()))
	verdicts := load(t, s, func() {
		for range maxLosses { // one message may be under way at each of them
			clamd.Kill()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			t.Cleanup(cancel)
			if err := clamd.Start(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	if verdicts.failed > 0 {
		t.Errorf("%d of %d scans failed, such as: %v", verdicts.failed, verdicts.total, verdicts.example)
	}
}

func TestRealClamdKilledInMidStream(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	s := newScanner(t, options(clamd.Address()))
	i := begin(t, s)
	defer i.Close()
	if _, err := i.Write(mail(large)); err != nil {
		t.Fatal(err)
	}
	clamd.Kill()
	_, err := i.Write(mail(large))
	if err == nil {
		err = i.End()
	}
	var refusal *message.Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("err = %v, want a failure", err)
	}
}

type verdicts struct {
	total, failed int
	example       error
}

// load scans small clean and infected messages, and large clean ones, for as
// long as during takes, and checks every verdict that is given. Large messages
// are allowed to fail: too much of them was sent to begin again.
func load(t *testing.T, s *Scanner, during func()) verdicts {
	t.Helper()
	var (
		v       verdicts
		mu      sync.Mutex
		workers sync.WaitGroup
		stop    = make(chan struct{})
	)
	messages := []struct {
		raw      []byte
		infected bool
	}{{mail(small), false}, {mail(50 << 10), false}, {eicarMail(), true}, {mail(large), false}}
	for _, msg := range messages {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				m := &message.Message{}
				err := message.Play(context.Background(), s, m, bytes.NewReader(msg.raw), nil)
				var refusal *message.Refusal
				failed := err != nil && !errors.As(err, &refusal)
				if !failed && (refusal != nil) != msg.infected {
					t.Errorf("infected %v: answer = %v", msg.infected, err)
				}
				mu.Lock()
				v.total++
				if failed && len(msg.raw) < large {
					v.failed++
					v.example = err
				}
				mu.Unlock()
			}
		})
	}
	during()
	close(stop)
	workers.Wait()
	return v
}
