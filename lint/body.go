package lint

import (
	"fmt"
	"strings"

	"pratique/message"
)

// body is what the rules on MIME entities look at. It is the parser's handler.
type body struct {
	lint     *Lint
	m        *message.Message
	findings *findings
	parser   *parser
	rule     int // the rule whose function runs
	deep     bool
	from     string      // the From domain, "" if it is not one
	domains  DomainFacts // known by the end of the message
	smtputf8 bool        // it is sent with SMTPUTF8

	references  references
	unsubscribe *unsubscribe // nil: not bulk mail
}

// newBody begins the body behind a header that was judged.
func newBody(h *header) *body {
	b := &body{lint: h.lint, m: h.m, findings: h.findings, smtputf8: h.smtputf8}
	if h.lint.wayOut != nil && h.isBulk() {
		b.unsubscribe = newUnsubscribe(h.lint.wayOut, h.values("List-Unsubscribe"))
	}
	b.parser = newParser(b)
	b.parser.start(rootFields(&h.m.Header))
	return b
}

// rootFields are the MIME fields of the message itself. Of a header that was not
// kept whole nothing can be told, so the body is read as one piece of data.
func rootFields(h *message.Header) partFields {
	var fields partFields
	if h.Overflow() {
		return partFields{contentType: []string{"application/octet-stream"}, encoding: []string{"binary"}}
	}
	for _, field := range h.Fields() {
		name := field.Name()
		if len(name) > len("content-") && strings.EqualFold(name[:len("content-")], "content-") {
			fields.add(strings.TrimRight(name, " \t"), field.Unfolded())
		}
	}
	return fields
}

// found records a finding of the rule that runs, at an entity. Inside a forwarded
// message a rule of mere form warns at most.
func (b *body) found(p *part, where, detail string) {
	most := Reject
	if p.forwarded && !b.lint.rules[b.rule].inner {
		most = Warn
	}
	b.findings.add(b.rule, most, where, detail)
}

// foundSpots records a finding on lines of an entity.
func (b *body) foundSpots(p *part, s spots, detail string) {
	if s.count > 1 {
		detail = phrases(detail, fmt.Sprintf("%d lines", s.count))
	}
	b.found(p, p.line(s.first), detail)
}

func (b *body) begin(p *part) wanted {
	for _, i := range b.lint.part {
		b.rule = i
		b.lint.rules[i].part(b, p)
	}
	if b.lint.documents {
		b.references.begin(p)
		p.rules.text = b.openText(p)
	}
	if b.lint.octets {
		p.rules.encoded, p.rules.octets = newEncodedData(p), newTextOctets(p)
	}
	switch {
	case p.rules.quotedPrintable() != nil: // so it is no zip: those that are read are base64
		return runsOfLines
	case p.rules.zip != nil || p.rules.text != nil || p.rules.encoded != nil:
		return allLines
	case p.rules.octets != nil:
		return eightBitLines
	}
	return noLines
}

func (b *body) opening(p *part, line []byte) { p.rules.sniff.line(p, line) }

func (b *body) data(p *part, octets []byte, f faults, begins bool) {
	if p.rules.zip != nil {
		p.rules.zip.write(octets)
	}
	sound := false
	if p.rules.text != nil {
		sound = p.rules.text.decoder.write(octets, begins)
	}
	if p.rules.encoded != nil {
		p.rules.encoded.write(octets, begins, sound, b.parser.line)
	}
	if p.rules.octets != nil {
		p.rules.octets.data(octets, f, begins, b.parser.line)
	}
}

func (b *body) lines(p *part, octets []byte) (n, lines int) {
	if encoded := p.rules.encoded; encoded != nil && !encoded.atLine() {
		return 0, 0
	}
	return p.rules.quotedPrintable().usualLines(octets)
}

func (b *body) end(p *part) {
	if p.rules.text != nil {
		p.rules.text.close()
	}
	if p.rules.encoded != nil {
		p.rules.encoded.close(b.parser.line)
	}
	if p.rules.octets != nil {
		p.rules.octets.close()
	}
	for _, i := range b.lint.ended {
		b.rule = i
		b.lint.rules[i].ended(b, p)
	}
}

// limit reports that the parser stopped reading, under rule M18. What was not
// read was not judged, so there is a finding even where M18 is off.
func (b *body) limit(p *part, what string) {
	for i := range b.lint.rules {
		if b.lint.rules[i].ID != "M18" {
			continue
		}
		most := Reject
		if b.lint.actions[i] == Off {
			most = Warn
		}
		b.findings.add(i, most, p.where(), what)
	}
}

// finish ends the body and runs the rules on the whole message.
func (b *body) finish() {
	b.parser.close()
	for _, i := range b.lint.end {
		b.rule = i
		b.lint.rules[i].end(b)
	}
}

// messageSize holds the message against the limit, as it travels: header, empty line, body.
func messageSize(b *body) {
	if size := int64(b.m.Header.Size()) + int64(len(crlf)) + b.parser.size; size > b.lint.maxSize {
		b.findings.add(b.rule, Reject, "message", fmt.Sprintf("%d octets, at most %d", size, b.lint.maxSize))
	}
}
