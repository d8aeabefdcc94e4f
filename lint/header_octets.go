package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"unicode/utf8"

	"pratique/message"
)

// Rules on the octets of the header, whatever the fields mean.

// maxLine is the most octets of a line, CRLF apart (RFC 5322 2.1.1). Postfix
// breaks what is longer at delivery (smtp_line_length_limit), after signing.
const maxLine = 998

// Gmail's limits of a header. The header of a message under way is bounded more
// tightly before (message.MaxHeaderBytes); these hold where that bound was raised.
const (
	maxHeaderBytes  = 500 << 10
	maxHeaderFields = 5000
	maxFieldValue   = 32 << 10
	maxFieldName    = 1 << 10
)

var crlf = []byte("\r\n")

func rawOctets(h *header) {
	for i := range h.fields {
		raw := h.fields[i].Raw()
		if ascii(raw) {
			continue
		}
		switch {
		case !utf8.Valid(raw):
			h.foundAt(i, "not UTF-8: "+shown(h.fields[i].Unfolded()))
		case !h.smtputf8:
			h.foundAt(i, "UTF-8 without SMTPUTF8: "+shown(h.fields[i].Unfolded()))
		}
	}
}

func bareInHeader(h *header) {
	for i := range h.fields {
		raw := h.fields[i].Raw()
		if what := bareOctet(raw); what != "" {
			h.foundAt(i, what)
		}
	}
}

// bareOctet says what of a field breaks lines otherwise than folding does, or "".
// A milter is given folded values with LF, so an LF that was bare on the wire may
// stand here as a CRLF that no white space follows.
func bareOctet(raw []byte) string {
	body := raw[:len(raw)-len(crlf)]
	if bytes.IndexByte(body, 0) >= 0 {
		return "NUL"
	}
	for i := 0; i < len(body); i++ {
		n := bytes.IndexAny(body[i:], "\r\n")
		if n < 0 {
			return ""
		}
		i += n
		switch {
		case body[i] == '\n':
			return "bare LF"
		case raw[i+1] != '\n':
			return "bare CR"
		case i+2 == len(body) || body[i+2] != ' ' && body[i+2] != '\t':
			return "a line end that does not fold"
		}
		i++
	}
	return ""
}

func fieldName(h *header) {
	if h.m.Header.Cut() {
		h.found("header", "a line that is no field ends it")
	}
	for i := range h.fields {
		if name := h.fields[i].Name(); !legalFieldName(name) {
			h.found("header", fmt.Sprintf("field %d is named %s", i+1, shown(name)))
		}
	}
}

// legalFieldName holds a name against RFC 5322 2.2: printable ASCII but the colon.
func legalFieldName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7F || c == ':' {
			return false
		}
	}
	return name != ""
}

func headerLine(h *header) {
	for i := range h.fields {
		for line := range bytes.SplitSeq(h.fields[i].Raw(), []byte("\n")) {
			if n := len(bytes.TrimSuffix(line, []byte("\r"))); n > maxLine {
				h.foundAt(i, fmt.Sprintf("%d octets", n))
				break
			}
		}
	}
}

func headerSize(h *header) {
	total, count := h.m.Header.Size(), h.m.Header.Arrived()
	switch {
	case h.m.Header.Overflow(): // the rest may not have been counted
		h.found("header", fmt.Sprintf("more than %d octets or %d fields", cmp.Or(h.m.Header.MaxBytes, message.MaxHeaderBytes), cmp.Or(h.m.Header.MaxFields, message.MaxHeaderFields)))
	case total > maxHeaderBytes || count > maxHeaderFields:
		h.found("header", fmt.Sprintf("%d octets in %d fields", total, count))
	}
	for i := range h.fields {
		f := h.fields[i]
		if tooLarge(&f) {
			h.foundAt(i, fmt.Sprintf("%d octets", len(f.Value())))
		}
		if n := len(f.Name()); n > maxFieldName {
			h.found("header", fmt.Sprintf("field %d has a name of %d octets", i+1, n))
		}
	}
}

// tooLarge reports whether the value is over the limit that holds for all but
// the fields that list many.
func tooLarge(f *message.Field) bool {
	return len(f.Value()) > maxFieldValue && !f.Is("To") && !f.Is("Cc") && !f.Is("References")
}
