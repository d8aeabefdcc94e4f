package lint

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"pratique/message"
)

// Whatever the body, the parser keeps within its bounds and sees the same in any split.
func FuzzParser(f *testing.F) {
	for _, content := range fixtures(f, "structure/*.eml") {
		header, body, _ := bytes.Cut(content, []byte("\r\n\r\n"))
		if fields := parseFields(bytes.ReplaceAll(header, crlf, []byte("\n"))); len(content) < 4<<10 {
			f.Add(fields.contentType[0], body, uint64(1))
		}
	}
	f.Add("multipart/mixed; boundary=b", []byte("--b\r\nContent-Type: message/rfc822\n\n--b\r\n\rx\r\r\n--b--"), uint64(7))
	f.Add("message/rfc822", []byte("Content-Type: multipart/digest; boundary=b\n\n--b\n\n\n--b--\r"), uint64(7))
	f.Fuzz(func(t *testing.T, contentType string, body []byte, seed uint64) {
		fields := partFields{contentType: []string{contentType}}
		random := rand.New(rand.NewPCG(seed, 1))
		want := traceBody(fields, body, whole)
		if got := traceBody(fields, body, func(int) int { return random.IntN(40) }); got != want {
			t.Errorf("in pieces:\n%s\nwhole:\n%s", got, want)
		}
		wantBounds(t, fields, body)
	})
}

func wantBounds(t *testing.T, fields partFields, body []byte) {
	t.Helper()
	p := newParser(&typeTree{})
	p.start(fields)
	for len(body) > 0 {
		n := min(len(body), 100)
		p.write(body[:n])
		body = body[n:]
		if len(p.stack) > maxDepth+1 || p.parts > maxParts || len(p.header) > maxPartHeader || len(p.held) > maxHeld {
			t.Fatalf("depth %d, %d parts, header of %d octets, %d octets held", len(p.stack), p.parts, len(p.header), len(p.held))
		}
	}
	p.close()
	if len(p.stack) != 0 {
		t.Errorf("%d entities left open", len(p.stack))
	}
}

// Whatever the header, its findings are printable and bounded, and a header
// once fixed has nothing more to fix.
func FuzzHeader(f *testing.F) {
	for _, content := range fixtures(f, "rules/H*/*.eml") {
		if header, _, _ := bytes.Cut(content, []byte("\r\n\r\n")); len(header) < 2<<10 {
			f.Add(header)
		}
	}
	l := newLint(f, DefaultOptions()).Collecting()
	f.Fuzz(func(t *testing.T, header []byte) {
		m := fromAnn()
		for _, line := range bytes.SplitAfter(header, crlf) {
			if name, value, ok := strings.Cut(strings.TrimSuffix(string(line), "\r\n"), ":"); ok {
				m.Header.Receive(message.NewField(name, value))
			}
		}
		pass(t, l, m, []byte("Hello\r\n"))
		for _, found := range m.Findings {
			if len(found.Detail) > 1000 || strings.ContainsFunc(found.Where+found.Detail, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%+v", found)
			}
		}
		again := &message.Message{Sender: "ann@example.org"}
		for _, field := range m.Header.Fields() {
			again.Header.Receive(field)
		}
		pass(t, l, again, []byte("Hello\r\n"))
		for _, found := range again.Findings {
			if found.Action == string(Fix) {
				t.Errorf("still to fix: %+v", found)
			}
		}
	})
}
