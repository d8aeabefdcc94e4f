package bounce

import (
	"strings"

	"pratique/watch/parts"
)

// fromMailer reports whether a message is one that a mail system writes about mail,
// as far as its header tells. One that says of itself that it answers for a person
// (RFC 3834 5, and what stood there before) is none, and a receipt (RFC 8098) isn't either.
func fromMailer(message *parts.Part) bool {
	h := message.Header
	if h.Get("X-Failed-Recipients") != "" {
		return true
	}
	if answersForPerson(h) || isReceipt(message) {
		return false
	}
	from := strings.ToLower(h.Get("From"))
	if isSystem(from) {
		return true
	}
	subject := h.Get("Subject")
	return undelivered.MatchString(subject) && (h.Get("Return-Path") == "<>" || h.Get("In-Reply-To") == "" && !passedOn.MatchString(subject))
}

// isDaemon reports whether From, in lower case, is of nobody but a mail system. Some
// write an empty address, as in the envelope.
func isDaemon(from string) bool {
	return from == "" || strings.Contains(from, "<>") || daemonName.MatchString(from)
}

// isSystem reports whether From, in lower case, looks like that of a mail system.
func isSystem(from string) bool { return isDaemon(from) || mailerName.MatchString(from) }

// answersForPerson reports whether a message is sent for somebody who is away, or by
// a system that wants something of the sender before it lets a message through.
func answersForPerson(h parts.Header) bool {
	for _, name := range []string{"X-Autoreply", "X-Autorespond", "X-Autoreply-From", "X-Mail-Autoreply", "X-Vacation"} {
		if h.Get(name) != "" {
			return true
		}
	}
	switch strings.ToLower(h.Get("Precedence")) {
	case "auto_reply", "auto-reply", "vacation":
		return true
	}
	return answer.MatchString(h.Get("Subject"))
}

// isReceipt reports whether a message is a disposition notification (RFC 8098): it was
// delivered, whatever became of it then.
func isReceipt(message *parts.Part) bool {
	if strings.EqualFold(message.Params["report-type"], "disposition-notification") {
		return true
	}
	receipt := false
	message.Each(func(p *parts.Part) {
		receipt = receipt || p.Type == "message/disposition-notification" || p.Type == "message/global-disposition-notification"
	})
	return receipt
}
