package milter

import (
	"encoding/binary"
	"strings"

	"github.com/emersion/go-milter"

	"pratique/message"
)

// maxModification bounds the data of one modification: sendmail refuses to read more (MILTER_MAX_DATA_SIZE).
const maxModification = 65535

// Answers to a message that can't be given the form that it was to leave in.
var (
	errCantHold = &message.Refusal{Code: 451, Enhanced: "4.7.0", Text: "this message would be held, but the mail system does not offer that"}
	errCantEdit = &message.Refusal{Code: 451, Enhanced: "4.3.0", Text: "this message can't be modified as it has to be"}
)

// plan says which modifications an accepted message needs, or why they can't
// be made. It is asked before the first one is sent: a message that got half of
// them must not leave.
func (t terms) plan(m *message.Message) ([]message.Edit, *message.Refusal) {
	if m.Held() != "" && t.actions&milter.OptQuarantine == 0 {
		return nil, errCantHold
	}
	if m.NewBody != nil && t.actions&milter.OptChangeBody == 0 {
		return nil, errCantEdit
	}
	edits := m.Header.Edits()
	for _, e := range edits {
		if !t.can(e) {
			return nil, errCantEdit
		}
	}
	return edits, nil
}

func (t terms) can(e message.Edit) bool {
	needed := milter.OptAddHeader
	if e.Op == message.EditChange || e.Op == message.EditRemove {
		needed = milter.OptChangeHeader
	}
	const overhead = len("\x00\x00\x00\x00") + len("\x00\x00") // index and the ends of name and value
	return t.actions&needed != 0 && e.Name != "" && !strings.ContainsRune(e.Name, 0) && !strings.ContainsRune(e.Value, 0) &&
		len(e.Name)+len(e.Value)+overhead <= maxModification
}

// apply gathers the modifications of an accepted message, to leave with its reply.
func (t terms) apply(c *conn, m *message.Message, edits []message.Edit) {
	for _, e := range edits {
		t.edit(c, e)
	}
	if reason := m.Held(); reason != "" {
		c.modify(milter.ActQuarantine, nil, strings.Map(printable, reason)+"\x00")
	}
	replaceBody(c, m.NewBody)
}

// replaceBody sends a new body, if there is one. It is the last modification and
// in one row: Postfix takes no other one between or behind its pieces.
func replaceBody(c *conn, body []byte) {
	for len(body) > 0 {
		piece := body[:min(len(body), maxModification)]
		if piece[len(piece)-1] == '\r' && len(piece) < len(body) {
			piece = piece[:len(piece)-1] // its LF comes with the next one
		}
		c.modify(milter.ActReplBody, nil, string(piece))
		body = body[len(piece):]
	}
}

func (t terms) edit(c *conn, e message.Edit) {
	switch e.Op {
	case message.EditChange:
		c.modify(milter.ActChangeHeader, index(e.Occurrence), e.Name+"\x00"+t.value(e.Value)+"\x00")
	case message.EditRemove:
		c.modify(milter.ActChangeHeader, index(e.Occurrence), e.Name+"\x00\x00")
	case message.EditPrepend:
		// Index 0 is above the MTA's own Received field, in both MTAs.
		c.modify(milter.ActInsertHeader, index(0), e.Name+"\x00"+t.value(e.Value)+"\x00")
	default:
		c.modify(milter.ActAddHeader, nil, e.Name+"\x00"+t.value(e.Value)+"\x00")
	}
}

func index(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// value is a value as the MTA takes it. Without HDR_LEADSPC it puts a space
// between the colon and the value by itself. A value must not be empty, because
// that is how a removal is written.
func (t terms) value(v string) string {
	if !t.agreed(milter.OptHeaderLeadingSpace) {
		v = strings.TrimPrefix(v, " ")
	}
	if v == "" {
		return " "
	}
	return v
}

// received is a value as it stood in the message.
func (t terms) received(v string) string {
	if t.agreed(milter.OptHeaderLeadingSpace) {
		return v
	}
	return " " + v
}
