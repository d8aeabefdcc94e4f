package lint

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// fastest is the least that some runs of f took of the processor, in seconds: on a
// machine that is busy the clock would tell more of others.
func fastest(f func()) float64 {
	least := 0.0
	for i := range 2 {
		began := processorTime()
		f()
		if d := processorTime() - began; i == 0 || d < least {
			least = d
		}
	}
	return least
}

// processorTime is what the process took so far, in seconds.
func processorTime() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e9
}

// wantLinear compares two sizes, 32 times apart: quadratic work takes 1,024 times
// as long, linear work 32. The bound leaves room for a machine that is busy.
func wantLinear(t *testing.T, what string, work func(n int) float64) {
	t.Helper()
	const n = 1 << 10
	small, large := work(n), work(32*n)
	if large > 300*small && large > 0.3 {
		t.Errorf("%.40q: %.1f ms at %d, %.1f ms at %d", what, 1e3*small, n, 1e3*large, 32*n)
	}
}

func TestParametersAreReadInLinearTime(t *testing.T) {
	for _, piece := range []string{"(", "\"", ";", ";a=", "(a)", "a=b (", ";a=b (", ";filename*1=\"(", "\\", ";name*0=", " (", "x*"} {
		wantLinear(t, piece, func(n int) float64 {
			value := "text/plain; a=" + strings.Repeat(piece, n)
			return fastest(func() {
				c := parseContentType(value)
				c.param("name")
				stripComments(value)
				_, _ = withoutComments(value)
			})
		})
	}
}

// Values that are made to be slow, of fields that rules read word by word.
func TestHeadersAreReadInLinearTime(t *testing.T) {
	opts := DefaultOptions()
	opts.Rules = map[string]string{"H23": "observe", "M18": "observe"} // so that no value is too long to be read
	l := newLint(t, opts).Collecting()
	for _, piece := range []string{
		"=?", "=?a?q?", "=?a?q?=?a?b?", "=?x-no-such-charset?q?=41?= ", "=?" + strings.Repeat("a", maxCharset) + "?",
		"a@b.com ", "\r\n ", "\r\n\t=?a?b?", "[10.0.0.", ";d=", "/home",
	} {
		wantLinear(t, piece, func(n int) float64 {
			value := strings.Repeat(piece, n)
			var header strings.Builder
			for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "Received", "X-Mailer", "X-Autoreply", "DKIM-Signature", "Auto-Submitted"} {
				header.WriteString(name + ": " + value + "\r\n")
			}
			fields := fieldsOf(header.String())
			return fastest(func() {
				m := fromAnn()
				m.Header.MaxBytes = 100 << 20
				for _, f := range fields {
					m.Header.Receive(f)
				}
				pass(t, l, m, nil)
			})
		})
	}
}

// Bodies that are made to be slow or to be kept.
func TestBodiesAreReadInLinearTimeAndConstantMemory(t *testing.T) {
	const fields = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n"
	for name, piece := range map[string]string{
		"empty lines":     "\r\n",
		"bare LF":         "\n",
		"bare CR":         "\r",
		"dashes":          "--\r\n",
		"boundary prefix": "--b0x\r\n",
		"parts":           "--b0\r\n",
		"header lines":    "A:\r\n",
		"continuations":   " \r\n",
		"no line end":     "x",
		"base64 and junk": "QUJD!\xff= \r\n",
		"messages":        "Content-Type: message/rfc822\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			l := newLint(t, DefaultOptions()).Collecting()
			wantLinear(t, name, func(n int) float64 {
				body := nested(20) + strings.Repeat(piece, n)
				return fastest(func() {
					m := fromAnn()
					if _, err := run(l, m, plainHeader+fields, body, whole); err != nil {
						t.Fatal(err)
					}
				})
			})
			allocated := func(n int) uint64 {
				body := nested(20) + strings.Repeat(piece, n)
				m := fromAnn()
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := run(l, m, plainHeader+fields, body, func(int) int { return 8 << 10 })
				runtime.ReadMemStats(&after)
				if err != nil {
					t.Fatal(err)
				}
				chunks := uint64(len(body)) // run itself copies what it sends
				return after.TotalAlloc - before.TotalAlloc - chunks
			}
			small, large := allocated(20<<10), allocated(160<<10)
			if large > small+64<<10+large/8 || large > 4<<20 {
				t.Errorf("%d octets allocated for the smaller body, %d for one eight times as large", small, large)
			}
		})
	}
}
