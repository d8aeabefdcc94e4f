package message

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strings"
)

// Default bounds of a header. A message that passes them is refused, because
// what was not kept can be neither judged nor signed.
const (
	MaxHeaderBytes  = 256 << 10
	MaxHeaderFields = 1000
)

// ErrHeaderTooLarge is returned by Header.Receive once a bound is passed.
var ErrHeaderTooLarge = errors.New("header too large")

// Field is one header field, exactly as it stands in the message.
type Field struct {
	raw   []byte // "Name: value" with its folding, ends in CRLF
	colon int    // index of the colon in raw
}

// NewField builds a field from a name and all that follows the colon, leading
// space and folding included. Bare LF in the value becomes CRLF, which is how
// the milter protocol carries folding.
func NewField(name, value string) Field {
	raw := make([]byte, 0, len(name)+len(value)+3+strings.Count(value, "\n"))
	raw = append(raw, name...)
	raw = append(raw, ':')
	for {
		line, rest, more := strings.Cut(value, "\n")
		raw = append(raw, line...)
		if !more {
			return Field{raw: append(raw, '\r', '\n'), colon: len(name)}
		}
		if !strings.HasSuffix(line, "\r") {
			raw = append(raw, '\r')
		}
		raw = append(raw, '\n')
		value = rest
	}
}

// Raw returns the field with its folding and the final CRLF. It must not be changed.
func (f Field) Raw() []byte { return f.raw }

// Name returns what stands before the colon, as it stands there.
func (f Field) Name() string { return string(f.raw[:f.colon]) }

// Value returns what stands between the colon and the final CRLF: leading space
// and folding are kept. It must not be changed.
func (f Field) Value() []byte { return f.raw[f.colon+1 : len(f.raw)-2] }

// Unfolded returns the value with each CRLF removed (RFC 5322 2.2.3) and the white space at
// both ends trimmed.
func (f Field) Unfolded() string {
	v := f.Value()
	if bytes.Contains(v, crlf) {
		v = bytes.ReplaceAll(v, crlf, nil)
	}
	return string(bytes.Trim(v, " \t"))
}

// Is reports whether the field has this name, in any case; white space before
// the colon is not part of a name.
func (f Field) Is(name string) bool {
	own := bytes.TrimRight(f.raw[:f.colon], " \t")
	return len(own) == len(name) && strings.EqualFold(string(own), name)
}

var crlf = []byte("\r\n")

// Header is the header of a message: the fields as they arrived and the
// journal of what the checks changed. The zero Header is empty and has the
// default bounds.
type Header struct {
	MaxBytes  int // 0: MaxHeaderBytes
	MaxFields int // 0: MaxHeaderFields

	arrived   []arrivedField
	prepended []Field // newest last: the last one stands on top
	appended  []Field
	size      int // octets of all arrived fields, kept or not
	seen      int // arrived fields, kept or not
	overflow  bool
	cut       bool
}

// usualFields has room for the fields of most messages.
const usualFields = 16

type arrivedField struct {
	Field
	changed, removed bool
}

// Receive adds a field as it arrives from the MTA. Past the bounds it keeps
// nothing more and returns ErrHeaderTooLarge.
func (h *Header) Receive(f Field) error {
	h.size += len(f.raw)
	h.seen++
	if h.size > or(h.MaxBytes, MaxHeaderBytes) || h.seen > or(h.MaxFields, MaxHeaderFields) {
		h.overflow = true
	}
	if h.overflow {
		return ErrHeaderTooLarge
	}
	if h.arrived == nil {
		h.arrived = make([]arrivedField, 0, usualFields)
	}
	h.arrived = append(h.arrived, arrivedField{Field: f})
	return nil
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Overflow reports whether fields were dropped because a bound was passed.
func (h *Header) Overflow() bool { return h.overflow }

// Cut reports whether a line that is no field ended the header of a stored
// message, as it does for an MTA. A message under way comes without such a line:
// the MTA has made it the first line of the body.
func (h *Header) Cut() bool { return h.cut }

// Size returns the octets of all fields that arrived, also of those dropped.
func (h *Header) Size() int { return h.size }

// Arrived returns how many fields arrived, also those dropped.
func (h *Header) Arrived() int { return h.seen }

// Fields yields the header as it will leave, from top to bottom. The key is an
// index for Replace and Remove, valid until the header is edited.
func (h *Header) Fields() iter.Seq2[int, Field] {
	return func(yield func(int, Field) bool) {
		index := 0
		for i := len(h.prepended) - 1; i >= 0; i-- {
			if !yield(index, h.prepended[i]) {
				return
			}
			index++
		}
		for i := range h.arrived {
			if !h.arrived[i].removed && !yield(index, h.arrived[i].Field) {
				return
			}
			index++
		}
		for _, f := range h.appended {
			if !yield(index, f) {
				return
			}
			index++
		}
	}
}

// Named yields the fields of one name, from top to bottom.
func (h *Header) Named(name string) iter.Seq2[int, Field] {
	return func(yield func(int, Field) bool) {
		for i, f := range h.Fields() {
			if f.Is(name) && !yield(i, f) {
				return
			}
		}
	}
}

// First returns the topmost field of a name.
func (h *Header) First(name string) (Field, bool) {
	for _, f := range h.Named(name) {
		return f, true
	}
	return Field{}, false
}

// Count returns how many fields have a name.
func (h *Header) Count(name string) int {
	n := 0
	for range h.Named(name) {
		n++
	}
	return n
}

// Prepend puts a field on top. The value is all that follows the colon, so it
// normally begins with a space; it may be folded with CRLF or LF.
func (h *Header) Prepend(name, value string) {
	h.prepended = append(h.prepended, NewField(name, value))
}

// Append puts a field at the bottom of the header.
func (h *Header) Append(name, value string) {
	h.appended = append(h.appended, NewField(name, value))
}

// Replace gives the field at index a new value.
func (h *Header) Replace(index int, value string) {
	f := h.at(index)
	*f = NewField(f.Name(), value)
	if a := index - len(h.prepended); a >= 0 && a < len(h.arrived) {
		h.arrived[a].changed = true
	}
}

// Remove takes the field at index out of the header.
func (h *Header) Remove(index int) {
	a := index - len(h.prepended)
	switch {
	case a < 0:
		i := len(h.prepended) - 1 - index
		h.prepended = append(h.prepended[:i], h.prepended[i+1:]...)
	case a < len(h.arrived):
		h.arrived[a].removed = true
	default:
		i := a - len(h.arrived)
		h.appended = append(h.appended[:i], h.appended[i+1:]...)
	}
}

// at returns the field at an index that Fields yielded.
func (h *Header) at(index int) *Field {
	a := index - len(h.prepended)
	switch {
	case a < 0:
		return &h.prepended[len(h.prepended)-1-index]
	case a < len(h.arrived):
		return &h.arrived[a].Field
	default:
		return &h.appended[a-len(h.arrived)]
	}
}

// WriteTo writes the header as it will leave, without the empty line that ends it.
func (h *Header) WriteTo(w io.Writer) (int64, error) {
	var written int64
	for _, f := range h.Fields() {
		n, err := w.Write(f.raw)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// EditOp is a kind of header modification.
type EditOp uint8

// The modifications, in the order in which Edits yields them.
const (
	EditChange  EditOp = iota // give the Occurrence-th field of that name a new value
	EditRemove                // delete the Occurrence-th field of that name
	EditPrepend               // insert at index 0
	EditAppend                // add at the end
)

// Edit is one modification of the header that arrived.
type Edit struct {
	Op         EditOp
	Name       string
	Occurrence int    // with EditChange and EditRemove: among the arrived fields of that name, from 1
	Value      string // all that follows the colon, CRLF folding; without the final CRLF
}

// Edits returns what was done to the header, to be replayed in this order.
// Changes come first and removals from the bottom up, so that an occurrence
// means the same field whether or not an MTA still counts those removed before.
func (h *Header) Edits() []Edit {
	var edits, removals []Edit
	for i, f := range h.arrived {
		switch {
		case f.removed:
			removals = append(removals, Edit{Op: EditRemove, Name: f.Name(), Occurrence: h.occurrence(i)})
		case f.changed:
			edits = append(edits, f.edit(EditChange, h.occurrence(i)))
		}
	}
	for i := len(removals) - 1; i >= 0; i-- {
		edits = append(edits, removals[i])
	}
	for _, f := range h.prepended {
		edits = append(edits, f.edit(EditPrepend, 0))
	}
	for _, f := range h.appended {
		edits = append(edits, f.edit(EditAppend, 0))
	}
	return edits
}

func (f Field) edit(op EditOp, occurrence int) Edit {
	return Edit{Op: op, Name: f.Name(), Occurrence: occurrence, Value: string(f.Value())}
}

// occurrence counts the arrived fields of the same name down to arrived[i], from 1.
func (h *Header) occurrence(i int) int {
	name, n := h.arrived[i].Name(), 0
	for _, f := range h.arrived[:i+1] {
		if f.Is(name) {
			n++
		}
	}
	return n
}
