package rates

import (
	"fmt"
	"strings"
	"time"

	"pratique/message"
)

// A count is the figure that a limit bounds.
type count uint8

const (
	countMessages count = iota
	countRecipients
	countBytes
	counts int = iota
)

var countNames = [counts]string{"messages", "recipients", "bytes"}

func (c count) String() string { return countNames[c] }

// An action is what becomes of a message that is over a limit.
type action uint8

const (
	actTempfail action = iota
	actReject
	actHold
	actObserve
	actions int = iota
)

var actionNames = [actions]string{"tempfail", "reject", "hold", "observe"}

func (a action) String() string { return actionNames[a] }

// refuses reports whether the message is answered by it, rather than let go on.
func (a action) refuses() bool { return a == actTempfail || a == actReject }

// limit is a Limit, checked and ready.
type limit struct {
	kind  kind
	count count
	max   uint64
	every int64 // seconds
	then  action
}

// newLimit takes a Limit that has no Problems.
func newLimit(l Limit) limit {
	return limit{
		kind:  kind(index(kindNames[:], l.Per)),
		count: count(index(countNames[:], l.Count)),
		max:   uint64(l.Max),
		every: int64(l.Every / time.Second),
		then:  action(index(actionNames[:], l.Then)),
	}
}

// String names the limit, as in "recipients per client in 1h".
func (l *limit) String() string {
	return fmt.Sprintf("%v per %v in %s", l.count, l.kind, span(l.every))
}

// amounts are what one message asks for, of every figure that a limit may count.
type amounts struct{ messages, recipients, bytes uint64 }

func (a amounts) of(c count) uint64 {
	switch c {
	case countMessages:
		return a.messages
	case countRecipients:
		return a.recipients
	default:
		return a.bytes
	}
}

func (a *amounts) add(b amounts) {
	a.messages += b.messages
	a.recipients += b.recipients
	a.bytes += b.bytes
}

func (a *amounts) subtract(b amounts) {
	a.messages -= b.messages
	a.recipients -= b.recipients
	a.bytes -= b.bytes
}

// An excess is a limit that has no room for a message.
type excess struct {
	limit *limit
	used  uint64 // sent in the window or under way
	want  uint64 // by this message
	frees int64  // seconds until there is room; 0: not known, what is under way fills it
}

// hopeless reports a message that can't pass even when nothing else was sent.
func (x excess) hopeless() bool { return x.want > x.limit.max }

// refusal is the reply. A message that alone is larger than the limit is
// refused for good even where the limit says tempfail: the client would try
// again until it gives up days later, and it would never help.
func (x excess) refusal(key string) *message.Refusal {
	if x.limit.then == actReject || x.hopeless() {
		return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: x.text(key)}
	}
	return &message.Refusal{Code: 451, Enhanced: "4.7.1", Text: x.text(key)}
}

// text says which limit it is, how much of it is used, and when it frees.
func (x excess) text(key string) string {
	l := x.limit
	if x.hopeless() {
		return fmt.Sprintf("rates: this message alone has %d %v, limit %d in %s for %s; it can only pass in parts",
			x.want, l.count, l.max, span(l.every), subjectText(l.kind, key))
	}
	own := ""
	if l.count != countMessages && x.used < l.max {
		own = fmt.Sprintf(", this message has %d more", x.want)
	}
	sent := "sent"
	if l.kind == perRecipientDomain {
		sent = "was sent"
	}
	return fmt.Sprintf("rates: %s %s %d %v in the last %s%s, limit %d; %s",
		subjectText(l.kind, key), sent, x.used, l.count, span(l.every), own, l.max, x.room())
}

func (x excess) room() string {
	if x.frees == 0 {
		return "room again when messages under way are done"
	}
	return "room again in " + wait(x.frees)
}

func subjectText(k kind, key string) string {
	if k == perTotal {
		return "all clients together"
	}
	return strings.ReplaceAll(k.String(), "_", " ") + " " + printable(key)
}

// printable keeps a key fit for an SMTP reply (RFC 5321 4.2).
func printable(key string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, key)
}

// span writes a window as it stands in the configuration: 1h, 90m, 30s.
func span(seconds int64) string {
	switch {
	case seconds%hour == 0:
		return fmt.Sprintf("%dh", seconds/hour)
	case seconds%60 == 0:
		return fmt.Sprintf("%dm", seconds/60)
	default:
		return fmt.Sprintf("%ds", seconds)
	}
}

// wait rounds up to what a human waits by.
func wait(seconds int64) string {
	switch {
	case seconds < 2*60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 2*hour:
		return fmt.Sprintf("%d min", (seconds+59)/60)
	default:
		return fmt.Sprintf("%d h", (seconds+hour-1)/hour)
	}
}
