package rates

import (
	"fmt"
	"strings"
	"time"

	"pratique/message"
)

// A Count is the figure that a limit bounds.
type Count uint8

const (
	CountMessages Count = iota
	CountRecipients
	CountBytes
	CountNewRecipients     // recipients that the key has not written to before
	counts             int = iota
)

var countNames = [counts]string{"messages", "recipients", "bytes", "new_recipients"}

func (c Count) String() string { return countNames[c] }

// words is a Count in a sentence.
func (c Count) words() string { return strings.ReplaceAll(countNames[c], "_", " ") }

// An Action is what becomes of a message that is over a limit.
type Action uint8

const (
	actTempfail Action = iota
	actReject
	actHold
	actObserve
	actions int = iota
)

var actionNames = [actions]string{"tempfail", "reject", "hold", "observe"}

func (a Action) String() string { return actionNames[a] }

// Refuses reports whether the message is answered by it, rather than let go on.
func (a Action) Refuses() bool { return a == actTempfail || a == actReject }

// newBound takes a Limit that has no Problems.
func newBound(l Limit) Bound {
	return Bound{
		Kind:  Kind(index(kindNames[:], l.Per)),
		Count: Count(index(countNames[:], l.Count)),
		Max:   uint64(l.Max),
		Every: int64(l.Every / time.Second),
		Then:  Action(index(actionNames[:], l.Then)),
	}
}

// String names the limit, as in "recipients per client in 1h".
func (l *Bound) String() string {
	return fmt.Sprintf("%s per %v in %s", l.Count.words(), l.Kind, span(l.Every))
}

// hopeless reports a message that can't pass even when nothing else was sent.
func (x Excess) hopeless() bool { return x.Want > x.Bound.Max }

// refusal is the reply. A message that alone is larger than the limit is
// refused for good even where the limit says tempfail: the client would try
// again until it gives up days later, and it would never help.
func (x Excess) refusal(key string) *message.Refusal {
	if x.Bound.Then == actReject || x.hopeless() {
		return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: x.text(key)}
	}
	return &message.Refusal{Code: 451, Enhanced: "4.7.1", Text: x.text(key)}
}

// text says which limit it is, how much of it is used, and when it frees.
func (x Excess) text(key string) string {
	l := x.Bound
	if x.hopeless() {
		return fmt.Sprintf("rates: this message alone has %d %v, limit %d in %s for %s; it can only pass in parts",
			x.Want, l.Count.words(), l.Max, span(l.Every), subjectText(l.Kind, key))
	}
	own := ""
	if l.Count != CountMessages && x.Used < l.Max {
		own = fmt.Sprintf(", this message has %d more", x.Want)
	}
	sent := "sent"
	if l.Kind == PerRecipientDomain {
		sent = "was sent"
	}
	return fmt.Sprintf("rates: %s %s %d %v in the last %s%s, limit %d; %s",
		subjectText(l.Kind, key), sent, x.Used, l.Count.words(), span(l.Every), own, l.Max, x.room())
}

func (x Excess) room() string {
	if x.Frees == 0 {
		return "room again when messages under way are done"
	}
	return "room again in " + wait(x.Frees)
}

func subjectText(k Kind, key string) string {
	if k == PerTotal {
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
