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

// maxSentTo is how many addresses a report may have come to: each is looked up.
const maxSentTo = 50

// maxRecipients is how many recipients of a report are read.
const maxRecipients = 1000

// Parse reads a report. It returns nil if the message is none; a report without a
// recipient is none.
func Parse(message *parts.Part) *Report {
	r := fromSES(message)
	if r == nil {
		r = fromMTA(message)
	}
	if r == nil {
		return nil
	}
	for i := range r.Recipients {
		r.Recipients[i].finish()
	}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To"} {
		for _, value := range message.Header.All(name) {
			r.SentTo = append(r.SentTo, addresses(value)...)
		}
	}
	r.SentTo = r.SentTo[:min(len(r.SentTo), maxSentTo)]
	return r
}

// fromMTA reads what the MTA that gave up writes: a status, the words for people, or both.
func fromMTA(message *parts.Part) *Report {
	l := readLetter(message)
	r := standard(message)
	if r != nil {
		r.behindAlias(l)
	} else if fromMailer(message) {
		if r = statusInText(l); r == nil {
			r = inWords(l)
		}
	}
	if r == nil {
		return nil
	}
	l.say(r.Recipients)
	if r.MessageID == "" {
		r.MessageID = messageID(l.original)
	}
	if r.MessageID == "" { // Gmail and Exchange answer to the message, as a person would
		r.MessageID = idForm.FindString(message.Header.Get("In-Reply-To"))
	}
	return r
}

// finish puts what is said of a recipient into its plain form.
func (r *Recipient) finish() {
	r.Diagnostic = strings.Join(strings.Fields(r.Diagnostic), " ")
	r.Diagnostic = r.Diagnostic[:min(len(r.Diagnostic), maxExplanation)]
	if r.Status == "" {
		r.Status = reason.EnhancedCode(r.Diagnostic)
	}
	if r.Action == "" {
		r.Action = Failed
	}
	if m := atHost.FindStringSubmatch(r.Diagnostic); m != nil && r.RemoteMTA == "" {
		r.RemoteMTA = strings.ToLower(strings.Trim(m[1], "."))
	}
}

// maxExplanation is how much of what is said of a recipient is kept, in octets.
const maxExplanation = 2000

// messageID returns the id of a header in its plain form, or "".
func messageID(h parts.Header) string {
	return idForm.FindString(h.Get("Message-ID"))
}

// idForm is a Message-ID as others write it, which is not always as RFC 5322 3.6.4 wants it.
var idForm = regexp.MustCompile(`<[^<>\s]{1,300}>`)

// anAddress is an address in text.
var anAddress = regexp.MustCompile(`(?:"[^"\s]{1,64}"|[^\s<>()\[\]:;@\\,"：；，、。（）【】《》「」“”]{1,64})@[^\s<>()\[\]:;@\\,"'：；，、。（）【】《》「」“”]{1,253}`)

// addresses returns the addresses in a text, without the quotes and the kind that some
// mail systems put before them ("SMTP=user@example.net").
func addresses(text string) []string {
	found := anAddress.FindAllString(text, maxRecipients)
	for i, address := range found {
		address = strings.TrimLeft(address, "'*")
		if len(address) > len(kindSMTP) && strings.EqualFold(address[:len(kindSMTP)], kindSMTP) {
			address = address[len(kindSMTP):]
		}
		found[i] = strings.TrimRight(address, ".'*")
	}
	return found
}

const kindSMTP = "smtp="
