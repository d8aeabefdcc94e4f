package survival

import (
	"bytes"
	"context"
	"slices"

	"pratique/message"
	"pratique/signing"
)

// fix is the action of a finding that was mended.
const fix = "fix"

// Mender is the check that gives a message, before it is signed, the form that
// the MTA would give it afterwards: it encodes the parts whose lines are too long
// or that are declared 8bit. It belongs right before the signer.
//
// It holds a body back until it has seen it whole, and passes on what is larger
// than MendMaxSize. It leaves alone what bears another signature or is
// encrypted, what is not plainly well formed, and forwarded messages. What it
// mends decodes to the same octets as before.
type Mender struct {
	opts Options
	form signing.Form
}

// NewMender returns a Mender for signatures of this form. Options that have
// problems are an error.
func NewMender(opts Options, form signing.Form) (*Mender, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	return &Mender{opts: opts, form: form}, nil
}

// Name is "survival".
func (d *Mender) Name() string { return checkName }

// Begin returns a message.Rewriter, unless nothing is to be mended or the MTA takes no other body.
func (d *Mender) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	if !d.opts.Mend || m.BodyFixed {
		return nil, nil
	}
	return &mending{mender: d, m: m}, nil
}

// mending mends one message.
type mending struct {
	mender   *Mender
	m        *message.Message
	begun    bool
	passing  bool // the body is passed on as it comes
	root     root
	held     []byte
	released []byte
}

var _ message.Rewriter = (*mending)(nil)

// Header leaves all to begin: those behind have not seen the header yet.
func (i *mending) Header() error { return nil }

// begin is called once it is known whether the message will be signed.
func (i *mending) begin() {
	if i.begun {
		return
	}
	i.begun = true
	var err error
	i.root, err = readRoot(&i.m.Header)
	i.passing = err != nil || isUnsigned(i.m)
}

func isUnsigned(m *message.Message) bool {
	for _, n := range m.Notes {
		if n.Check == "signing" && n.Key == "unsigned" {
			return true
		}
	}
	return false
}

// Write holds a part of the body back, or passes it on.
func (i *mending) Write(p []byte) (int, error) {
	i.begin()
	switch {
	case i.passing:
		i.released = p
	case int64(len(i.held)+len(p)) > i.mender.opts.MendMaxSize:
		i.passing, i.released, i.held = true, append(i.held, p...), nil
	default:
		if len(p) > cap(i.held)-len(i.held) {
			i.held = slices.Grow(i.held, max(len(p), len(i.held))) // twofold: append copies more often
		}
		i.held = append(i.held, p...)
	}
	return len(p), nil
}

// Released returns what Write or End passed on.
func (i *mending) Released() []byte {
	p := i.released
	i.released = nil
	return p
}

// End mends the message, if that makes its signatures survive more.
func (i *mending) End() error {
	i.begin()
	if i.passing {
		return nil
	}
	i.released = i.held
	before := i.breaks(i.root, i.held)
	if before == 0 {
		return nil
	}
	better, err := mend(i.root, i.held, i.mender.opts.LineLimit)
	if err != nil || i.breaks(better.root, better.text) >= before {
		return nil // it leaves as it is, and the forecast says what will break
	}
	i.adopt(better)
	return nil
}

// breaks counts what the MTA would change.
func (i *mending) breaks(r root, text []byte) int {
	b := newBody(i.mender.opts.LineLimit, i.mender.form.RelaxedBody())
	if r.contentType != "" {
		b.field("Content-Type", r.contentType, "")
	}
	b.field("Content-Transfer-Encoding", r.encoding, "")
	b.endRootHeader()
	b.write(text)
	b.close()
	return b.long.count + b.eightBits.count
}

// adopt has the message leave in its better form.
func (i *mending) adopt(better mended) {
	h := &i.m.Header
	if better.root.encoding != i.root.encoding {
		setField(h, "Content-Transfer-Encoding", " "+better.root.encoding)
	}
	if h.Count("MIME-Version") == 0 {
		h.Append("MIME-Version", " 1.0")
	}
	if !bytes.Equal(better.text, i.held) {
		i.m.NewBody = better.text
		i.released = better.text
	}
	for _, p := range better.parts {
		i.m.Report(message.Finding{Check: checkName, Rule: p.rule, Action: fix, Where: p.where, Detail: p.detail})
	}
}

func setField(h *message.Header, name, value string) {
	for index := range h.Named(name) {
		h.Replace(index, value)
		return
	}
	h.Append(name, value)
}

// Close has nothing to give back.
func (i *mending) Close() error { return nil }
