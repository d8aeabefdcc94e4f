package lint

import (
	"context"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"pratique/message"
)

// watchedBody is a body that keeps what is decoded of quoted-printable.
type watchedBody struct {
	*body
	oneByOne bool // no lines are taken at once
	text     []byte
	atOnce   int // lines taken so
}

func (w *watchedBody) begin(p *part) wanted {
	asked := w.body.begin(p)
	if d := p.rules.quotedPrintable(); d != nil {
		d.share(func(b []byte) { w.text = append(w.text, b...) })
	}
	if w.oneByOne {
		return min(asked, allLines)
	}
	return asked
}

func (w *watchedBody) lines(p *part, b []byte) (octets, lines int) {
	octets, lines = w.body.lines(p, b)
	w.atOnce += lines
	return octets, lines
}

// read returns what is found in the body of a message, which comes in pieces as the cuts say.
func (w *watchedBody) read(t *testing.T, l *Lint, body string, cuts func(left int) int) []message.Finding {
	t.Helper()
	m := fromAnn()
	for _, f := range fieldsOf(plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n") {
		m.Header.Receive(f)
	}
	i := &inspector{ctx: context.Background(), lint: l, m: m, findings: newFindings(l, m)}
	if err := i.Header(); err != nil {
		t.Fatal(err)
	}
	w.body = i.body
	i.body.parser.to = w
	for len(body) > 0 {
		n := min(max(cuts(len(body)), 1), len(body))
		if _, err := i.Write([]byte(body[:n])); err != nil {
			t.Fatal(err)
		}
		body = body[n:]
	}
	if err := i.End(); err != nil {
		t.Fatal(err)
	}
	return m.Findings
}

// randomLines are lines of quoted-printable, most of them usual ones, some just too long.
func randomLines(random *rand.Rand) string {
	long := strings.Repeat("y", maxHeld+random.IntN(300))
	usual := []string{"a", "some words ", "<b>", "=3D", "=c3=BC", "=E2=82=AC", "\t", "~", "=\r\n", "\r\n", "--"}
	others := []string{"=", "= ", "=\t\r\n", "=4", "=zz", "\n", "=\n", "=\r", "\r", "\x00", "\x01", "\x7f", "ü", "\x80", "\xff", long, "\r\n--", "\r\n--b--\r\n", "\r\n--b\r\n"}
	odd := random.IntN(3) * 10
	var b strings.Builder
	for range random.IntN(60) {
		switch one := random.IntN(400); {
		case one < odd:
			b.WriteString(others[random.IntN(len(others))])
		case one < 350:
			b.WriteString(usual[random.IntN(len(usual))])
		default: // a line of just about the most that it may have
			b.WriteString("\r\n" + strings.Repeat("x", 72+random.IntN(6)) + usual[3+random.IntN(7)])
		}
	}
	return b.String()
}

// TestLinesAtOnceChangeNothing holds the lines that are decoded at once against the way
// that the others go: the same text, and the same is found on the same lines.
func TestLinesAtOnceChangeNothing(t *testing.T) {
	l := newLint(t, everyTextRule()).Collecting()
	random := rand.New(rand.NewPCG(9, 9))
	openings := []string{strings.Repeat("opening\r\n", openingLines), "\r\n\r\n<html>\r\n", ""}
	fields := []string{
		"text/html; charset=utf-8", "text/plain; charset=utf-8", "text/plain", "text/plain; charset=iso-8859-1",
		"text/html; charset=utf-8\r\nContent-Disposition: attachment", "application/zip",
	}
	atOnce := 0
	for range 5_000 {
		body := "--b\r\nContent-Type: " + fields[random.IntN(len(fields))] + "\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" +
			openings[random.IntN(len(openings))] + randomLines(random) + "\r\n--b--\r\n"
		for _, most := range []int{100, 400, len(body)} {
			seed := random.Uint64()
			cuts := func() func(int) int {
				same := rand.New(rand.NewPCG(seed, 1))
				return func(int) int { return most/2 + same.IntN(most/2+1) }
			}
			one, some := watchedBody{oneByOne: true}, watchedBody{}
			want, got := one.read(t, l, body, cuts()), some.read(t, l, body, cuts())
			if !reflect.DeepEqual(got, want) || string(some.text) != string(one.text) {
				t.Fatalf("%q:\n%q %+v\none by one\n%q %+v", body, some.text, got, one.text, want)
			}
			if some.body.parser.line != one.body.parser.line {
				t.Fatalf("%q: %d lines, one by one %d", body, some.body.parser.line, one.body.parser.line)
			}
			atOnce += some.atOnce
			if one.atOnce > 0 {
				t.Fatal("what is compared is the same way")
			}
		}
	}
	if atOnce < 20_000 {
		t.Errorf("%d lines were taken at once only", atOnce)
	}
}
