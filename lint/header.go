package lint

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"pratique/message"
)

// header is what the header rules look at: the fields as they arrived, and the
// message to mend.
type header struct {
	lint     *Lint
	m        *message.Message
	findings *findings
	rule     int // the rule whose function runs
	fields   []message.Field
	from     []addressField
	smtputf8 bool
	err      error // a fix that could not be made

	signatures *SignatureFacts // nil: nobody wanted to know yet
}

// addressField is an address field as it was parsed.
type addressField struct {
	index int // in header.fields
	value string
	boxes []mailbox
	err   error
}

func (a *addressField) parse(value string) {
	a.value = value
	a.boxes, a.err = parseAddresses(value)
	if a.err == nil && len(a.boxes) == 0 {
		a.err = errNoAddress
	}
}

func newHeader(l *Lint, m *message.Message, f *findings) *header {
	h := &header{lint: l, m: m, findings: f, fields: make([]message.Field, 0, 32)}
	for _, field := range m.Header.Fields() {
		h.fields = append(h.fields, field)
	}
	h.from = h.addresses("From")
	h.smtputf8 = m.HasSenderArg("SMTPUTF8") || l.collecting && h.internationalized()
	return h
}

// judge runs the rules. Of a header that was not kept whole only its size can be told.
func (h *header) judge() error {
	for _, i := range h.lint.header {
		if h.m.Header.Overflow() && h.lint.rules[i].ID != "H23" {
			continue
		}
		h.rule = i
		h.lint.rules[i].header(h)
	}
	return h.err
}

// found records a finding of the rule that runs.
func (h *header) found(where, detail string) { h.findings.add(h.rule, Reject, where, detail) }

// unmended records a finding of the rule that runs about which its fix does nothing.
func (h *header) unmended(where, detail string) {
	most := Reject
	if h.lint.actions[h.rule] == Fix {
		most = Warn
	}
	h.findings.add(h.rule, most, where, detail)
}

// foundAt records a finding at h.fields[i].
func (h *header) foundAt(i int, detail string) { h.found(h.place(i), detail) }

// place names h.fields[i], e.g. "Received[2]": the count is from 1, among the fields of the name.
func (h *header) place(i int) string {
	name := h.fields[i].Name()
	n := 0
	for _, f := range h.fields[:i+1] {
		if f.Is(strings.TrimRight(name, " \t")) {
			n++
		}
	}
	return fmt.Sprintf("%s[%d]", shownName(name), n)
}

// shownName is a field name for a finding: as it stands if it is a legal and sensibly short one.
func shownName(name string) string {
	trimmed := strings.TrimRight(name, " \t")
	if len(trimmed) <= maxValue && legalFieldName(trimmed) {
		return trimmed
	}
	return shown(name)
}

// first returns the index in h.fields of the first field of a name, or -1.
func (h *header) first(name string) int {
	for i := range h.fields {
		if h.fields[i].Is(name) {
			return i
		}
	}
	return -1
}

// values returns the unfolded values of the fields of a name.
func (h *header) values(name string) []string {
	var values []string
	for i := range h.fields {
		if h.fields[i].Is(name) {
			values = append(values, h.fields[i].Unfolded())
		}
	}
	return values
}

func (h *header) has(name string) bool { return h.first(name) >= 0 }

// second returns the index in h.fields of the second field of a name, or -1.
func (h *header) second(name string) int {
	seen := false
	for i := range h.fields {
		if h.fields[i].Is(name) {
			if seen {
				return i
			}
			seen = true
		}
	}
	return -1
}

// refused reports whether h.fields[i] is refused whatever it means: for its size,
// and to read it is then not worth the work, or for octets that leave open where it ends.
func (h *header) refused(i int) bool {
	return h.lint.action("H23") == Reject && tooLarge(&h.fields[i]) ||
		h.lint.action("H20") == Reject && bareOctet(h.fields[i].Raw()) != ""
}

// addresses parses every field of a name. Of one that is refused as a whole
// nothing is said further.
func (h *header) addresses(name string) []addressField {
	var all []addressField
	for i := range h.fields {
		if !h.fields[i].Is(name) {
			continue
		}
		field := addressField{index: i}
		if !h.refused(i) {
			field.parse(h.fields[i].Unfolded())
		}
		all = append(all, field)
	}
	return all
}

// mend records a finding and, if the rule is to fix, applies the fix, which says
// what it did. A fix that would break the signature of someone else is not
// applied (rule A10): the message was forwarded, and its signature is worth more
// than our field.
func (h *header) mend(field, where, detail string, fix func() (done string, err error)) {
	if h.lint.actions[h.rule] != Fix {
		h.found(where, detail)
		return
	}
	if signature := h.coveredBy(field); signature != "" {
		h.findings.add(h.rule, Warn, where, phrases(detail, "left alone: "+signature+" covers it (A10)"))
		h.leftAlone(where, signature)
		return
	}
	done, err := fix()
	if err != nil {
		h.err = errors.Join(h.err, fmt.Errorf("fix %s: %w", field, err))
		return
	}
	h.found(where, phrases(detail, done))
}

// leftAlone records under rule A10 that a fix was not applied.
func (h *header) leftAlone(where, signature string) {
	for i := range h.lint.rules {
		if h.lint.rules[i].ID == "A10" && h.lint.actions[i] != Off {
			h.findings.add(i, Warn, where, h.lint.rules[h.rule].ID+" is not mended: "+signature+" covers it")
		}
	}
}

func phrases(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

// coveredBy names the DKIM-Signature field whose h= tag lists a field, or returns
// "". A field that is listed but absent is covered too: adding it breaks the
// signature (RFC 6376 5.4).
func (h *header) coveredBy(field string) string {
	for i := range h.fields {
		if h.fields[i].Is("DKIM-Signature") && signs(h.fields[i].Unfolded(), field) {
			return h.place(i)
		}
	}
	return ""
}

// signs reports whether the h= tag of a DKIM-Signature value lists the field.
func signs(signature, field string) bool {
	for listed := range strings.SplitSeq(signatureTag(signature, "h"), ":") {
		if strings.EqualFold(strings.TrimSpace(listed), field) {
			return true
		}
	}
	return false
}

// signatureTag returns a tag of a DKIM-Signature value (RFC 6376 3.2), or "".
func signatureTag(signature, tag string) string {
	for spec := range strings.SplitSeq(signature, ";") {
		if name, value, _ := strings.Cut(spec, "="); strings.TrimSpace(name) == tag {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// internationalized reports whether a stored message shows that it was meant for
// SMTPUTF8: an address that is not ASCII, the type message/global, or a trace
// field that says so (RFC 6531 4.3).
func (h *header) internationalized() bool {
	for _, name := range []string{"From", "Sender", "Reply-To", "To", "Cc"} {
		for _, field := range h.addresses(name) {
			for _, box := range field.boxes {
				if s := box.String(); !ascii(s) && utf8.ValidString(s) {
					return true
				}
			}
		}
	}
	for i := range h.fields {
		switch {
		case h.fields[i].Is("Received"):
			if tracesUTF8(h.fields[i].Unfolded()) {
				return true
			}
		case h.fields[i].Is("Content-Type"):
			if strings.HasPrefix(strings.ToLower(h.fields[i].Unfolded()), "message/global") {
				return true
			}
		}
	}
	return false
}

// tracesUTF8 reports whether a Received value names a protocol with SMTPUTF8:
// UTF8SMTP, UTF8LMTP and what else is derived of them (RFC 6531 4.3).
func tracesUTF8(received string) bool {
	with := false
	for word := range strings.FieldsSeq(strings.ToLower(received)) {
		if with && strings.HasPrefix(word, "utf8") {
			return true
		}
		with = word == "with"
	}
	return false
}

func ascii[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
