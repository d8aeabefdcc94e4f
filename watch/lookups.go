package watch

import "context"

// maxLookups bounds what one message has the journal asked for. A bounce has an id or two;
// a stranger may write a thousand recipients, fifty bounce addresses and a hundred
// complaints into one message. What is not looked up is unverified, and tried again.
const maxLookups = 200

// lookups asks a journal, for all events of one message or of some lines of a log, once
// for each thing, and not for too many. It is used by one goroutine.
type lookups struct {
	journal Journal
	limit   int
	known   map[lookup][]Sent
}

// lookup is what a journal is asked for.
type lookup struct {
	id, sender, to string
	most           int
}

// onceEach returns a journal that remembers its answers, and gives so many at most; nil if
// there is none.
func onceEach(journal Journal, limit int) Journal {
	if journal == nil {
		return nil
	}
	return &lookups{journal, limit, map[lookup][]Sent{}}
}

// ByID finds by queue id or Message-ID.
func (l *lookups) ByID(ctx context.Context, id string) ([]Sent, error) {
	return l.once(lookup{id: id}, func() ([]Sent, error) { return l.journal.ByID(ctx, id) })
}

// BySender finds by the envelope sender.
func (l *lookups) BySender(ctx context.Context, sender, to string, most int) ([]Sent, error) {
	return l.once(lookup{sender: sender, to: to, most: most}, func() ([]Sent, error) { return l.journal.BySender(ctx, sender, to, most) })
}

func (l *lookups) once(what lookup, ask func() ([]Sent, error)) ([]Sent, error) {
	found, ok := l.known[what]
	if ok || len(l.known) >= l.limit {
		return found, nil
	}
	found, err := ask()
	if err == nil {
		l.known[what] = found
	}
	return found, err
}
