package journal

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pratique/message"
)

// Query says which records are wanted: those that meet everything that is set.
type Query struct {
	Since, Until    time.Time // zero: no bound; Until itself is not included
	QueueID         string
	MessageID       string // with or without angle brackets
	Client          string // address, or "(local)"; a host name takes a long search
	Login           string
	Sender          string // address; "<>" is the null sender
	SenderDomain    string
	RecipientDomain string
	Recipient       string   // address; finds something only where addresses are kept
	Verdicts        []string // of the message, any of them
	Check           string   // that decided
	Reason          string   // a key of ByReason
	Rule            string   // that found something
	UnsignedReason  string   // such as "no_key"
	Signature       string   // d= of a signature
	Scan            string   // result of the scan
	Failure         string   // check of ours that broke
	Text            string   // somewhere in the record, whatever its case
	Before          int64    // records older than the one with this ID; 0: from the newest one
	Limit           int      // at most so many; 0: 50
}

const (
	defaultLimit = 50
	lenRule      = len("M09")
)

// Search returns records, newest first. If the context ends before all were found,
// what was found so far comes with its error.
//
// What a query names by client, login, sender or recipient is looked up. For
// everything else records are read one after the other, but not those of an hour
// of which the sums say that nothing of the kind was in it.
func (r *Reader) Search(ctx context.Context, q Query) ([]Record, error) {
	q = q.clean()
	var found []Record
	err := r.each(ctx, q.Since, q.latest(), func(f *readFile) (bool, error) {
		records, err := f.search(ctx, &q, q.Limit-len(found))
		found = append(found, records...)
		return len(found) >= q.Limit, err
	})
	return found, err
}

// clean returns the query with its texts as they are kept.
func (q Query) clean() Query {
	q.Limit = max(q.Limit, 0)
	if q.Limit == 0 {
		q.Limit = defaultLimit
	}
	q.MessageID = bareID(q.MessageID)
	if addr, err := netip.ParseAddr(q.Client); err == nil {
		q.Client = addr.Unmap().WithZone("").String()
	}
	q.SenderDomain = strings.ToLower(strings.TrimSuffix(q.SenderDomain, "."))
	q.RecipientDomain = strings.ToLower(strings.TrimSuffix(q.RecipientDomain, "."))
	for _, word := range []*string{&q.Check, &q.UnsignedReason, &q.Scan} {
		*word = strings.ToLower(*word)
	}
	if len(q.Rule) == lenRule {
		q.Rule = strings.ToUpper(q.Rule)
	}
	for _, text := range []*string{&q.QueueID, &q.Client, &q.Login, &q.Sender, &q.SenderDomain, &q.RecipientDomain, &q.Recipient} {
		*text = clean(*text, longName)
	}
	return q
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// latest is the time after which nothing is wanted.
func (q *Query) latest() time.Time {
	if q.Before == 0 {
		return q.Until
	}
	before := time.UnixMicro(q.Before)
	if !q.Until.IsZero() && q.Until.Before(before) {
		return q.Until
	}
	return before
}

// lookup is a way to look records up: a key, and where the sums say how many there are.
type lookup struct {
	kind      byte
	text      string
	dimension Dimension // "": there are few
	key       string    // in the sums
}

// lookups returns the ways to look up what the query names; none: records are read one after the other.
func (q *Query) lookups() []lookup {
	var all []lookup
	add := func(kind byte, text string, d Dimension, key string) {
		if text != "" {
			all = append(all, lookup{kind, text, d, clean(key, longKey)})
		}
	}
	add(keyQueueID, q.QueueID, "", "")
	add(keyMessageID, q.MessageID, "", "")
	add(keyAddress, q.Recipient, "", "")
	add(keyLogin, q.Login, ByLogin, q.Login)
	add(keyDomain, q.RecipientDomain, ByRecipientDomain, q.RecipientDomain)
	add(keyRule, q.Rule, ByRule, q.Rule)
	add(keyUnsigned, q.UnsignedReason, ByUnsigned, q.UnsignedReason)
	if q.Sender != nullSender {
		add(keySender, q.Sender, BySender, strings.ToLower(q.Sender))
	}
	if isAddress(q.Client) { // a name is not looked up by
		add(keyClient, q.Client, ByClient, q.Client)
	}
	if len(q.Verdicts) == 1 && q.Verdicts[0] != verdictAccepted {
		add(keyVerdict, q.Verdicts[0], ByOutcome, q.Verdicts[0])
	}
	return all
}

// best returns the way to look records up that has fewest of them in the file.
// The zero lookup: there is none.
func (f *readFile) best(ctx context.Context, q *Query) (best lookup, err error) {
	all := q.lookups()
	if len(all) == 0 {
		return best, nil
	}
	if len(all) == 1 || all[0].dimension == "" {
		return all[0], nil
	}
	fewest := int64(-1)
	for _, l := range all {
		condition, args := "key = ?", []any{l.key}
		if l.dimension == ByOutcome {
			condition, args = "(key = ? OR key LIKE ? || ' %')", []any{l.key, l.key}
		}
		var n int64
		err := f.db.QueryRowContext(ctx, "SELECT coalesce(sum(messages), 0) FROM sums WHERE span = ? AND dimension = ? AND "+condition,
			append([]any{anHour, indexOf(l.dimension)}, args...)...).Scan(&n)
		if err != nil {
			return best, err
		}
		if fewest < 0 || n < fewest {
			best, fewest = l, n
		}
	}
	return best, nil
}

// summed are the conditions of the query that the sums can tell something of, and
// that are not looked up.
func (q *Query) summed() map[Dimension]string {
	conditions := map[Dimension]string{
		BySenderDomain: q.SenderDomain, ByReason: q.Reason, BySignature: q.Signature, ByScan: q.Scan, ByFailure: q.Failure,
	}
	if q.Client == localClient {
		conditions[ByClient] = localClient
	}
	if q.Sender == nullSender {
		conditions[BySender] = nullSender
	}
	for d, key := range conditions {
		if conditions[d] = clean(key, longKey); key == "" {
			delete(conditions, d)
		}
	}
	return conditions
}

// search searches one file.
func (f *readFile) search(ctx context.Context, q *Query, limit int) ([]Record, error) {
	hours, err := f.hours(ctx, q)
	if err != nil {
		return nil, err
	}
	by, err := f.best(ctx, q)
	if err != nil {
		return nil, err
	}
	var found []Record
	for _, stretch := range hours {
		records, err := f.searchIn(ctx, q, by, stretch, limit-len(found))
		found = append(found, records...)
		if err != nil || len(found) >= limit {
			return found, err
		}
	}
	return found, nil
}

// stretch is a span of ids.
type stretch struct{ from, to int64 }

// hours returns the stretches of the file in which there may be something, newest
// first: hours that lie together are one.
func (f *readFile) hours(ctx context.Context, q *Query) ([]stretch, error) {
	starts, err := f.starts(ctx, q)
	if err != nil {
		return nil, err
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.Since.IsZero() {
		from = q.Since.UnixMicro()
	}
	if latest := q.latest(); !latest.IsZero() {
		to = latest.UnixMicro()
	}
	var all []stretch
	for _, start := range starts {
		s := stretch{max(start*1e6, from), min((start+anHour)*1e6, to)}
		if s.from >= s.to {
			continue
		}
		if n := len(all); n > 0 && all[n-1].from == s.to {
			all[n-1].from = s.from
		} else {
			all = append(all, s)
		}
	}
	return all, nil
}

// starts returns the hours in which every condition of the query that was summed up
// is met by some message, newest first.
func (f *readFile) starts(ctx context.Context, q *Query) ([]int64, error) {
	starts, err := f.hoursOf(ctx, "span = ? AND dimension = ?"+q.outcomes(), anHour, indexOf(ByOutcome))
	if err != nil {
		return nil, err
	}
	for d, key := range q.summed() {
		with, err := f.hoursOf(ctx, "span = ? AND dimension = ? AND key IN (?, ?)", anHour, indexOf(d), key, Other)
		if err != nil {
			return nil, err
		}
		starts = slices.DeleteFunc(starts, func(s int64) bool { return !slices.Contains(with, s) })
	}
	return starts, nil
}

// outcomes is the condition on the keys of ByOutcome. The words are from lists of ours.
func (q *Query) outcomes() string {
	if len(q.Verdicts) == 0 {
		return ""
	}
	var any []string
	for _, v := range q.Verdicts {
		if slices.Contains(verdicts[:], v) {
			any = append(any, fmt.Sprintf("key = '%s' OR key LIKE '%s %%'", v, v))
		}
	}
	if any == nil {
		return " AND FALSE"
	}
	return " AND (key = '" + Other + "' OR " + strings.Join(any, " OR ") + ")"
}

func (f *readFile) hoursOf(ctx context.Context, condition string, args ...any) ([]int64, error) {
	rows, err := f.db.QueryContext(ctx, "SELECT DISTINCT start FROM sums WHERE "+condition+" ORDER BY start DESC", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var starts []int64
	for rows.Next() {
		var start int64
		if err := rows.Scan(&start); err != nil {
			return nil, err
		}
		starts = append(starts, start)
	}
	return starts, rows.Err()
}

// searchIn reads the records of a stretch until it has enough.
func (f *readFile) searchIn(ctx context.Context, q *Query, by lookup, in stretch, limit int) ([]Record, error) {
	from, where, args, order := fromAll, "r.id >= ? AND r.id < ?", []any{in.from, in.to}, "r.id"
	if by != (lookup{}) {
		from, where, order = fromKeys, "k.key = ? AND k.id >= ? AND k.id < ?", "k.id"
		args = []any{hashOf(by.kind, by.text), in.from, in.to}
	}
	if len(q.Verdicts) > 0 {
		where += " AND r.verdict IN (" + q.verdictNumbers() + ")"
	}
	for _, piece := range q.inStory() {
		where += " AND r.story IN (SELECT id FROM texts WHERE instr(text, ?) > 0)"
		args = append(args, piece)
	}
	if q.Text != "" && quotable(q.Text) {
		where += ` AND (instr(lower(r.detail), ?) > 0 OR instr(lower(concat_ws(' ', r.sender, r.message_id, r.queue_id)), ?) > 0
			OR r.client IN (SELECT id FROM texts WHERE instr(lower(text), ?) > 0)
			OR r.story IN (SELECT id FROM texts WHERE instr(lower(text), ?) > 0))`
		text := strings.ToLower(q.Text)
		args = append(args, text, text, text, text)
	}
	rows, err := f.db.QueryContext(ctx, "SELECT "+columns+from+" WHERE "+where+" ORDER BY "+order+" DESC", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []Record
	for len(found) < limit && rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return found, err
		}
		if q.wants(&r) {
			found = append(found, r)
		}
	}
	return found, rows.Err()
}

func (q *Query) verdictNumbers() string {
	var numbers []string
	for _, v := range q.Verdicts {
		numbers = append(numbers, fmt.Sprint(slices.Index(verdicts[:], v)))
	}
	return strings.Join(numbers, ", ")
}

// inStory are pieces of the text of a story without which a record need not be read.
func (q *Query) inStory() []string {
	var all []string
	for _, piece := range []struct{ word, text string }{
		{q.Check, `"by":"` + q.Check + `"`},
		{q.Signature, `"d":"` + q.Signature + `"`},
		{q.Scan, `"result":"` + q.Scan + `"`},
	} {
		if piece.word != "" && quotable(piece.word) {
			all = append(all, piece.text)
		}
	}
	return all
}

// quotable reports whether JSON, and SQL's lower, write a text as it is.
func quotable(text string) bool { return plain(text) && !strings.ContainsAny(text, `"\<>&`) }

// wants reports whether a record meets the query, but for the times.
func (q *Query) wants(r *Record) bool {
	return is(q.QueueID, r.QueueID) && is(q.MessageID, r.MessageID) && q.wantsClient(r) && is(q.Login, r.Client.Login) &&
		(q.Sender == nullSender && r.Sender == "" || is(q.Sender, r.Sender)) && is(q.SenderDomain, message.Domain(r.Sender)) &&
		(q.RecipientDomain == "" || slices.ContainsFunc(r.Domains, func(d Domain) bool { return is(q.RecipientDomain, d.Name) })) &&
		(q.Recipient == "" || slices.ContainsFunc(r.Addresses, func(a string) bool { return is(q.Recipient, a) })) &&
		(len(q.Verdicts) == 0 || slices.Contains(q.Verdicts, r.Verdict)) &&
		is(q.Check, r.DecidedBy) && is(q.Reason, r.why()) &&
		(q.Rule == "" || slices.ContainsFunc(r.Findings, func(f Finding) bool { return is(q.Rule, f.Rule) })) &&
		(q.UnsignedReason == "" || r.Unsigned != nil && is(q.UnsignedReason, r.Unsigned.Reason)) &&
		(q.Signature == "" || slices.ContainsFunc(r.Signatures, func(s Signature) bool { return is(q.Signature, s.Domain) })) &&
		(q.Scan == "" || r.Scan != nil && is(q.Scan, r.Scan.Result)) &&
		(q.Failure == "" || slices.ContainsFunc(r.Failures, func(f Failure) bool { return is(q.Failure, f.Check) })) &&
		(q.Text == "" || r.contains(q.Text))
}

func (q *Query) wantsClient(r *Record) bool {
	if q.Client == localClient {
		return r.Client.Local
	}
	return q.Client == "" || is(q.Client, r.Client.Addr) || is(q.Client, r.Client.Name)
}

func is(wanted, text string) bool { return wanted == "" || strings.EqualFold(wanted, text) }

// contains looks for a text in what others said in a record, and in what we said of it.
func (r *Record) contains(text string) bool {
	text = strings.ToLower(text)
	has := func(all ...string) bool {
		return slices.ContainsFunc(all, func(s string) bool { return strings.Contains(strings.ToLower(s), text) })
	}
	return has(r.QueueID, r.MessageID, r.Sender, r.Subject, r.Reason, r.Client.Addr, r.Client.Name, r.Client.Helo, r.Client.Login) ||
		has(r.Addresses...) || has(r.Fixes...) || r.Reply != nil && has(r.Reply.Text) ||
		r.Unsigned != nil && has(r.Unsigned.Reason, r.Unsigned.Text) || r.Scan != nil && has(r.Scan.Detail) ||
		slices.ContainsFunc(r.Domains, func(d Domain) bool { return has(d.Name) }) ||
		slices.ContainsFunc(r.Signatures, func(s Signature) bool { return has(s.Domain, s.Selector) }) ||
		slices.ContainsFunc(r.Findings, func(f Finding) bool { return has(f.Rule, f.Where, f.Detail) }) ||
		slices.ContainsFunc(r.Notes, func(n Note) bool { return has(n.Code, n.Text) }) ||
		slices.ContainsFunc(r.Failures, func(f Failure) bool { return has(f.Error) })
}
