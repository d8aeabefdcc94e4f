package main

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"pratique/journal"
	"pratique/watch"
)

// leftMessages finds messages that left in the journal of a state folder, which may
// not be there yet.
type leftMessages struct {
	state string

	mu     sync.Mutex
	reader *journal.Reader
}

func (l *leftMessages) open() (*journal.Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader != nil {
		return l.reader, nil
	}
	reader, err := journal.OpenReader(l.state)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing left here yet that the journal would know of
	}
	l.reader = reader
	return reader, err
}

// Close closes the journal.
func (l *leftMessages) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader == nil {
		return nil
	}
	return l.reader.Close()
}

func (l *leftMessages) ByID(ctx context.Context, id string) ([]watch.Sent, error) {
	reader, err := l.open()
	if reader == nil {
		return nil, err
	}
	records, err := reader.Find(ctx, id)
	return thatLeft(records), err
}

func (l *leftMessages) BySender(ctx context.Context, sender, to string, most int) ([]watch.Sent, error) {
	reader, err := l.open()
	if reader == nil {
		return nil, err
	}
	records, err := reader.Search(ctx, journal.Query{Sender: sender, RecipientDomain: to, Limit: most})
	return thatLeft(records), err
}

// thatLeft returns what is to be known of the messages that left.
func thatLeft(records []journal.Record) []watch.Sent {
	var all []watch.Sent
	for i := range records {
		r := &records[i]
		if !r.Left() {
			continue
		}
		sent := watch.Sent{ID: r.ID, At: r.Time, QueueID: r.QueueID, MessageID: r.MessageID, Sender: r.Sender, Client: r.Client.Addr}
		if r.Client.Local || sent.Client == "" {
			sent.Client = "(local)"
		}
		named := 0
		for _, d := range r.Domains {
			sent.Domains = append(sent.Domains, d.Name)
			named += d.Recipients
		}
		sent.Partial = named < r.Recipients
		if len(r.Addresses) == r.Recipients {
			sent.Addresses = r.Addresses
		}
		told := map[string]bool{}
		for _, f := range r.Findings {
			if !told[f.Rule] {
				told[f.Rule] = true
				sent.Rules = append(sent.Rules, f.Rule)
			}
		}
		all = append(all, sent)
	}
	return all
}
