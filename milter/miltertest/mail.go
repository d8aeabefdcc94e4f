package miltertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-milter"
)

// Mail is a message as an MTA has it.
type Mail struct {
	From       string // without angle brackets
	FromArgs   []string
	Recipients []Recipient
	Header     []Field
	Body       []byte // with CRLF line ends
	QueueID    string // "": made up
}

// Recipient is a RCPT.
type Recipient struct {
	Addr string
	Args []string
}

// Field is a header field. The value is all that follows the colon, with LF or CRLF folding.
type Field struct{ Name, Value string }

// To makes recipients of addresses.
func To(addrs ...string) []Recipient {
	all := make([]Recipient, len(addrs))
	for i, a := range addrs {
		all[i].Addr = a
	}
	return all
}

// Parse takes a message with CRLF line ends apart. Its header must be well formed.
func Parse(raw []byte) (header []Field, body []byte) {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') && len(header) > 0 {
			header[len(header)-1].Value += "\r\n" + line
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		header = append(header, Field{name, value})
	}
	return header, body
}

// Reply is a frame from the filter.
type Reply struct {
	Code byte
	Data []byte
}

// Continues reports whether the MTA goes on with the next command.
func (r Reply) Continues() bool { return r.Code == byte(milter.ActContinue) }

// Accepts reports whether the message is accepted; so it is by "continue" at its end.
func (r Reply) Accepts() bool { return r.Continues() || r.Code == byte(milter.ActAccept) }

// SMTP is the SMTP reply that the filter asks for, lines separated by CRLF, or "".
func (r Reply) SMTP() string {
	if r.Code != byte(milter.ActReplyCode) {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(r.Data), "\x00"), "%%", "%")
}

func (r Reply) String() string { return fmt.Sprintf("%q %q", rune(r.Code), r.Data) }

// Modification is a change that the filter asks for before its last reply.
type Modification struct {
	Code  milter.ModifyActCode
	Index uint32 // with ActChangeHeader and ActInsertHeader
	Name  string
	Value string // as it came; with ActQuarantine: the reason, with ActReplBody: a piece of the body
}

// Result is what became of a message.
type Result struct {
	Reply         Reply       // the last one
	At            milter.Code // the command that it answered
	Modifications []Modification
	Progress      int           // signs of life that came
	Wait          time.Duration // from the end of the message to the last reply

	mta    MTA
	agreed milter.OptProtocol
}

// chunkSize is what both MTAs send at most.
const chunkSize = 65535

// Send plays a whole message, from MAIL to its last reply.
func (c *Conn) Send(m Mail) (Result, error) {
	result := Result{mta: c.mta, agreed: c.Agreed}
	if m.QueueID == "" {
		c.serial++
		m.QueueID = fmt.Sprintf("TEST%06d", c.serial)
	}
	if err := c.play(&m, &result); err != nil {
		return result, err
	}
	if c.mta.Abort {
		c.Put(milter.CodeAbort, nil)
	}
	return result, nil
}

func (c *Conn) play(m *Mail, result *Result) error {
	step := func(code milter.Code, data []byte) (goOn bool, err error) {
		result.At = code
		result.Reply, err = c.Command(code, data)
		return err == nil && result.Reply.Continues(), err
	}
	id := []string{"i", m.QueueID}
	c.Macros(milter.CodeMail, c.mailMacros(id)...)
	if goOn, err := step(milter.CodeMail, path(m.From, m.FromArgs, c.local())); !goOn {
		return err
	}
	for _, r := range m.Recipients {
		c.Macros(milter.CodeRcpt, "{rcpt_addr}", r.Addr)
		if goOn, err := step(milter.CodeRcpt, path(r.Addr, r.Args, c.local())); !goOn {
			return err
		}
	}
	c.Macros(milter.CodeData, c.later(id)...)
	if c.Version >= 4 {
		if goOn, err := step(milter.CodeData, nil); !goOn {
			return err
		}
	}
	for _, f := range m.Header {
		c.fieldMacros(milter.CodeHeader, milter.StageEOH, id)
		if goOn, err := step(milter.CodeHeader, c.field(f)); !goOn {
			return err
		}
	}
	c.fieldMacros(milter.CodeEOH, milter.StageEOH, id)
	if goOn, err := step(milter.CodeEOH, nil); !goOn {
		return err
	}
	for body := m.Body; len(body) > 0; {
		n := min(len(body), chunkSize)
		c.fieldMacros(milter.CodeBody, milter.StageEOM, id)
		goOn, err := step(milter.CodeBody, body[:n])
		if result.Reply.Code == byte(milter.ActSkip) {
			break
		}
		if !goOn {
			return err
		}
		body = body[n:]
	}
	c.Macros(milter.CodeEOB, c.later(id)...)
	return c.finish(result)
}

// local reports that the MTA writes addresses without angle brackets.
func (c *Conn) local() bool { return c.client.Name == "localhost" && c.client.Port == 0 }

func path(addr string, args []string, local bool) []byte {
	if !local {
		addr = "<" + addr + ">"
	}
	b := append([]byte(addr), 0)
	for _, a := range args {
		b = append(append(b, a...), 0)
	}
	return b
}

func (c *Conn) mailMacros(id []string) []string {
	var pairs []string
	if c.mta.QueueIDAtMail {
		pairs = id
	}
	if c.client.Login != "" {
		pairs = append(pairs[:len(pairs):len(pairs)], "{auth_type}", "PLAIN", "{auth_authen}", c.client.Login)
	}
	return pairs
}

// later are the macros after RCPT: what was sent at MAIL does not come again.
func (c *Conn) later(id []string) []string {
	if c.mta.QueueIDAtMail {
		return nil
	}
	return id
}

// fieldMacros are sent by Postfix at each header field and chunk, by its own
// list or by the filter's.
func (c *Conn) fieldMacros(code milter.Code, stage milter.Stage, id []string) {
	if !c.mta.FieldMacros {
		return
	}
	if names, asked := c.SymList[stage]; asked && !strings.Contains(names, "i") {
		id = nil
	}
	c.Macros(code, id...)
}

func (c *Conn) field(f Field) []byte {
	value := strings.ReplaceAll(f.Value, "\r\n", "\n")
	if c.Agreed&milter.OptHeaderLeadingSpace == 0 {
		value = strings.TrimPrefix(value, " ")
	}
	return []byte(f.Name + "\x00" + value + "\x00")
}

// finish sends the end of the message and reads all that comes back.
func (c *Conn) finish(result *Result) error {
	c.Put(milter.CodeEOB, nil)
	result.At = milter.CodeEOB
	if err := c.Flush(); err != nil {
		return fmt.Errorf("write the end of the message: %w", err)
	}
	began := time.Now()
	for {
		r, err := c.Reply()
		if err != nil {
			return fmt.Errorf("read the reply to the end of the message: %w", err)
		}
		if r.Code == 'p' {
			if result.Progress++; len(result.Modifications) > 0 {
				return fmt.Errorf("the filter sent a sign of life after a modification")
			}
			continue
		}
		mod, ok, err := parseModification(r)
		if err != nil {
			return err
		}
		if !ok {
			result.Reply, result.Wait = r, time.Since(began)
			return nil
		}
		if err := c.permits(result.Modifications, mod); err != nil {
			return err
		}
		result.Modifications = append(result.Modifications, mod)
	}
}

func parseModification(r Reply) (m Modification, ok bool, err error) {
	m.Code = milter.ModifyActCode(r.Code)
	data := r.Data
	switch m.Code {
	case milter.ActChangeHeader, milter.ActInsertHeader:
		if len(data) < 4 {
			return m, false, fmt.Errorf("the filter sent a modification without an index: %v", r)
		}
		m.Index, data = binary.BigEndian.Uint32(data), data[4:]
		fallthrough
	case milter.ActAddHeader:
		parts := strings.Split(string(data), "\x00")
		if len(parts) != 3 || parts[0] == "" || parts[2] != "" || strings.Contains(parts[1], "\r") {
			return m, false, fmt.Errorf("the filter sent a malformed modification: %v", r)
		}
		m.Name, m.Value = parts[0], parts[1]
		return m, true, nil
	case milter.ActQuarantine:
		m.Value = strings.TrimSuffix(string(data), "\x00")
		return m, true, nil
	case milter.ActReplBody:
		m.Value = string(data)
		return m, true, nil
	}
	return m, false, nil
}

// permits says what is wrong with a piece of a body, or with what follows one:
// Postfix gives the filter up if other modifications come between or behind them.
func (c *Conn) permits(before []Modification, mod Modification) error {
	switch last := len(before) - 1; {
	case mod.Code == milter.ActReplBody && c.Actions&milter.OptChangeBody == 0:
		return fmt.Errorf("the filter sent a body and had not asked for the right to")
	case mod.Code != milter.ActReplBody && last >= 0 && before[last].Code == milter.ActReplBody:
		return fmt.Errorf("the filter sent the modification %q behind a body", mod.Code)
	}
	return nil
}

// Quarantined is the reason for which the message is held, or "".
func (r Result) Quarantined() string {
	for _, m := range r.Modifications {
		if m.Code == milter.ActQuarantine {
			return m.Value
		}
	}
	return ""
}

// Delivered is a message that was accepted as the MTA would deliver it: with
// the modifications, but without the MTA's own Received field.
func (r Result) Delivered(m Mail) []byte {
	fields := make([]deliveredField, len(m.Header))
	for i, f := range m.Header {
		fields[i] = deliveredField{Field: f}
	}
	for _, mod := range r.Modifications {
		fields = r.modify(fields, mod)
	}
	var b bytes.Buffer
	for _, f := range fields {
		if !f.removed {
			value := strings.ReplaceAll(strings.ReplaceAll(f.Value, "\r\n", "\n"), "\n", "\r\n")
			b.WriteString(f.Name + ":" + value + "\r\n")
		}
	}
	b.WriteString("\r\n")
	b.Write(r.body(m))
	return b.Bytes()
}

// body is the body that is delivered: as it came, or as the filter gave it, with either line end.
func (r Result) body(m Mail) []byte {
	var pieces strings.Builder
	for _, mod := range r.Modifications {
		if mod.Code == milter.ActReplBody {
			pieces.WriteString(mod.Value)
		}
	}
	if pieces.Len() == 0 {
		return m.Body
	}
	return []byte(strings.ReplaceAll(strings.ReplaceAll(pieces.String(), "\r\n", "\n"), "\n", "\r\n"))
}

type deliveredField struct {
	Field
	removed bool
}

func (r Result) modify(fields []deliveredField, mod Modification) []deliveredField {
	value := mod.Value
	if r.agreed&milter.OptHeaderLeadingSpace == 0 {
		value = " " + value
	}
	set := deliveredField{Field: Field{mod.Name, value}}
	switch mod.Code {
	case milter.ActAddHeader:
		return append(fields, set)
	case milter.ActInsertHeader:
		at := min(int(mod.Index), len(fields))
		return append(fields[:at:at], append([]deliveredField{set}, fields[at:]...)...)
	case milter.ActChangeHeader:
		i := r.find(fields, mod)
		switch {
		case i < 0 && mod.Value != "":
			return append(fields, set)
		case i >= 0 && mod.Value == "":
			fields[i].removed = true
		case i >= 0:
			fields[i] = set
		}
	}
	return fields
}

func (r Result) find(fields []deliveredField, mod Modification) int {
	n := uint32(0)
	for i, f := range fields {
		if !strings.EqualFold(f.Name, mod.Name) || f.removed && !r.mta.CountRemoved {
			continue
		}
		if n++; n == max(mod.Index, 1) {
			return i
		}
	}
	return -1
}
