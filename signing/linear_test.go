package signing

import (
	"context"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

// TestHeadersAreSignedInLinearTime signs the largest headers that are kept, made
// of what could be slow. Quadratic work takes 1,024 times as long for 32 times the
// size; the bound leaves room for a machine that is busy.
func TestHeadersAreSignedInLinearTime(t *testing.T) {
	id := example(t)
	id.opts.Domains[0].Keys = id.opts.Domains[0].Keys[1:] // Ed25519, which hides less
	const small, large = 4 << 10, 128 << 10
	for name, header := range map[string]func(size int) string{
		"white space":     func(n int) string { return "Subject:" + strings.Repeat(" ", n) + "\r\n" },
		"tabs and words":  func(n int) string { return "Subject:" + strings.Repeat("\t a", n/3) + "\r\n" },
		"folds":           func(n int) string { return "Subject:" + strings.Repeat("\r\n ", n/3) + "x\r\n" },
		"folds and words": func(n int) string { return "To:" + strings.Repeat(" a@example.net,\r\n", n/17) + " b\r\n" },
		"one word":        func(n int) string { return "Subject: " + strings.Repeat("x", n) + "\r\n" },
		"bare CR":         func(n int) string { return "Subject: " + strings.Repeat("\r", n) + "x\r\n" },
		"covered fields":  func(n int) string { return strings.Repeat("References: <"+strings.Repeat("x", 200)+">\r\n", n/216) },
		"other fields":    func(n int) string { return strings.Repeat("X-Field: "+strings.Repeat("x", 200)+"\r\n", n/211) },
		"comments in From": func(n int) string {
			return "From: " + strings.Repeat("(", n/2) + strings.Repeat(")", n/2) + " a@example.org\r\n"
		},
		"quotes in From": func(n int) string { return `From: "` + strings.Repeat(`\"`, n/2) + "\" <a@example.org>\r\n" },
		"labels in From": func(n int) string { return "From: a@" + strings.Repeat("a.", n/2) + "org\r\n" },
		"many in From":   func(n int) string { return "From: " + strings.Repeat("a@example.org, ", n/15) + "a@example.org\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			s := id.signer(t, goRSA{})
			time32, time1 := signingTime(t, s, header(large)), signingTime(t, s, header(small))
			if time32 > 300*time1 && time32 > 300*time.Millisecond {
				t.Errorf("%v for %d octets, %v for %d", time1, small, time32, large)
			}
		})
	}
}

// signingTime is the lesser of three runs: the one that was disturbed least.
func signingTime(t *testing.T, s *Signer, header string) time.Duration {
	t.Helper()
	if !strings.HasPrefix(header, "From:") {
		header = "From: a@example.org\r\n" + header
	}
	least := time.Hour
	for range 3 {
		m := &message.Message{}
		began := time.Now()
		if err := message.Play(context.Background(), s, m, strings.NewReader(header+"\r\ntext\r\n"), nil); err != nil {
			t.Fatal(err)
		}
		least = min(least, time.Since(began))
		if m.Header.Overflow() {
			t.Fatal("the header was not kept whole")
		}
	}
	return least
}
