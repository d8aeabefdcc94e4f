package bounce

import (
	"pratique/watch/parts"
	"pratique/watch/reason"
	"pratique/watch/ses"
)

// fromSES reads a notification of Amazon SES. It returns nil if the message is none, or
// one of something else than a bounce.
func fromSES(message *parts.Part) *Report {
	n := ses.Read(message)
	if n == nil {
		return nil
	}
	r := &Report{Form: "ses", MessageID: idForm.FindString(n.MessageID())}
	list, usual, detail := n.Bounce.Recipients, Failed, n.Bounce.Kind+" "+n.Bounce.Detail
	if len(list) == 0 {
		list, usual, detail = n.Delay.Recipients, Delayed, n.Delay.Kind
	}
	for _, to := range list[:min(len(list), maxRecipients)] {
		rcpt := Recipient{Final: mailbox(to.Address), Action: usual, Status: reason.EnhancedCode(to.Status)}
		if rcpt.Final == "" {
			continue
		}
		if to.Action != "" {
			rcpt.Action = action(to.Action, rcpt.Status)
		}
		if _, rcpt.Diagnostic = typed(to.Diagnostic); rcpt.Diagnostic == "" {
			rcpt.Diagnostic = detail
		}
		r.Recipients = append(r.Recipients, rcpt)
	}
	if len(r.Recipients) == 0 {
		return nil
	}
	return r
}
