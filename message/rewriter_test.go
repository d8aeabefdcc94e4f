package message

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

// holder is a Rewriter: it holds the body back until it has more than most
// octets, and makes upper case of one that it has whole.
type holder struct {
	m        *Message
	most     int
	held     []byte
	released []byte
	gone     bool
	fail     error
}

func (h *holder) Name() string                                           { return "holder" }
func (h *holder) Begin(_ context.Context, m *Message) (Inspector, error) { h.m = m; return h, nil }
func (h *holder) Header() error                                          { return nil }
func (h *holder) Close() error                                           { return nil }

func (h *holder) Write(p []byte) (int, error) {
	h.held = append(h.held, p...)
	if h.gone = h.gone || len(h.held) > h.most; h.gone {
		h.released, h.held = h.held, nil
	}
	return len(p), h.fail
}

func (h *holder) End() error {
	if !h.gone {
		h.released = bytes.ToUpper(h.held)
		h.m.NewBody = h.released
	}
	return nil
}

func (h *holder) Released() []byte {
	p := h.released
	h.released = nil
	return p
}

// reader keeps the body that it is shown.
type reader struct {
	got   []byte
	wrote int
	ended bool
}

func (r *reader) Name() string                                       { return "reader" }
func (r *reader) Begin(context.Context, *Message) (Inspector, error) { return r, nil }
func (r *reader) Header() error                                      { return nil }
func (r *reader) End() error                                         { r.ended = true; return nil }
func (r *reader) Close() error                                       { return nil }
func (r *reader) Write(p []byte) (int, error) {
	r.wrote++
	r.got = append(r.got, p...)
	return len(p), nil
}

func TestRewriter(t *testing.T) {
	body := strings.Repeat("body\r\n", playChunk/2)
	for name, c := range map[string]struct {
		body  string
		most  []int // of the Rewriters, one behind the other
		want  string
		fresh bool
	}{
		"held":               {body, []int{len(body)}, strings.ToUpper(body), true},
		"too large":          {body, []int{len(body) - 1}, body, false},
		"passed on":          {body, []int{0}, body, false},
		"none":               {"", []int{100}, "", true},
		"two, both hold":     {body, []int{len(body), len(body)}, strings.ToUpper(body), true},
		"two, one holds":     {body, []int{0, len(body)}, strings.ToUpper(body), true},
		"two, the other one": {body, []int{len(body), 0}, strings.ToUpper(body), true},
	} {
		before, behind := &reader{}, &reader{}
		links := []Link{{Check: before}}
		for _, most := range c.most {
			links = append(links, Link{Check: &holder{most: most}})
		}
		m := &Message{}
		err := Play(t.Context(), NewChain(append(links, Link{Check: behind})...), m, strings.NewReader("A: 1\r\n\r\n"+c.body), nil)
		if err != nil || string(before.got) != c.body || m.BodySize != int64(len(c.body)) {
			t.Errorf("%s: %d octets came before it, %v", name, len(before.got), err)
		}
		if string(behind.got) != c.want || !behind.ended || (m.NewBody != nil) != c.fresh {
			t.Errorf("%s: %d octets came behind it, ended %v, new body %v", name, len(behind.got), behind.ended, m.NewBody != nil)
		}
	}
}

// A Rewriter that breaks is not left out: those behind would miss what it holds.
func TestBrokenRewriterFailsClosed(t *testing.T) {
	for _, policy := range []OnError{Tempfail, Accept, Hold} {
		m, behind := &Message{}, &reader{}
		chain := NewChain(Link{Check: &holder{fail: errors.New("broken")}, OnError: policy}, Link{Check: behind})
		err := Play(t.Context(), chain, m, strings.NewReader("A: 1\r\n\r\nbody\r\n"), nil)
		if o := OutcomeOf(m, err); o.Verdict != Tempfailed || o.Check != "holder" || behind.wrote > 0 {
			t.Errorf("%v: %+v, %d writes behind it", policy, o, behind.wrote)
		}
	}
}
