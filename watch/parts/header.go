package parts

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
)

// Field is one header field, unfolded, with encoded-words decoded where that works.
type Field struct{ Name, Value string }

// Header is the fields of a header, or of a group of fields in a report.
type Header []Field

// Get returns the value of the topmost field of that name, in any case, or "".
func (h Header) Get(name string) string {
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// All returns the values of all fields of that name, from the top.
func (h Header) All(name string) []string {
	var values []string
	for _, f := range h {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// ParseHeader reads a block of fields. Lines that are none are passed over.
func ParseHeader(block []byte) Header {
	var h Header
	decoder := &mime.WordDecoder{CharsetReader: charsetReader}
	for at := 0; at < len(block) && len(h) < maxFields; {
		var line []byte
		line, at = cutLine(block, at)
		var folded []byte
		for at < len(block) && (block[at] == ' ' || block[at] == '\t' || lostFold(line, block[at:])) {
			var more []byte
			more, at = cutLine(block, at)
			if len(folded) < maxValue {
				folded = append(append(folded, ' '), bytes.TrimSpace(more)...)
			}
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if !ok || len(name) == 0 || bytes.ContainsAny(name, " \t") {
			continue
		}
		text := strings.TrimSpace(string(bytes.TrimSpace(value)) + string(folded))
		if len(text) > maxValue {
			text = text[:maxValue]
		}
		if strings.Contains(text, "=?") {
			if decoded, err := decoder.DecodeHeader(text); err == nil {
				text = decoded
			}
		}
		h = append(h, Field{string(name), toUTF8(text)})
	}
	return h
}

// lostFold reports whether a line goes on in the next one though that begins with no
// space: a parameter that a broken program put on a line of its own.
func lostFold(line, rest []byte) bool {
	return bytes.HasSuffix(bytes.TrimRight(line, " \t"), []byte(";")) && parameter.Match(rest[:min(len(rest), 80)])
}

var parameter = regexp.MustCompile(`(?i)\A(?:boundary|charset|report-type|name)[ \t]*=`)

// Groups splits a body into the groups of fields that empty lines separate, as in
// message/delivery-status (RFC 3464 2.1); at most so many.
func Groups(body []byte, most int) []Header {
	var groups []Header
	start := 0
	flush := func(end int) {
		if h := ParseHeader(body[start:end]); len(h) > 0 && len(groups) < most {
			groups = append(groups, h)
		}
	}
	for at := 0; at < len(body); {
		line, next := cutLine(body, at)
		if len(bytes.TrimSpace(line)) == 0 {
			flush(at)
			start = next
		}
		at = next
	}
	flush(len(body))
	return groups
}

// ReceivedIDs returns the ids by which servers named a message in its Received
// fields (RFC 5321 4.4), the newest first.
func (h Header) ReceivedIDs() []string {
	var ids []string
	for _, value := range h.All("Received") {
		if m := receivedID.FindStringSubmatch(value); m != nil && len(ids) < maxIDs {
			ids = append(ids, m[1])
		}
	}
	return ids
}

const maxIDs = 20

var receivedID = regexp.MustCompile(`(?i)\sid ([A-Za-z0-9]{6,32})\b`)
