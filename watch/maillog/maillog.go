// Package maillog reads Postfix's log: what became of each recipient. It knows the
// forms in which syslogs write lines, and follows a file over its rotation, or the
// journal of systemd. What the results mean is for others.
package maillog

import (
	"strconv"
	"strings"
	"time"
)

// Delivery is the result of one attempt to deliver to one recipient.
type Delivery struct {
	At        time.Time
	Program   string // as in the log, "postfix/smtp" or "postfix-out/relay/smtp"
	QueueID   string
	Recipient string
	Original  string // orig_to: the address before aliases, "" if it is the same
	Relay     string // host that answered, "" for none; "local" and the like for deliveries on this host
	Delay     time.Duration
	Code      string // enhanced status code
	Status    Status
	Text      string // what is in the parentheses
}

// Status is what a delivery agent says.
type Status string

// The statuses that are read.
const (
	Sent     Status = "sent"
	Deferred Status = "deferred"
	Bounced  Status = "bounced"
)

// Parse reads a line of a log file. ok is false for every line that is not the
// result of a delivery. now gives its year to a time without one.
func Parse(line string, now time.Time) (d Delivery, ok bool) {
	if !strings.Contains(line, "status=") { // nearly all other lines
		return d, false
	}
	at, rest, ok := cutTime(line, now)
	if !ok {
		return d, false
	}
	program, message, ok := cutProgram(rest)
	if !ok {
		return d, false
	}
	return ParseMessage(at, program, message)
}

// ParseMessage reads what a delivery agent says, without the head of the line.
func ParseMessage(at time.Time, program, message string) (d Delivery, ok bool) {
	if !strings.Contains(program, "/") { // "postfix/smtp": syslog_name and the service
		return d, false
	}
	id, rest, ok := strings.Cut(message, ": ")
	if !ok || !isQueueID(id) || !strings.HasPrefix(rest, "to=<") {
		return d, false
	}
	d = Delivery{At: at, Program: program, QueueID: id}
	// Addresses may hold everything but ">" followed by a comma; what follows them may not.
	if d.Recipient, rest, ok = cutAddress(rest[len("to=<"):]); !ok {
		return d, false
	}
	if after, found := strings.CutPrefix(rest, "orig_to=<"); found {
		if d.Original, rest, ok = cutAddress(after); !ok {
			return d, false
		}
	}
	for rest != "" {
		name, after, found := strings.Cut(rest, "=")
		if !found {
			return d, false
		}
		if name == "status" {
			return d, d.status(after)
		}
		var value string
		value, rest, _ = strings.Cut(after, ", ")
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
	return d, false
}

func cutAddress(text string) (address, rest string, ok bool) { return strings.Cut(text, ">, ") }

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

// relayHost returns the host of "mx.example.net[192.0.2.1]:25"; of "none" nothing.
func relayHost(relay string) string {
	if relay == "none" {
		return ""
	}
	host, _, _ := strings.Cut(relay, "[")
	return strings.ToLower(host)
}

// isQueueID accepts short and long queue ids (enable_long_queue_ids).
func isQueueID(id string) bool {
	if len(id) < 5 || len(id) > 20 {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// cutTime reads the head of a line: "Nov 28 13:31:32 host …" (RFC 3164 as files have
// it), "2026-11-28T13:31:32.123456+01:00 host …", or RFC 5424 with or without "<22>1".
func cutTime(line string, now time.Time) (at time.Time, rest string, ok bool) {
	if strings.HasPrefix(line, "<") {
		if _, after, found := strings.Cut(line, ">"); found {
			line = strings.TrimPrefix(after, "1 ")
		}
	}
	line = strings.TrimPrefix(line, "1 ")
	first, after, _ := strings.Cut(line, " ")
	if at, err := time.Parse(time.RFC3339Nano, first); err == nil {
		_, rest, ok = strings.Cut(after, " ") // behind the host
		return at, rest, ok
	}
	if len(line) < len(time.Stamp)+1 {
		return at, "", false
	}
	at, err := time.ParseInLocation(time.Stamp, line[:len(time.Stamp)], now.Location())
	if err != nil {
		return at, "", false
	}
	at = at.AddDate(now.Year()-at.Year(), 0, 0)
	if at.After(now.Add(24 * time.Hour)) { // of last year; a clock may be a little ahead
		at = at.AddDate(-1, 0, 0)
	}
	_, rest, ok = strings.Cut(strings.TrimLeft(line[len(time.Stamp):], " "), " ")
	return at, rest, ok
}

// cutProgram splits "postfix/smtp[123]: message", or, of RFC 5424,
// "postfix/smtp 123 - - message".
func cutProgram(text string) (program, message string, ok bool) {
	word, rest, ok := strings.Cut(text, " ")
	if !ok {
		return "", "", false
	}
	if tag, found := strings.CutSuffix(word, ":"); found {
		tag, _, _ = strings.Cut(tag, "[")
		return tag, rest, true
	}
	_, rest, ok = strings.Cut(rest, " ") // PROCID
	if !ok {
		return "", "", false
	}
	_, rest, _ = strings.Cut(rest, " ") // MSGID
	if strings.HasPrefix(rest, "[") {
		end := strings.Index(rest, "] ")
		if end < 0 {
			return "", "", false
		}
		rest = rest[end+2:]
	} else {
		_, rest, _ = strings.Cut(rest, " ")
	}
	return word, strings.TrimPrefix(rest, "\xef\xbb\xbf"), true
}
