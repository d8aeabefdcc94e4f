// Package watch knows what comes back for the mail that left: bounces, complaints,
// and the reports of receivers on DMARC and TLS. It reads them from messages and
// from the MTA's log, joins them with what the journal knows of the message that
// they are about, and keeps them in one file of the state folder, without the
// addresses of recipients. Shares of what was sent, alarms over them, and the check
// that refuses recipients that are gone live here, too.
//
// Anybody can send a bounce. What can't be joined with a message that really left is
// kept apart as unverified: it raises no alarm and keeps nobody from getting mail.
//
// Forms of messages and logs are read in the rooms below; queues, which have
// nothing to do with all this but the MTA, in watch/queue.
package watch

import (
	"context"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"pratique/watch/reason"
)

// Sent is what the journal knows of a message that left.
type Sent struct {
	ID        int64 // of the record
	At        time.Time
	QueueID   string
	MessageID string // without angle brackets
	Sender    string // envelope sender
	Client    string // address, or "(local)"
	Domains   []string
	Partial   bool     // there are more domains than are named
	Addresses []string // of all recipients, empty if they are not kept
	Rules     []string // of findings, such as "M09"
}

// Journal finds messages that left. What is not found is no error.
type Journal interface {
	// ByID finds by queue id or Message-ID, the newest first.
	ByID(ctx context.Context, id string) ([]Sent, error)
	// BySender finds by the exact envelope sender, and, unless it is "", by a domain of
	// the recipients; the newest first, at most so many.
	BySender(ctx context.Context, sender, to string, most int) ([]Sent, error)
}

// kind is what happened.
type kind string

const (
	kindBounce    kind = "bounce"
	kindComplaint kind = "complaint"
)

// status is how a recipient of a message is.
type status string

const (
	statusFailed    status = "failed"
	statusDeferred  status = "deferred"
	statusDelivered status = "delivered" // after it was deferred
	statusComplaint status = "complaint"
)

// event is something that happened to one recipient of a message, before it is kept.
type event struct {
	kind      kind
	at        time.Time
	source    string // "log", "arf", "dsn", or the form of a bounce
	queueIDs  []string
	messageID string   // without angle brackets
	sentTo    []string // where the report came to
	recipient string   // "" if it is not told
	final     string   // another address of it
	dead      string   // of the two, the one to which nothing need be sent if it bounced for good; "": not known
	status    status
	host      string // that decided
	reason    reason.Reason
	words     string // of the receiver
	times     int
}

// domainOf returns the domain of an address in lower case, or "".
func domainOf(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	return hostName(address[i+1:])
}

// hostName returns the name of a domain or host in lower case, cut to a bound.
func hostName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name[:min(len(name), maxDomain)]
}

// sameDomain reports whether two domains are one, in any case, and in either form of an
// internationalized one (RFC 5890 2.3.2.1).
func sameDomain(a, b string) bool {
	return strings.EqualFold(a, b) || strings.EqualFold(toASCII(a), toASCII(b))
}

// toASCII returns a domain with its internationalized labels as they are looked up; what
// is none stays.
func toASCII(domain string) string {
	if strings.IndexFunc(domain, func(r rune) bool { return r >= 0x80 }) < 0 {
		return domain
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}

// Bounds of texts that others chose.
const (
	maxDomain = 253
	maxID     = 255
)

// plain returns an id without angle brackets and blanks, cut to a bound.
func plain(id string) string {
	id = strings.Trim(strings.TrimSpace(id), "<>")
	return id[:min(len(id), maxID)]
}
