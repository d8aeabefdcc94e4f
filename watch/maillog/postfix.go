package maillog

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// postfixLine reads what follows the queue id in a line of a delivery agent of
// Postfix (log_adhoc(3)), or of its queue manager about a message that expired.
func postfixLine(d Delivery, text string) []Delivery {
	if strings.HasPrefix(text, "from=<") {
		return expired(d, text)
	}
	rest, ok := strings.CutPrefix(text, "to=<")
	if !ok {
		return nil
	}
	if d.Recipient, rest, ok = cutAddress(rest); !ok {
		return nil
	}
	if after, found := strings.CutPrefix(rest, "orig_to=<"); found {
		if d.Original, rest, ok = cutAddress(after); !ok {
			return nil
		}
	}
	for rest != "" {
		name, after, found := strings.Cut(rest, "=")
		if !found {
			return nil
		}
		if name == "status" {
			if !d.status(after) {
				return nil
			}
			return []Delivery{d}
		}
		var value string
		value, rest, _ = strings.Cut(after, ", ")
		d.field(name, value)
	}
	return nil
}

// expired reads "from=<a@example.org>, status=expired, returned to sender": the only
// word on recipients that were deferred until then. The sender may hold what it likes.
func expired(d Delivery, text string) []Delivery {
	_, status, ok := strings.Cut(text, ">, status=")
	if !ok || !strings.HasPrefix(status, "expired, ") && !strings.HasPrefix(status, "force-expired, ") {
		return nil
	}
	d.Status, d.Text = Expired, "too long in the queue"
	return []Delivery{d}
}

// cutAddress cuts an address and the ">, " behind it. A quoted local part may hold
// that, too: somebody who may send chose it, and what he would like the log to say
// (info_log_addr_form is external since Postfix 3.5).
func cutAddress(text string) (address, rest string, ok bool) {
	quoted := 0
	if strings.HasPrefix(text, `"`) {
		quoted = len(quotedPart.FindString(text))
	}
	end := strings.Index(text[quoted:], ">, ")
	if end < 0 {
		return "", "", false
	}
	return text[:quoted+end], text[quoted+end+len(">, "):], true
}

// quotedPart is a local part that is a quoted string (RFC 5322 3.2.4).
var quotedPart = regexp.MustCompile(`^"(?:[^"\\]|\\.)*"@`)

// field takes over an attribute before the status.
func (d *Delivery) field(name, value string) {
	switch name {
	case "relay":
		d.Relay = relayHost(value)
	case "delay":
		if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 && seconds < 1e9 {
			d.Delay = time.Duration(seconds * float64(time.Second))
		}
	case "dsn":
		d.Code = value
	}
}

// status reads "deferred (why)".
func (d *Delivery) status(text string) bool {
	word, why, _ := strings.Cut(text, " ")
	switch s := Status(word); s {
	case Sent, Deferred, Bounced:
		d.Status = s
	case "SOFTBOUNCE": // soft_bounce=yes: a bounce that is tried again
		d.Status = Deferred
	default:
		return false
	}
	d.Text = strings.TrimSuffix(strings.TrimPrefix(why, "("), ")")
	return true
}

// relayHost returns the host of "mx.example.net[192.0.2.1]:25" or, of sendmail,
// "mx.example.net. [192.0.2.1]"; of "none" nothing.
func relayHost(relay string) string {
	if relay == "none" {
		return ""
	}
	host, _, _ := strings.Cut(relay, "[")
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(host), "."))
}
