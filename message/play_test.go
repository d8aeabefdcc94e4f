package message

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func TestPlaySplitsHeaderAndBody(t *testing.T) {
	long := strings.Repeat("x", 3*playChunk)
	tests := []struct {
		name, in     string
		header, body string
	}{
		{"crlf", "A: 1\r\nB: 2\r\n 3\r\n\r\nbody\r\n", "A: 1\r\nB: 2\r\n 3\r\n", "body\r\n"},
		{"lf becomes crlf", "A: 1\nB: 2\n\t3\n\nbody\n.\n", "A: 1\r\nB: 2\r\n\t3\r\n", "body\r\n.\r\n"},
		{"lf, and crlf in the body", "A: 1\nB: 2\n\nsigned\r\ntext\n", "A: 1\r\nB: 2\r\n", "signed\r\ntext\r\n"},
		{"a stray cr in the header of an lf file is kept", "A: 1\nB: 2\r\n\nx\n", "A: 1\r\nB: 2\r\r\n", "x\r\n"},
		{"bare lf in a crlf file is kept", "A: 1\r\nB: 2\nC: 3\r\n\r\nx\ny\r\n", "A: 1\r\nB: 2\nC: 3\r\n", "x\ny\r\n"},
		{"no empty line", "A: 1\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n", ""},
		{"no final line end", "A: 1\r\nB: 2", "A: 1\r\nB: 2\r\n", ""},
		{"a line that is no field begins the body", "A: 1\r\nnonsense\r\nB: 2\r\n", "A: 1\r\n", "nonsense\r\nB: 2\r\n"},
		{"an empty name", "A: 1\r\n: 2\r\n\r\nbody", "A: 1\r\n: 2\r\n", "body"},
		{"mbox", "From a@example.org Mon\nA: 1\n\nbody\n", "A: 1\r\n", "body\r\n"},
		{"white space before the colon of From", "From : a\r\nB: 2\r\n\r\n", "From : a\r\nB: 2\r\n", ""},
		{"white space before the colon", "A : 1\r\n\r\n", "A : 1\r\n", ""},
		{"long field", "A: " + long + "\r\nB: 2\r\n\r\nbody", "A: " + long + "\r\nB: 2\r\n", "body"},
		{"long body line", "A: 1\r\n\r\n" + long, "A: 1\r\n", long},
		{"empty", "", "", ""},
		{"only a body", "\r\nbody", "", "body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, got := &Message{}, &recorder{}
			var body bytes.Buffer
			if err := Play(context.Background(), got.check(), m, strings.NewReader(tt.in), &body); err != nil {
				t.Fatal(err)
			}
			var header bytes.Buffer
			m.Header.WriteTo(&header)
			if header.String() != tt.header {
				t.Errorf("header = %q, want %q", header.String(), tt.header)
			}
			if got.body.String() != tt.body || body.String() != tt.body {
				t.Errorf("body = %.200q, copy %.200q, want %.200q", got.body.String(), body.String(), tt.body)
			}
			if cut := strings.HasPrefix(tt.body, "nonsense"); m.Header.Cut() != cut {
				t.Errorf("cut %v, want %v", m.Header.Cut(), cut)
			}
			if !got.ended || got.closed != 1 {
				t.Errorf("ended %v, closed %d times", got.ended, got.closed)
			}
		})
	}
}

func TestPlayBoundsTheHeader(t *testing.T) {
	for name, in := range map[string]string{
		"one endless field": "A: " + strings.Repeat("x", 10<<20),
		"too many fields":   strings.Repeat("A: 1\r\n", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			m := &Message{}
			err := Play(context.Background(), NewChain(), m, strings.NewReader(in), nil)
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Code != 552 {
				t.Fatalf("err = %v, want a 552", err)
			}
			kept := 0
			for _, f := range m.Header.Fields() {
				kept += len(f.Raw())
			}
			if kept > MaxHeaderBytes {
				t.Errorf("kept %d octets", kept)
			}
		})
	}
}

// recorder is an Inspector that keeps what it saw.
type recorder struct {
	body   bytes.Buffer
	ended  bool
	closed int
}

func (r *recorder) check() Check {
	return checkFunc{"recorder", func() (Inspector, error) { return r, nil }}
}

func (r *recorder) Header() error               { return nil }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }
func (r *recorder) End() error                  { r.ended = true; return nil }
func (r *recorder) Close() error                { r.closed++; return nil }

type checkFunc struct {
	name  string
	begin func() (Inspector, error)
}

func (c checkFunc) Name() string                                       { return c.name }
func (c checkFunc) Begin(context.Context, *Message) (Inspector, error) { return c.begin() }

// FuzzPlay holds that nothing of a message stored with CRLF is lost or changed
// on its way through Play.
func FuzzPlay(f *testing.F) {
	for _, in := range []string{
		"A: 1\r\n\r\nbody\r\n", "A: 1\r\n b\nc\r\nnonsense\r\n", ": x\r\n\r\n", "From : x\r\n\r\n", "\r\n", "A: 1", " x\r\n\r\n", "A\x00: 1\r\n\r\n",
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		in = append([]byte("X-First: line\r\n"), in...)
		m, got := &Message{}, &recorder{}
		if err := Play(context.Background(), got.check(), m, bytes.NewReader(in), nil); err != nil {
			t.Fatal(err)
		}
		if m.Header.Overflow() {
			return
		}
		var out bytes.Buffer
		m.Header.WriteTo(&out)
		header := out.Len()
		out.Write(got.body.Bytes())
		withEmptyLine := string(out.Bytes()[:header]) + "\r\n" + got.body.String()
		if whole := string(in); whole != out.String() && whole != withEmptyLine && whole+"\r\n" != out.String() {
			t.Errorf("%q became header %q and body %q", in, out.Bytes()[:header], got.body.Bytes())
		}
	})
}
