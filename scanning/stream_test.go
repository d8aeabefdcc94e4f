package scanning

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestParseAnswer(t *testing.T) {
	tests := []struct {
		text string
		want answer
	}{
		{"stream: OK", answer{verdict: clean}},
		{"stream: Eicar-Signature FOUND", answer{infected, "Eicar-Signature"}},
		{"stream: A FOUND FOUND", answer{infected, "A FOUND"}},
		{"stream: a\x1b[31m\x80b FOUND", answer{infected, "a?[31m?b"}},
		{"stream: " + strings.Repeat("x", 500) + " FOUND", answer{infected, strings.Repeat("x", 128)}},
		{"stream: OK FOUND", answer{infected, "OK"}},
		{"INSTREAM size limit exceeded. ERROR", answer{oversize, "larger than clamd's StreamMaxLength"}},
		{"stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND", answer{oversize, "beyond a limit of clamd, Heuristics.Limits.Exceeded.MaxScanSize"}},
		{text: "stream: OK\n"},
		{text: "stream: A FOUND\nstream: B FOUND"},
		{text: " stream: OK"},
		{text: "stream: OK OK"},
		{text: "stream:OK"},
		{text: "stream: FOUND"},
		{text: "stream: Can't allocate memory ERROR"},
		{text: "Error processing command. ERROR"},
		{text: "ERROR"},
		{text: ""},
	}
	for _, tt := range tests {
		got, err := parseAnswer(tt.text)
		if got != tt.want || (err == nil) != (tt.want != answer{}) {
			t.Errorf("parseAnswer(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
}

func TestErrorsShowWhatClamdSaid(t *testing.T) {
	_, err := readAnswer(strings.NewReader("220 mail.example.org ESMTP\r\n\x00"))
	if err == nil || !strings.Contains(err.Error(), `"220 mail.example.org ESMTP\r\n"`) {
		t.Errorf("err = %v", err)
	}
	_, err = readAnswer(strings.NewReader(strings.Repeat("x", 1<<20)))
	if err == nil || len(err.Error()) > 300 {
		t.Errorf("err = %v", err)
	}
}

// However an answer is split, and whatever it is, it is clean only if it is
// clamd's one word for it.
func FuzzReadAnswer(f *testing.F) {
	for _, seed := range []string{
		"stream: OK\x00", "stream: OK", "stream: OK\n", "stream: X FOUND\x00", "stream: OK\x00stream: OK\x00",
		"INSTREAM size limit exceeded. ERROR\x00", "\x00", "", "COMMAND READ TIMED OUT\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := readAnswer(bytes.NewReader(data))
		if (err == nil) == (got == answer{}) {
			t.Errorf("%q: %v, %v", data, got, err)
		}
		if (got.verdict == clean) != (string(data) == "stream: OK\x00") {
			t.Errorf("%q: %v", data, got)
		}
		for _, c := range []byte(got.detail) {
			if c < ' ' || c > '~' {
				t.Errorf("%q: name %q", data, got.detail)
			}
		}
		if bytes.Count(data, []byte{0}) > 1 {
			return // in pieces, what follows the first answer is not waited for
		}
		split, serr := readAnswer(iotest.OneByteReader(bytes.NewReader(data)))
		if bytes.HasSuffix(data, []byte{0}) && (split != got || (serr == nil) != (err == nil)) {
			t.Errorf("%q in pieces: %v, %v; whole: %v, %v", data, split, serr, got, err)
		}
	})
}

func TestReadAnswerFails(t *testing.T) {
	if _, err := readAnswer(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil || err == errNoAnswer {
		t.Errorf("err = %v", err)
	}
	if _, err := readAnswer(strings.NewReader("")); err != errNoAnswer {
		t.Errorf("err = %v, want errNoAnswer", err)
	}
}
