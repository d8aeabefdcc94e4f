// Package message is the contract of Pratique: the Message that every room
// looks at, what a Gate, a Check and an Inspector are, how a Refusal is said,
// and the Chain and Pipeline that run them. It knows nothing of the milter
// protocol, of configuration files or of any particular check, and it imports
// the standard library only.
package message

import (
	"net/netip"
	"strings"
	"time"
)

// Message is one outgoing message under way. It is built new at MAIL and thrown
// away after its outcome was told; nothing in it outlives the message. It is
// used by one goroutine at a time.
type Message struct {
	Client     Client
	QueueID    string      // the MTA's queue id, "" until it is told (Postfix: at DATA)
	Sender     string      // envelope sender without angle brackets, "" for the null sender
	SenderArgs []string    // ESMTP arguments of MAIL, e.g. "SIZE=2048", "SMTPUTF8" (RFC 5321 4.1.1.11)
	Recipients []Recipient // in the order of RCPT
	Header     Header      // complete when Inspector.Header is called
	BodySize   int64       // octets of body that came so far, after the empty line
	NewBody    []byte      // the body that is to leave in its place, with CRLF line ends; nil: the one that came
	BodyFixed  bool        // the MTA takes no other body
	Began      time.Time   // when MAIL came

	Findings []Finding
	Notes    []Note
	Failures []Failure
	Checks   []CheckRun // those of the Chain, in its order; nil if it was not begun
	holds    []string

	decidedBy string
	decidedAt Stage
}

// Client is what belongs to the connection rather than to one message.
type Client struct {
	Name   string     // reverse name as the MTA gives it, or "[192.0.2.1]"
	Addr   netip.Addr // unmapped and without zone; the zero Addr if it could not be parsed
	Port   uint16     // 0 if not known
	Local  bool       // not from SMTP: sendmail(1), a bounce, re-injected mail
	Helo   string
	Login  string // SASL login, "" if not authenticated
	Daemon string // the MTA's {daemon_name}
	TLS    string // the MTA's {tls_version}, "" without TLS
}

// Recipient is one accepted RCPT.
type Recipient struct {
	Addr string   // without angle brackets
	Args []string // ESMTP arguments
}

// Finding is something that a check saw in the message.
type Finding struct {
	Check  string // name of the check
	Rule   string // id of the rule, e.g. "M09"
	Action string // reject, warn, fix or observe
	Where  string // header field with index ("From[2]"), or MIME part path with the place ("1.2 line 7")
	Detail string // the offending value, cut short, printable ASCII
}

// Note is a fact that a check puts on record, e.g. {"signing", "signed", "d=example.org s=2026a"}.
type Note struct {
	Check string
	Key   string
	Code  string // one of a closed list, for programs, e.g. "no_key"; "" where a note has none
	Text  string
}

// Failure is a check that broke: our own fault, not the message's.
type Failure struct {
	Check  string
	Stage  Stage
	Err    error
	Policy OnError // what was done about it
}

// Report adds a finding.
func (m *Message) Report(f Finding) { m.Findings = append(m.Findings, f) }

// Note puts a fact on record.
func (m *Message) Note(check, key, text string) {
	m.Notes = append(m.Notes, Note{Check: check, Key: key, Text: text})
}

// Hold asks the MTA to quarantine the message should it be accepted. The checks
// that follow still see it, so that it is signed when an administrator releases it.
func (m *Message) Hold(reason string) { m.holds = append(m.holds, reason) }

// Held returns the reasons for which the message is to be held, joined, or "".
func (m *Message) Held() string { return strings.Join(m.holds, "; ") }

// LocalBounce reports a delivery status notification that the MTA itself
// generated. Refusing one loses mail, so Pipeline holds it instead.
func (m *Message) LocalBounce() bool { return m.Client.Local && m.Sender == "" }

// HasSenderArg reports whether MAIL carried the ESMTP keyword, with or without a value.
func (m *Message) HasSenderArg(keyword string) bool {
	for _, arg := range m.SenderArgs {
		name, _, _ := strings.Cut(arg, "=")
		if strings.EqualFold(name, keyword) {
			return true
		}
	}
	return false
}

// Size returns the octets of the message as it came: header, empty line, body.
func (m *Message) Size() int64 { return int64(m.Header.Size()) + 2 + m.BodySize }

// Domain returns the part of an address after its last "@", lower-cased and
// without a trailing dot, or "" if there is none.
func Domain(addr string) string {
	i := strings.LastIndexByte(addr, '@')
	if i < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSuffix(addr[i+1:], "."))
}
