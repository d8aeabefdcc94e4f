package maillog

import (
	"strconv"
	"strings"
	"time"
)

// sendmailLine reads what follows the queue id in a line of sendmail's "to" (its
// logdelivery): "to=<a@example.net>,<b@example.net>, delay=00:00:03, …, dsn=2.0.0,
// stat=Sent (ok)". The recipients are those of one transaction, and fare alike.
func sendmailLine(d Delivery, text string) []Delivery {
	rest, ok := strings.CutPrefix(text, "to=")
	if !ok {
		return givenUp(d, text)
	}
	// The words of the receiver are the last field, and may hold anything.
	fields, stat, ok := strings.Cut(rest, ", stat=")
	if !ok {
		return nil
	}
	recipients, fields := cutRecipients(fields)
	for field := range strings.SplitSeq(fields, ", ") {
		name, value, _ := strings.Cut(field, "=")
		switch name {
		case "delay":
			d.Delay = sendmailDelay(value)
		case "relay":
			d.Relay = relayHost(value)
		case "dsn":
			d.Code = value
		case "reply": // since 8.17, what the receiver said, where stat has words of sendmail's own
			d.Text = value
		}
	}
	if !d.stat(stat) {
		return nil
	}
	var all []Delivery
	for _, recipient := range recipients {
		one := d
		one.Recipient = recipient
		all = append(all, one)
	}
	return all
}

// givenUp reads "6ASDX3ZL023148: DSN: Cannot send message for 5 days", of the message
// that went back: the only word on recipients that were deferred until then.
func givenUp(d Delivery, text string) []Delivery {
	_, how, _ := strings.Cut(text, ": ")
	what, why, _ := strings.Cut(how, ": ")
	if what != "DSN" && what != "return to sender" || !strings.HasPrefix(why, cannotSend) {
		return nil
	}
	d.Status, d.Text = Expired, why
	return []Delivery{d}
}

const cannotSend = "Cannot send message"

// cutRecipients cuts the list of recipients off: "<a@example.net>,<b@example.net>",
// or, as users type them, "a@example.net,root"; a blank follows the list only.
func cutRecipients(text string) (recipients []string, rest string) {
	list, rest, _ := strings.Cut(text, ", ")
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSuffix(strings.TrimPrefix(one, "<"), ">")
		if strings.Contains(one, "@") && !strings.ContainsAny(one, "\"|/ ") {
			recipients = append(recipients, one)
		}
	}
	return recipients, rest
}

// stat reads "Sent (ok)", "Deferred: Connection refused by mx.example.net." or "User
// unknown". What is neither is a failure, for good unless the code says otherwise.
func (d *Delivery) stat(text string) bool {
	words := text
	switch {
	case text == "queued" || strings.HasPrefix(text, "queued "): // taken in, and not tried yet
		return false
	case strings.HasPrefix(text, "Sent"):
		d.Status, words = Sent, strings.TrimPrefix(text, "Sent")
	case strings.HasPrefix(text, "Deferred"):
		d.Status, words = Deferred, strings.TrimPrefix(text, "Deferred")
	case strings.HasPrefix(d.Code, "4."):
		d.Status = Deferred
	default:
		d.Status = Bounced
	}
	words = strings.TrimLeft(words, ": ")
	if inner, ok := strings.CutPrefix(words, "("); ok {
		words = strings.TrimSuffix(inner, ")")
	}
	if d.Text != "" && words != d.Text { // the reply first: it is what the receiver said
		words = d.Text + " (" + words + ")"
	}
	d.Text = words
	return true
}

// sendmailDelay reads "00:00:03" or "1+02:03:04", the days before the plus; it
// returns 0 for what is none.
func sendmailDelay(text string) time.Duration {
	days, clock, ok := strings.Cut(text, "+")
	if !ok {
		days, clock = "0", text
	}
	at, err := time.Parse(time.TimeOnly, clock)
	n, daysErr := strconv.Atoi(days)
	if err != nil || daysErr != nil || n < 0 || n > maxDelayDays {
		return 0
	}
	return time.Duration(n)*24*time.Hour + time.Duration(at.Hour()*3600+at.Minute()*60+at.Second())*time.Second
}

const maxDelayDays = 10_000
