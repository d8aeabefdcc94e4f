package bounce

import (
	"encoding/json"
	"strings"

	"pratique/watch/parts"
	"pratique/watch/reason"
)

// notification is what Amazon SES tells of a message by way of SNS, which writes it
// as JSON into a mail ("Amazon SNS notification contents for Amazon SES").
type notification struct {
	Message string `json:"Message"` // the notification itself, where SNS wraps it
	Mail    struct {
		Headers []struct{ Name, Value string } `json:"headers"`
		Common  struct {
			MessageID string `json:"messageId"`
		} `json:"commonHeaders"`
	} `json:"mail"`
	Bounce struct {
		Kind       string         `json:"bounceType"`    // Permanent, Transient or Undetermined
		Detail     string         `json:"bounceSubType"` // such as Suppressed, MailboxFull
		Recipients []sesRecipient `json:"bouncedRecipients"`
	} `json:"bounce"`
	Delay struct {
		Kind       string         `json:"delayType"`
		Recipients []sesRecipient `json:"delayedRecipients"`
	} `json:"deliveryDelay"`
}

type sesRecipient struct {
	Address    string `json:"emailAddress"`
	Action     string `json:"action"`
	Status     string `json:"status"`
	Diagnostic string `json:"diagnosticCode"`
}

// foldMark is where a mail system broke a line that was too long.
var foldMark = strings.NewReplacer("!\n ", "", "\n", "")

// sesForm reads a notification of Amazon SES. SNS writes some text behind the JSON, and
// a line of it may be broken on its way.
func sesForm(l *letter) []Recipient {
	start := strings.IndexByte(l.text, '{')
	if start < 0 {
		return nil
	}
	n, ok := readNotification(foldMark.Replace(l.text[start:]))
	if !ok {
		return nil
	}
	for _, h := range n.Mail.Headers {
		if strings.EqualFold(h.Name, "Message-ID") {
			l.original = append(l.original, parts.Field{Name: "Message-ID", Value: h.Value})
		}
	}
	if id := n.Mail.Common.MessageID; id != "" {
		l.original = append(l.original, parts.Field{Name: "Message-ID", Value: id})
	}
	l.text, l.lower = "", "" // it was no text
	list, usual, detail := n.Bounce.Recipients, Failed, n.Bounce.Kind+" "+n.Bounce.Detail
	if len(list) == 0 {
		if id := n.Mail.Common.MessageID; id != "" {
			l.original = append(l.original, parts.Field{Name: "Message-ID", Value: id})
		}
		l.text, l.lower = "", "" // it was no text
		list, usual, detail = n.Delay.Recipients, Delayed, n.Delay.Kind
	}
	var found []Recipient
	for _, r := range list[:min(len(list), maxRecipients)] {
		if r.Address = mailbox(r.Address); r.Address == "" {
			continue
		}
		_, words := typed(r.Diagnostic)
		if words == "" {
			words = detail
		}
		rcpt := Recipient{Final: r.Address, Status: reason.EnhancedCode(r.Status), Diagnostic: words, Action: usual}
		if r.Action != "" {
			rcpt.Action = action(r.Action, r.Status)
		}
		found = append(found, rcpt)
	}
	return found
}

// readNotification reads JSON up to its end, and the notification in it if it is wrapped.
func readNotification(text string) (notification, bool) {
	var outer, inner notification
	if json.NewDecoder(strings.NewReader(text)).Decode(&outer) != nil {
		return outer, false
	}
	if outer.Message == "" {
		return outer, true
	}
	err := json.Unmarshal([]byte(outer.Message), &inner)
	return inner, err == nil
}
