// Package maillog reads the MTA's log: what became of each recipient. It knows the
// lines of Postfix and of sendmail, the heads that syslogs give them, and follows a
// file over its rotation, or the journal of systemd. What the results mean is for
// others.
package maillog

import (
	"regexp"
	"strings"
	"time"
)

// Delivery is the result of one attempt to deliver to one recipient.
type Delivery struct {
	At        time.Time
	Program   string // as in the log, "postfix/smtp", "postfix-out/relay/smtp" or "sm-mta"
	QueueID   string
	Recipient string
	Original  string // orig_to: the address before aliases, "" if it is the same
	Relay     string // host that answered, "" for none; "local" and the like for deliveries on this host
	Delay     time.Duration
	Code      string // enhanced status code, "" if none is told
	Status    Status
	Text      string // why, in the words of the receiver or of the MTA
}

// Status is what a delivery agent says.
type Status string

// The statuses that are read.
const (
	Sent     Status = "sent"
	Deferred Status = "deferred"
	Bounced  Status = "bounced"
	// Expired is told of a message, not of a recipient: whoever was deferred until now
	// is given up.
	Expired Status = "expired"
)

// Parse reads a line of a log file, which may tell of several recipients. It
// returns none for a line that is not the result of a delivery. now gives its year
// to a time without one.
func Parse(line string, now time.Time) []Delivery {
	if !strings.Contains(line, "stat") && !strings.Contains(line, cannotSend) { // as nearly all other lines
		return nil
	}
	at, rest, ok := cutTime(line, now)
	if !ok {
		return nil
	}
	program, message, ok := cutProgram(rest)
	if !ok {
		return nil
	}
	return ParseMessage(at, program, message)
}

// ParseMessage reads what an MTA says, without the head of the line.
func ParseMessage(at time.Time, program, message string) []Delivery {
	id, rest, ok := strings.Cut(message, ": ")
	if !ok || !isQueueID(id) {
		return nil
	}
	if strings.Contains(program, "/") { // syslog_name and the service: "postfix/smtp"
		return postfixLine(Delivery{At: at, Program: program, QueueID: id}, rest)
	}
	if strings.HasPrefix(program, "sendmail") || strings.HasPrefix(program, "sm-") { // Debian: sm-mta, sm-msp-queue
		return sendmailLine(Delivery{At: at, Program: program, QueueID: id}, rest)
	}
	return nil
}

// isQueueID accepts short and long queue ids (enable_long_queue_ids), and sendmail's.
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

// cutTime reads the head of a line up to the name of the host and drops that. It
// knows "Nov 28 13:31:32 host …" (RFC 3164 as files have it; with parts of a second,
// too), "2026-11-28T13:31:32.123456+01:00 host …", the same with a blank and in local
// time, and RFC 5424, with or without its "<22>1".
func cutTime(line string, now time.Time) (at time.Time, rest string, ok bool) {
	if strings.HasPrefix(line, "<") {
		if _, after, found := strings.Cut(line, ">"); found {
			line = after
		}
	}
	line = strings.TrimPrefix(line, "1 ")
	at, rest, ok = cutISO(line, now)
	if !ok {
		at, rest, ok = cutStamp(line, now)
	}
	if !ok {
		return at, "", false
	}
	_, rest, ok = strings.Cut(strings.TrimLeft(rest, " "), " ") // behind the host
	return at, rest, ok
}

// cutISO cuts a time of RFC 3339 (RFC 5424 6.2.3), or of ISO 8601 in local time.
func cutISO(line string, now time.Time) (at time.Time, rest string, ok bool) {
	word, rest, _ := strings.Cut(line, " ")
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700"} { // the second: journalctl -o short-iso
		if at, err := time.Parse(layout, word); err == nil {
			return at, rest, true
		}
	}
	clock, rest, _ := strings.Cut(rest, " ")
	at, err := time.ParseInLocation(time.DateTime, word+" "+strings.Replace(clock, ",", ".", 1), now.Location())
	return at, rest, err == nil
}

// cutStamp cuts "Nov 28 13:31:32", which has no year: it is the latest that is not
// to come. A clock may be a little ahead.
func cutStamp(line string, now time.Time) (at time.Time, rest string, ok bool) {
	if len(line) < len(time.Stamp) {
		return at, "", false
	}
	at, err := time.ParseInLocation(time.Stamp, line[:len(time.Stamp)], now.Location())
	if err != nil {
		return at, "", false
	}
	at = at.AddDate(now.Year()-at.Year(), 0, 0)
	if ahead := now.Add(24 * time.Hour); at.After(ahead) {
		at = at.AddDate(-1, 0, 0)
	} else if next := at.AddDate(1, 0, 0); !next.After(ahead) { // it is New Year's Eve here
		at = next
	}
	rest = line[len(time.Stamp):]
	if strings.HasPrefix(rest, ".") {
		rest = strings.TrimLeft(rest[1:], "0123456789")
	}
	return at, rest, strings.HasPrefix(rest, " ")
}

// facility is the word before the program with some syslogs: "mail.info" (busybox),
// "<mail.info>" (FreeBSD).
var facility = regexp.MustCompile(`^<?mail\.[a-z]+>?:? `)

// messageID is what the syslog of Solaris puts before a message.
var messageID = regexp.MustCompile(`^\[ID \d+ mail\.[a-z]+\] `)

// cutProgram splits "postfix/smtp[123]: message", or, of RFC 5424,
// "postfix/smtp 123 - - message".
func cutProgram(text string) (program, message string, ok bool) {
	text = strings.TrimLeft(text, " ")
	text = text[len(facility.FindString(text)):]
	word, rest, ok := strings.Cut(text, " ")
	if !ok {
		return "", "", false
	}
	if tag, found := strings.CutSuffix(word, ":"); found {
		tag, _, _ = strings.Cut(tag, "[")
		return tag, rest[len(messageID.FindString(rest)):], true
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
