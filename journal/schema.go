package journal

import (
	"hash/fnv"
	"strings"
)

// schema is that of one file, which holds the records of one day (UTC), or a part of
// it. PRAGMA user_version is its version; a file of another one is left alone.
//
// A record is cut in three, for most of it is the same in very many: who handed the
// message in, and what the checks said in general, are texts of their own that
// records share; what is left is what one message has for itself. All are JSON.
const (
	schemaVersion = 1
	schema        = `
CREATE TABLE IF NOT EXISTS records (
	id         INTEGER PRIMARY KEY, -- Unix time in microseconds, made unique: records lie in the order of time
	queue_id   TEXT    NOT NULL,
	message_id TEXT    NOT NULL, -- without angle brackets
	sender     TEXT    NOT NULL,
	verdict    INTEGER NOT NULL, -- its place among the verdicts
	client     INTEGER NOT NULL, -- texts.id
	story      INTEGER NOT NULL, -- texts.id
	detail     TEXT    NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS texts (
	id   INTEGER PRIMARY KEY,
	text TEXT NOT NULL
) STRICT;
-- What records are looked up by: a hash of the kind and the text. Of two that have the
-- same hash, the record tells which one is meant.
CREATE TABLE IF NOT EXISTS keys (
	key INTEGER NOT NULL,
	id  INTEGER NOT NULL, -- records.id
	PRIMARY KEY (key, id)
) STRICT, WITHOUT ROWID;
-- Sums, so that nobody has to count records. A span has a bounded number of keys in
-- each dimension; what comes on top counts under the key "(other)".
CREATE TABLE IF NOT EXISTS sums (
	span       INTEGER NOT NULL, -- seconds
	dimension  INTEGER NOT NULL, -- its place among the dimensions
	key        TEXT    NOT NULL,
	start      INTEGER NOT NULL, -- Unix time
	messages   INTEGER NOT NULL,
	accepted   INTEGER NOT NULL,
	held       INTEGER NOT NULL,
	refused    INTEGER NOT NULL,
	tempfailed INTEGER NOT NULL,
	recipients INTEGER NOT NULL, -- of those that left
	bytes      INTEGER NOT NULL, -- of those that left
	PRIMARY KEY (span, dimension, key, start)
) STRICT, WITHOUT ROWID;
-- Where records are missing, because they could not be written.
CREATE TABLE IF NOT EXISTS gaps (
	since   INTEGER NOT NULL, -- Unix time in microseconds
	until   INTEGER NOT NULL,
	records INTEGER NOT NULL
) STRICT;
`
)

const verdictAccepted = "accepted"

// verdicts are those of a message, in the order in which they are stored: add behind.
var verdicts = [...]string{verdictAccepted, "held", "passed", "discarded", "refused", "tempfailed", "aborted", "lost"}

// The kinds of keys that records are looked up by. They are part of what is stored.
const (
	keyQueueID   = 'q'
	keyMessageID = 'm'
	keyClient    = 'c'
	keyLogin     = 'l'
	keySender    = 's'
	keyDomain    = 'd' // of a recipient
	keyAddress   = 'a' // of a recipient
	keyVerdict   = 'v' // of a message that was not simply accepted
	keyRule      = 'r' // that found something
	keyUnsigned  = 'u' // reason
)

// mostKeyedDomains bounds the recipient domains of one message by which it is found.
const mostKeyedDomains = 20

// hashOf is the key of a text, whatever its case. It is short because there are
// several for each record, and a false hit costs no more than a look.
func hashOf(kind byte, text string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte{kind, 0}) // a hash takes everything
	_, _ = h.Write([]byte(strings.ToLower(text)))
	return int32(h.Sum32())
}

// keys appends what a record is looked up by.
func (r *Record) keys(all []int32) []int32 {
	add := func(kind byte, text string) {
		if text != "" {
			all = append(all, hashOf(kind, text))
		}
	}
	add(keyQueueID, r.QueueID)
	add(keyMessageID, r.MessageID)
	add(keyClient, r.Client.Addr)
	add(keyLogin, r.Client.Login)
	add(keySender, r.Sender)
	for _, d := range first(r.Domains, mostKeyedDomains) {
		add(keyDomain, d.Name)
	}
	for _, a := range r.Addresses {
		add(keyAddress, a)
	}
	if r.Verdict != verdictAccepted {
		add(keyVerdict, r.Verdict)
	}
	for _, rule := range r.rules() {
		add(keyRule, rule)
	}
	if r.Left() && r.Unsigned != nil {
		add(keyUnsigned, r.Unsigned.Reason)
	}
	return all
}
