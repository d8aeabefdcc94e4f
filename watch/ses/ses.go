// Package ses reads what Amazon SES tells of messages by way of SNS, which writes it as
// JSON into a mail ("Amazon SNS notification contents for Amazon SES", and "Event data
// that Amazon SES publishes"). What follows from it is for others.
package ses

import (
	"encoding/json"
	"strings"

	"pratique/watch/parts"
)

// Notification is what happened to one message. Of Bounce, Complaint and Delay one has recipients.
type Notification struct {
	Bounce struct {
		Kind       string      `json:"bounceType"`    // Permanent, Transient or Undetermined
		Detail     string      `json:"bounceSubType"` // such as General, Suppressed, MailboxFull
		Recipients []Recipient `json:"bouncedRecipients"`
	} `json:"bounce"`
	Delay struct {
		Kind       string      `json:"delayType"` // such as MailboxFull
		Recipients []Recipient `json:"delayedRecipients"`
	} `json:"deliveryDelay"`
	Complaint struct {
		Kind       string      `json:"complaintFeedbackType"` // as in RFC 5965 7.3, "" if the receiver tells none
		UserAgent  string      `json:"userAgent"`
		Recipients []Recipient `json:"complainedRecipients"`
	} `json:"complaint"`
	Mail struct {
		Sender  string                         `json:"source"`
		Headers []struct{ Name, Value string } `json:"headers"`
		Common  struct {
			MessageID string   `json:"messageId"`
			From      []string `json:"from"`
		} `json:"commonHeaders"`
	} `json:"mail"`

	Type    string `json:"notificationType"`
	Event   string `json:"eventType"` // the same, as event publishing names it
	Wrapped string `json:"Message"`   // the notification, where SNS wraps it
}

// Recipient is one of those that a notification is about.
type Recipient struct {
	Address    string `json:"emailAddress"`
	Action     string `json:"action"`         // as in RFC 3464 2.3.3
	Status     string `json:"status"`         // enhanced status code
	Diagnostic string `json:"diagnosticCode"` // as in RFC 3464 2.3.6
}

// Read returns the notification in a message, or nil.
func Read(message *parts.Part) *Notification {
	if len(message.Parts) > 0 {
		message = message.Parts[0]
	}
	if message.Type != "text/plain" && message.Type != "application/json" {
		return nil
	}
	text := strings.TrimLeft(message.Text(), " \t\r\n")
	if !strings.HasPrefix(text, "{") {
		return nil
	}
	n := decode(unfold.Replace(text))
	if n != nil && n.Wrapped != "" {
		n = decode(n.Wrapped)
	}
	if n == nil || n.Type == "" && n.Event == "" {
		return nil
	}
	return n
}

// unfold mends lines that a mail system broke because they were too long.
var unfold = strings.NewReplacer("!\r\n ", "", "!\n ", "", "\r", "", "\n", "")

// decode reads JSON; what SNS writes behind it is passed over.
func decode(text string) *Notification {
	n := &Notification{}
	if json.NewDecoder(strings.NewReader(text)).Decode(n) != nil {
		return nil
	}
	return n
}

// MessageID returns the Message-ID that the message had when SES took it, or "". SES
// gives messages another one, which stands nowhere else.
func (n *Notification) MessageID() string {
	for _, h := range n.Mail.Headers {
		if strings.EqualFold(h.Name, "Message-ID") {
			return h.Value
		}
	}
	return n.Mail.Common.MessageID
}
