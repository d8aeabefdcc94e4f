// Package bounce reads what comes back for a message that was not delivered:
// delivery status notifications (RFC 3464, RFC 6533), and the forms of their own
// that qmail, Exim, Exchange, Domino, old sendmails and the like write. It tells
// what a report says; whether that is true, and what it means, is for others.
package bounce

import (
	"regexp"
	"strings"

	"pratique/watch/parts"
	"pratique/watch/reason"
)

// Action is what became of a recipient (RFC 3464 2.3.3).
type Action string

// The actions.
const (
	Failed    Action = "failed"
	Delayed   Action = "delayed"
	Delivered Action = "delivered"
	Relayed   Action = "relayed"
	Expanded  Action = "expanded"
)

// Report is what one message says of the delivery of another.
type Report struct {
	Form         string // "dsn", or the heuristic that understood it: "qmail", "exim", …
	ReportingMTA string
	QueueID      string   // of the reporting MTA (X-Postfix-Queue-ID), which is ours if it is our MTA
	EnvelopeID   string   // Original-Envelope-Id (RFC 3461 4.4)
	SentTo       []string // addresses to which the report came, which may tell the recipient (VERP)
	MessageID    string   // of the original message, with its angle brackets; "" if it is not told
	Recipients   []Recipient
}

// Recipient is what a report says of one recipient.
type Recipient struct {
	Final      string // the address that the reporting MTA had in the end
	Original   string // the address as the sender gave it, "" if it is not told
	Action     Action
	Status     string // enhanced status code, "" if there is none
	Diagnostic string // the words of the server or MTA that decided
	RemoteMTA  string // the host that decided, "" if it was the reporting one
}

// Address returns the address that the sender knows.
func (r Recipient) Address() string {
	if r.Original != "" {
		return r.Original
	}
	return r.Final
}

// maxRecipients is how many recipients of a report are read.
const maxRecipients = 1000

// Parse reads a report. It returns nil if the message is none; a report without a
// recipient is none.
func Parse(message *parts.Part) *Report {
	r := standard(message)
	if r == nil {
		r = heuristic(message)
	}
	if r == nil || len(r.Recipients) == 0 {
		return nil
	}
	if r.MessageID == "" { // Gmail and Exchange answer to the message, as a person would
		r.MessageID = idForm.FindString(message.Header.Get("In-Reply-To"))
	}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To"} {
		for _, value := range message.Header.All(name) {
			r.SentTo = append(r.SentTo, addresses(value)...)
		}
	}
	return r
}

// standard reads RFC 3464.
func standard(message *parts.Part) *Report {
	report, status := findStatus(message)
	if status == nil {
		return nil
	}
	r := &Report{Form: "dsn"}
	for _, group := range parts.Groups(status.Decoded(), maxRecipients+1) {
		r.perMessage(group)
		if rcpt, ok := perRecipient(group); ok {
			r.Recipients = append(r.Recipients, rcpt)
		}
	}
	if id := originalID(report, status); id != "" {
		r.MessageID = id
	}
	if words := explanation(report); words != "" {
		for i := range r.Recipients {
			if r.Recipients[i].Diagnostic == "" {
				r.Recipients[i].Diagnostic = words
			}
		}
	}
	return r
}

// findStatus returns the outermost part that has a delivery status in it, and that
// status. A report that somebody forwarded counts; one within what a report returns
// does not, for it is about another message.
func findStatus(p *parts.Part) (report, status *parts.Part) {
	for _, child := range p.Parts {
		if child.Type == "message/delivery-status" || child.Type == "message/global-delivery-status" {
			return p, child
		}
	}
	for _, child := range p.Parts {
		if report, status := findStatus(child); status != nil {
			return report, status
		}
	}
	return nil, nil
}

// perMessage takes what a group says of the message as a whole (RFC 3464 2.2). Some
// MTAs leave out the empty line behind it, so it may be the group of a recipient too.
func (r *Report) perMessage(group parts.Header) {
	set := func(into *string, value string) {
		if *into == "" {
			*into = value
		}
	}
	set(&r.ReportingMTA, host(group.Get("Reporting-MTA")))
	set(&r.QueueID, group.Get("X-Postfix-Queue-ID"))
	set(&r.EnvelopeID, group.Get("Original-Envelope-Id"))
	set(&r.MessageID, idForm.FindString(group.Get("X-Original-Message-ID"))) // Gmail
}

// perRecipient reads the group of one recipient (RFC 3464 2.3).
func perRecipient(group parts.Header) (Recipient, bool) {
	r := Recipient{
		Final:     mailbox(group.Get("Final-Recipient")),
		Original:  mailbox(group.Get("Original-Recipient")),
		Status:    reason.EnhancedCode(group.Get("Status")),
		RemoteMTA: host(group.Get("Remote-MTA")),
	}
	if r.Final == "" {
		r.Final = mailbox(group.Get("X-Actual-Recipient"))
	}
	if r.Final == "" && r.Original == "" {
		return r, false
	}
	_, r.Diagnostic = typed(group.Get("Diagnostic-Code"))
	if r.Status == "" {
		r.Status = reason.EnhancedCode(r.Diagnostic)
	}
	r.Action = action(group.Get("Action"), r.Status)
	return r, true
}

// action reads the field Action. Where it is missing, the class of the status tells
// (RFC 3463 2); without one, that there is a report at all.
func action(field, status string) Action {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(field)), " ")
	switch a := Action(word); a {
	case Failed, Delayed, Delivered, Relayed, Expanded:
		return a
	}
	switch {
	case strings.HasPrefix(status, "2"):
		return Delivered
	case strings.HasPrefix(status, "4"):
		return Delayed
	}
	return Failed
}

// typed splits "rfc822; user@example.net" into type and value.
func typed(field string) (kind, value string) {
	kind, value, ok := strings.Cut(field, ";")
	if !ok {
		return "", strings.TrimSpace(field)
	}
	return strings.ToLower(strings.TrimSpace(kind)), strings.TrimSpace(value)
}

// mailbox returns the address of a typed field, without angle brackets, and with
// the characters of RFC 6533 3 ("\x{fc}") as they are.
func mailbox(field string) string {
	kind, value := typed(field)
	if kind == "utf-8" {
		value = decodeUTF8Address(value)
	}
	if i := strings.IndexByte(value, '<'); i >= 0 {
		value = value[i+1:]
		if end := strings.IndexByte(value, '>'); end >= 0 {
			value = value[:end]
		}
	}
	value = strings.TrimSpace(value)
	if before, _, ok := strings.Cut(value, " "); ok && !strings.HasPrefix(value, `"`) {
		value = before // a comment behind it
	}
	return value
}

// host returns the name of a typed field such as "dns; mx.example.net (192.0.2.1)".
func host(field string) string {
	_, value := typed(field)
	if i := strings.IndexAny(value, " ([,"); i >= 0 {
		value = value[:i]
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(value), "."))
}

// originalID returns the Message-ID of the message that a report returns, whole or
// only its header (RFC 6522 3, RFC 6533 6).
func originalID(report, status *parts.Part) string {
	behind := false
	for _, child := range report.Parts {
		if child == status {
			behind = true
			continue
		}
		switch child.Type {
		case "message/rfc822", "message/global":
			if len(child.Parts) > 0 {
				if id := messageID(child.Parts[0].Header); id != "" {
					return id
				}
			}
		case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header":
			if id := messageID(parts.ParseHeader(child.Decoded())); id != "" {
				return id
			}
		case "text/plain", "application/octet-stream": // mislabelled
			if id := messageID(parts.ParseHeader(child.Decoded())); behind && id != "" {
				return id
			}
		}
	}
	return ""
}

// messageID returns the id of a header in its plain form, or "".
func messageID(h parts.Header) string {
	return idForm.FindString(h.Get("Message-ID"))
}

// idForm is a Message-ID as others write it, which is not always as RFC 5322 3.6.4 wants it.
var idForm = regexp.MustCompile(`<[^<>\s]{1,300}>`)

// explanation returns the words for people, as far as they may hold the reason.
func explanation(report *parts.Part) string {
	for _, child := range report.Parts {
		if child.Type == "text/plain" || child.Type == "text/html" {
			text := strings.Join(strings.Fields(child.Text()), " ")
			return text[:min(len(text), maxExplanation)]
		}
	}
	return ""
}

const maxExplanation = 1000

// anAddress is an address in text.
var anAddress = regexp.MustCompile(`(?:"[^"\s]{1,64}"|[^\s<>()\[\]:;@\\,"]{1,64})@[^\s<>()\[\]:;@\\,"']{1,253}`)

func addresses(text string) []string { return anAddress.FindAllString(text, maxRecipients) }
