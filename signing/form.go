package signing

import (
	"fmt"
	"io"
	"strings"
)

// Form is the canonical form that a signature is made of: its c= (RFC 6376 3.4).
type Form struct{ canon canonicalization }

// ParseForm reads a c=. "" is simple/simple, and a body algorithm that is left out
// is simple (RFC 6376 3.5).
func ParseForm(c string) (Form, error) {
	header, body, both := strings.Cut(strings.ToLower(c), "/")
	if header == "" {
		header = "simple"
	}
	if !both {
		body = "simple"
	}
	canon, err := parseCanonicalization(header + "/" + body)
	if err != nil {
		return Form{}, fmt.Errorf("c=%w", err)
	}
	return Form{canon}, nil
}

func (f Form) String() string { return f.canon.String() }

// AppendField appends a header field, given with its folding and final CRLF.
func (f Form) AppendField(dst, raw []byte) []byte { return f.canon.appendHeader(dst, raw) }

// WriteBody writes a body, given with CRLF line ends.
func (f Form) WriteBody(w io.Writer, text []byte) {
	b := newBody(f.canon.relaxedBody, w)
	b.Write(text)
	b.finish()
}

// RelaxedBody reports whether the form of the body is relaxed.
func (f Form) RelaxedBody() bool { return f.canon.relaxedBody }
