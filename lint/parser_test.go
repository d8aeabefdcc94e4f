package lint

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gomessage "github.com/emersion/go-message"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tracer is a handler that writes down what it is told.
type tracer struct {
	out    strings.Builder
	parser *parser
	octets map[*part]int
}

func (t *tracer) begin(p *part) wanted {
	fmt.Fprintf(&t.out, "%s%s %q", strings.Repeat("  ", p.depth), p.where(), p.contentType.value)
	if p.encoding != "" {
		fmt.Fprintf(&t.out, " %s", p.encoding)
	}
	fmt.Fprintf(&t.out, ", line %d\n", t.parser.line)
	return allLines
}

func (t *tracer) opening(*part, []byte)                    {}
func (t *tracer) data(p *part, b []byte, _ faults, _ bool) { t.octets[p] += len(b) }
func (*tracer) lines(*part, []byte) (octets, lines int)    { return 0, 0 }
func (t *tracer) limit(p *part, s string)                  { fmt.Fprintf(&t.out, "limit at %s: %s\n", p.where(), s) }

func (t *tracer) end(p *part) {
	fmt.Fprintf(&t.out, "%send %s, line %d", strings.Repeat("  ", p.depth), p.where(), t.parser.line)
	if p.kind == leaf {
		fmt.Fprintf(&t.out, ", %d octets", t.octets[p])
	}
	if p.kind == multipart && !p.closed {
		t.out.WriteString(", not closed")
	}
	for _, s := range []struct {
		name string
		spots
	}{{"long", p.long}, {"wide", p.wide}, {"eight", p.eight}, {p.faults.String(), p.bare}} {
		if s.count > 0 {
			fmt.Fprintf(&t.out, ", %s %d from %d", s.name, s.count, s.first)
		}
	}
	t.out.WriteString("\n")
}

// trace parses a whole message, its body in pieces as the cuts say.
func trace(content []byte, cuts func(left int) int) string {
	header, body, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	return traceBody(parseFields(bytes.ReplaceAll(header, crlf, []byte("\n"))), body, cuts)
}

func traceBody(fields partFields, body []byte, cuts func(left int) int) string {
	t := &tracer{octets: map[*part]int{}}
	t.parser = newParser(t)
	t.parser.start(fields)
	for len(body) > 0 {
		n := min(max(cuts(len(body)), 1), len(body))
		chunk := bytes.Clone(body[:n]) // a slice that was kept would show
		t.parser.write(chunk)
		for i := range chunk {
			chunk[i] = 'X'
		}
		body = body[n:]
	}
	t.parser.close()
	return t.out.String()
}

func whole(left int) int { return left }

// withCRLF turns the line ends of a fixture that is stored with LF into CRLF.
func withCRLF(b []byte) []byte {
	if bytes.Contains(b, crlf) {
		return b
	}
	return bytes.ReplaceAll(b, []byte("\n"), crlf)
}

func fixtures(t testing.TB, patterns ...string) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found[path] = withCRLF(content)
		}
	}
	return found
}

func TestStructure(t *testing.T) {
	for path, content := range fixtures(t, "structure/*.eml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			got := trace(content, whole)
			golden := strings.TrimSuffix(path, ".eml") + ".tree"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestAnySplitGivesTheSameParts(t *testing.T) {
	for path, content := range fixtures(t, "structure/*.eml", "good/*.eml", "rules/[MH]*/*.eml") {
		if len(content) > 300<<10 {
			continue
		}
		want := trace(content, whole)
		random := rand.New(rand.NewPCG(1, uint64(len(content))))
		splits := map[string]func(int) int{
			"single octets": func(int) int { return 1 },
			"two octets":    func(int) int { return 2 },
			"up to 100":     func(int) int { return random.IntN(100) },
			"up to 3000":    func(int) int { return random.IntN(3000) },
			"1023":          func(int) int { return 1023 },
			"1024":          func(int) int { return 1024 },
		}
		for name, cuts := range splits {
			if got := trace(content, cuts); got != want {
				t.Errorf("%s in pieces (%s):\n%s\nwhole:\n%s", path, name, got, want)
			}
		}
	}
}

// Every cut into two, for messages in which each octet matters.
func TestEveryCutGivesTheSameParts(t *testing.T) {
	long := strings.Repeat("x", maxHeld-3)
	for _, body := range []string{
		"--b\r\n\r\n" + long + "\r\r\n" + long + "yy\r\r\n--b--\r\n",
		"--b\r\n\r\n" + long + "zz\r\nu\rv\n" + long + "zzz\n\n--b--\r\n",
		"--b\r\nContent-Type: text/plain; name=" + long + "\r\n\r\ny\r\n--b \r\n\r\n" + long + "zzz\r",
		"--b\r\n" + long + ":\xff\xff\xff\x00\r\n\r\ny\r\n--b--" + long + "\r\n--b--\r",
	} {
		fields := partFields{contentType: []string{"multipart/mixed; boundary=b"}}
		want := traceBody(fields, []byte(body), whole)
		for i := 1; i < len(body); i++ {
			first := true
			got := traceBody(fields, []byte(body), func(left int) int {
				if first {
					first = false
					return i
				}
				return left
			})
			if got != want {
				t.Fatalf("cut at %d of %.80q:\n%s\nwhole:\n%s", i, body, got, want)
			}
		}
	}
}

// go-message is the oracle on well-formed messages. What it does not do (a
// message/rfc822 is opened, a digest has its own default type) is left out of the comparison.
func TestSamePartsAsGoMessage(t *testing.T) {
	compared := 0
	for path, content := range fixtures(t, "good/*.eml", "rules/M*/good-*.eml") {
		want, comparable := goMessageParts(t, content)
		if !comparable || strings.Contains(path, "good-prefix") { // its boundary prefix bug
			continue
		}
		compared++
		if got := ownParts(content); got != want {
			t.Errorf("%s: parts\n%s\ngo-message has\n%s", path, got, want)
		}
	}
	if compared < 40 {
		t.Errorf("%d messages were compared only", compared)
	}
}

func goMessageParts(t *testing.T, content []byte) (parts string, comparable bool) {
	t.Helper()
	entity, err := gomessage.Read(bytes.NewReader(content))
	if err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
		return "", false
	}
	comparable = true
	var b strings.Builder
	err = entity.Walk(func(path []int, e *gomessage.Entity, err error) error {
		if err != nil && !gomessage.IsUnknownCharset(err) && !gomessage.IsUnknownEncoding(err) {
			return err
		}
		mediaType, _, typeErr := e.Header.ContentType()
		if typeErr != nil || mediaType == "multipart/digest" {
			comparable = false
		}
		if mediaType == "" {
			mediaType = "text/plain"
		}
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat("  ", len(path)), mediaType)
		return nil
	})
	return b.String(), comparable && err == nil
}

// typeTree is a handler that writes down the types of the entities that are not in a forwarded message.
type typeTree struct{ strings.Builder }

func (t *typeTree) begin(p *part) wanted {
	if !p.forwarded {
		fmt.Fprintf(t, "%s%s\n", strings.Repeat("  ", p.depth), p.contentType.value)
	}
	return noLines
}
func (*typeTree) opening(*part, []byte)                   {}
func (*typeTree) data(*part, []byte, faults, bool)        {}
func (*typeTree) lines(*part, []byte) (octets, lines int) { return 0, 0 }
func (*typeTree) end(*part)                               {}
func (*typeTree) limit(*part, string)                     {}

func ownParts(content []byte) string {
	t := &typeTree{}
	header, body, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	p := newParser(t)
	p.start(parseFields(bytes.ReplaceAll(header, crlf, []byte("\n"))))
	p.write(body)
	p.close()
	return t.String()
}
