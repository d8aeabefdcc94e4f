package explain

import (
	"bytes"
	"fmt"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"
)

// Bounds of the guesses: each is a hash over the body.
const (
	maxFooter = 30
	maxWraps  = 30
	wrapAt    = 998 // where MTAs wrap lines, in octets (RFC 5321 4.5.3.1.6)
)

// guessBody tries what is often done to bodies on the way, and says what would
// give the hash that was signed, or "".
func (s *statement) guessBody(want []byte) string {
	body := s.message.body
	fits := func(body []byte) bool { return bytes.Equal(s.bodyHash(body), want) }
	if lines := wrappedLines(body); len(lines) > 0 {
		if unwrapped := unwrap(body); fits(unwrapped) {
			return fmt.Sprintf(": long lines were wrapped, the first one at line %d; it is valid with them joined", lines[0])
		}
	}
	rest := body
	for n := 1; n <= maxFooter && len(rest) > 0; n++ {
		rest = rest[:bytes.LastIndexByte(bytes.TrimSuffix(rest, []byte("\r\n")), '\n')+1]
		if fits(rest) {
			return fmt.Sprintf(": something was added at its end; it is valid without the last %s", lineCount(n))
		}
	}
	if ended := append(bytes.Clone(body), "\r\n"...); fits(ended) {
		return ": its last line end was cut off"
	}
	if fits(nil) {
		return ": an empty body was signed"
	}
	return ""
}

func lineCount(n int) string {
	if n == 1 {
		return "line"
	}
	return strconv.Itoa(n) + " lines"
}

// wrappedLines returns the numbers of lines that look as if an MTA had wrapped
// them: as long as may be, with a line behind them that begins with a space.
func wrappedLines(body []byte) []int {
	var found []int
	lines := bytes.Split(body, []byte("\r\n"))
	for i := 0; i+1 < len(lines) && len(found) < maxWraps; i++ {
		if len(lines[i]) >= wrapAt-8 && len(lines[i+1]) > 0 && lines[i+1][0] == ' ' {
			found = append(found, i+1)
		}
	}
	return found
}

// unwrap joins all lines that look wrapped.
func unwrap(body []byte) []byte {
	lines := bytes.SplitAfter(body, []byte("\r\n"))
	var out bytes.Buffer
	for i, line := range lines {
		if i > 0 && len(line) > 0 && line[0] == ' ' && len(bytes.TrimSuffix(lines[i-1], []byte("\r\n"))) >= wrapAt-8 {
			out.Truncate(out.Len() - 2)
			line = line[1:]
		}
		out.Write(line)
	}
	return out.Bytes()
}

// compareBodies says where two canonical bodies differ first, and by what.
func compareBodies(signed, now []byte) string {
	a, b := lines(signed), lines(now)
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	switch {
	case i == len(a) && i == len(b):
		return "their canonical forms are the same" // and so are the hashes: it does not come to this
	case i == len(a):
		return fmt.Sprintf("%d lines were added at its end, from line %d of the body on: %s", len(b)-i, i+1, shown(b[i]))
	case i == len(b):
		return fmt.Sprintf("its last %d lines are missing, from line %d of the body on: %s", len(a)-i, i+1, shown(a[i]))
	}
	return fmt.Sprintf("line %d of the body, %s: %s was signed, now it is %s", i+1, change(a[i:], b[i:]), shown(a[i]), shown(b[i]))
}

// lines takes a canonical body apart.
func lines(body []byte) []string {
	text := strings.TrimSuffix(string(body), "\r\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\r\n")
}

// change says what kind of change turns the first lines into the others. Both have one at least.
func change(a, b []string) string {
	next := func(l []string) string {
		if len(l) > 1 {
			return l[1]
		}
		return "\x00"
	}
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
	switch {
	case strings.HasPrefix(a[0], b[0]) && b[0] != "" && strings.HasPrefix(strings.TrimLeft(a[0][len(b[0]):], " "), strings.TrimLeft(next(b), " ")):
		return "the line was wrapped"
	case squeeze(a[0]) == squeeze(b[0]):
		return "white space was changed"
	case decodedQP(b) != "" && strings.HasPrefix(decodedQP(b), a[0]):
		return "converted to quoted-printable"
	case isEncoding(a[0]) && isEncoding(b[0]):
		return "the encoding was declared anew: the part was converted"
	case next(b) == a[0]:
		return "a line was inserted"
	case next(a) == b[0]:
		return "a line was taken out"
	case "."+a[0] == b[0] || a[0] == "."+b[0]:
		return "a dot at the beginning was doubled or lost"
	case ">"+a[0] == b[0]:
		return "a \">\" was put before \"From \""
	}
	return "the text was changed"
}

// decodedQP decodes lines as quoted-printable, up to the end of the first line that is whole.
func decodedQP(b []string) string {
	if !strings.Contains(b[0], "=") {
		return ""
	}
	text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(strings.Join(b[:min(len(b), 64)], "\r\n"))))
	if err != nil {
		return ""
	}
	return string(text)
}

func isEncoding(line string) bool {
	const name = "content-transfer-encoding:"
	return len(line) >= len(name) && strings.EqualFold(line[:len(name)], name)
}

// shown is a line as an explanation shows it: cut short, printable ASCII, quoted.
func shown(line string) string {
	const most = 70
	if len(line) > most {
		return fmt.Sprintf("%s... (%d octets)", strconv.QuoteToASCII(line[:most]), len(line))
	}
	return strconv.QuoteToASCII(line)
}
