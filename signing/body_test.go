package signing

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

func TestBodyCanonicalization(t *testing.T) {
	tests := []struct{ name, in, simple, relaxed string }{
		{"RFC 6376 3.4.5", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
		{"empty", "", "\r\n", ""},
		{"one empty line", "\r\n", "\r\n", ""},
		{"empty lines", "\r\n\r\n\r\n", "\r\n", ""},
		{"no line end", "a", "a\r\n", "a\r\n"},
		{"no line end and spaces", "a \t", "a \t\r\n", "a\r\n"},
		{"spaces only", " \t", " \t\r\n", ""},
		{"blank lines", " \r\n\t\r\n", " \r\n\t\r\n", ""},
		{"blank lines between", "a\r\n \r\n\r\nb\r\n", "a\r\n \r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
		{"blank lines at the end", "a\r\n \r\n\r\n\t\r\n", "a\r\n \r\n\r\n\t\r\n", "a\r\n"},
		{"empty lines first", "\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
		{"single spaces stay", " a b c\r\n", " a b c\r\n", " a b c\r\n"},
		{"a tab is a space", "a\tb\r\n", "a\tb\r\n", "a b\r\n"},
		{"spaces before the line", "  a\r\n\t\tb\r\n", "  a\r\n\t\tb\r\n", " a\r\n b\r\n"},
		{"bare CR", "a\rb\r\n\r", "a\rb\r\n\r\r\n", "a\rb\r\n\r\r\n"},
		{"bare LF", "a\nb\n\n", "a\nb\n\n\r\n", "a\nb\n\n\r\n"},
		{"space before bare CR and LF", "a  \rb \t\nc\r\n", "a  \rb \t\nc\r\n", "a \rb \nc\r\n"},
		{"CR before a line end", "a\r\r\n\r\r\n", "a\r\r\n\r\r\n", "a\r\r\n\r\r\n"},
		{"space, then CR before a line end", "a \r\r\n", "a \r\r\n", "a \r\r\n"},
		{"LF CR", "\n\r\n\r", "\n\r\n\r\r\n", "\n\r\n\r\r\n"},
		{"NUL and 8 bit", "a\x00  \xff\xa0\x80 \r\n", "a\x00  \xff\xa0\x80 \r\n", "a\x00 \xff\xa0\x80\r\n"},
		{"other blanks are text", "a\v\v\f \r\n", "a\v\v\f \r\n", "a\v\v\f\r\n"},
	}
	for _, tt := range tests {
		for _, relaxed := range []bool{true, false} {
			want := tt.simple
			if relaxed {
				want = tt.relaxed
			}
			if got := canonicalBody(relaxed, []byte(tt.in)); got != want {
				t.Errorf("%s, %s: %q, want %q", tt.name, algorithm(relaxed), got, want)
			}
			for at := range tt.in {
				if got := canonicalBody(relaxed, []byte(tt.in[:at]), []byte(tt.in[at:])); got != want {
					t.Errorf("%s, %s, split at %d: %q, want %q", tt.name, algorithm(relaxed), at, got, want)
				}
			}
			if got := canonicalBody(relaxed, octets(tt.in)...); got != want {
				t.Errorf("%s, %s, octet by octet: %q, want %q", tt.name, algorithm(relaxed), got, want)
			}
		}
	}
}

// The hashes of the empty body are given in RFC 6376 3.4.3 and 3.4.4.
func TestEmptyBodyHash(t *testing.T) {
	for relaxed, want := range map[bool]string{
		false: "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=",
		true:  "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
	} {
		h := sha256.New()
		newBody(relaxed, h).finish()
		if got := base64.StdEncoding.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("%s: %s, want %s", algorithm(relaxed), got, want)
		}
	}
}

// Bodies with lines of every length around the eight octets that are looked at
// at once, with one thing at every place.
func TestRelaxedFindsEveryChange(t *testing.T) {
	for length := range 40 {
		for at := range length {
			for _, odd := range []string{"\t", "  ", " \t", "\r", "\n", "\x00", "\x1f", " ", "\x7f", "\x80", "\xa0"} {
				line := strings.Repeat("x", at) + odd + strings.Repeat("y", length-at-1)
				body := "first line\r\n" + line + "\r\nlast one\r\n"
				want := referenceBody(true, body)
				if got := canonicalBody(true, []byte(body)); got != want {
					t.Fatalf("%q: %q, want %q", body, got, want)
				}
			}
		}
	}
}

func TestComparisonsOfOctets(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		word, limit := random.Uint64(), uint64(random.IntN(0x81))
		if random.IntN(2) == 0 {
			word |= random.Uint64() | 0x2020202020202020 // so that often there is none below
		}
		var want uint64
		for at := 0; at < 64; at += 8 {
			if word>>at&0xff < limit {
				want |= 0x80 << at
			}
		}
		if got := below(word, limit); got != want {
			t.Fatalf("below %#x in %#016x: %#016x, want %#016x", limit, word, got, want)
		}
		if got := borrows(word, limit)&high != 0; got != (want != 0) {
			t.Fatalf("below %#x in %#016x there is one: %v", limit, word, got)
		}
	}
}

// A line as long as the one before is looked at differently from others.
func TestLinesOfOneLength(t *testing.T) {
	for length := 1; length < 40; length++ {
		line := strings.Repeat("x", length) + "\r\n"
		for at := range length {
			for _, octet := range []string{"\n", "\r", " ", "\t", "\x00", "\x7f", "\xff"} {
				other := line[:at] + octet + line[at+1:]
				wantLikeReference(t, line+line+other+line, [][]byte{[]byte(line + line + other + line)})
			}
		}
	}
}

func TestBodyAgainstReference(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		body := randomBody(random, "\r\n")
		wantLikeReference(t, body, randomChunks(random, []byte(body)))
	}
}

func FuzzBody(f *testing.F) {
	for _, body := range []string{"", "\r\n", " C \r\nD \t E\r\n\r\n\r\n", "a \r", "\r\r\n\n\r\n \t", strings.Repeat("\r\n", 20) + "x"} {
		f.Add(body, uint64(len(body)))
	}
	f.Fuzz(func(t *testing.T, body string, seed uint64) {
		chunks := randomChunks(rand.New(rand.NewPCG(seed, 0)), []byte(body))
		wantLikeReference(t, body, chunks)
		once := canonicalBody(true, []byte(body))
		if twice := canonicalBody(true, []byte(once)); twice != once {
			t.Errorf("relaxed of %q is not stable: %q, then %q", body, once, twice)
		}
	})
}

func wantLikeReference(t *testing.T, body string, chunks [][]byte) {
	t.Helper()
	for _, relaxed := range []bool{true, false} {
		if got, want := canonicalBody(relaxed, chunks...), referenceBody(relaxed, body); got != want {
			t.Fatalf("%s of %q in chunks %q:\n%q, want\n%q", algorithm(relaxed), body, chunks, got, want)
		}
	}
}

// Held back line ends are counted and not kept, and the work does not grow with
// them: what reaches the hash does so in a few large writes.
func TestEmptyLinesAreCounted(t *testing.T) {
	for _, relaxed := range []bool{true, false} {
		w := &countingWriter{}
		b := newBody(relaxed, w)
		const lines = 1 << 20
		chunk := bytes.Repeat(crlf, 1<<14)
		for range lines / (1 << 14) {
			b.Write(chunk)
		}
		if w.writes > 0 {
			t.Errorf("%s: %d writes before text came", algorithm(relaxed), w.writes)
		}
		b.Write([]byte("x"))
		b.finish()
		if want := 2*lines + 3; w.octets != want {
			t.Errorf("%s: %d octets, want %d", algorithm(relaxed), w.octets, want)
		}
		if most := 2*lines/len(lineEnds) + 2; w.writes > most {
			t.Errorf("%s: %d writes, want %d at most", algorithm(relaxed), w.writes, most)
		}
	}
}

type countingWriter struct{ writes, octets int }

func (w *countingWriter) Write(p []byte) (int, error) {
	w.writes++
	w.octets += len(p)
	return len(p), nil
}

// The chunks are borrowed: what is done to them later changes nothing.
func TestBodyKeepsNoChunk(t *testing.T) {
	var out bytes.Buffer
	b := newBody(true, &out)
	chunk := make([]byte, 4)
	for _, text := range []string{"ab  ", "cd\r\n", " x y", "\t\r\n\r"} {
		copy(chunk, text)
		b.Write(chunk)
		clear(chunk)
	}
	b.finish()
	if want := "ab cd\r\n x y\r\n\r\r\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func canonicalBody(relaxed bool, chunks ...[]byte) string {
	var out bytes.Buffer
	b := newBody(relaxed, &out)
	for _, chunk := range chunks {
		b.Write(chunk)
	}
	b.finish()
	return out.String()
}

var (
	spacesAtEnd = regexp.MustCompile(`[ \t]+(\r\n|\z)`)
	spaces      = regexp.MustCompile(`[ \t]+`)
)

// referenceBody says by whole strings what RFC 6376 3.4.3 and 3.4.4 say.
func referenceBody(relaxed bool, body string) string {
	if relaxed {
		body = spaces.ReplaceAllString(spacesAtEnd.ReplaceAllString(body, "$1"), " ")
	}
	for strings.HasSuffix(body, "\r\n") {
		body = strings.TrimSuffix(body, "\r\n")
	}
	if relaxed && body == "" {
		return ""
	}
	return body + "\r\n"
}

// randomBody puts together what is hard to canonicalize; ends are the octets
// that may stand alone beside CRLF.
func randomBody(random *rand.Rand, ends string) string {
	pieces := []string{"\r\n", "\r\n", "\r\n", " ", " ", "\t", "a", "word", "some longer text here", "=20", "\xc3\xa9", "  \t "}
	for _, c := range ends {
		pieces = append(pieces, string(c))
	}
	var b strings.Builder
	for range random.IntN(60) {
		b.WriteString(pieces[random.IntN(len(pieces))])
	}
	return b.String()
}

func randomChunks(random *rand.Rand, body []byte) [][]byte {
	var chunks [][]byte
	for len(body) > 0 {
		n := 1 + random.IntN(len(body))
		chunks = append(chunks, body[:n])
		body = body[n:]
	}
	return chunks
}

func octets(text string) [][]byte {
	var chunks [][]byte
	for i := range len(text) {
		chunks = append(chunks, []byte{text[i]})
	}
	return chunks
}
