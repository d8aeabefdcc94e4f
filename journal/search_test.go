package journal

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

// filled writes so many messages of traffic, over three days and with two parts in
// one of them, and returns them as they should be read, newest first.
func filled(t testing.TB, dir string, n int) []Record {
	t.Helper()
	opts := DefaultOptions()
	opts.Recipients = byAddress
	g := newTraffic(7)
	s := newStore(optionsOf(opts), folder(dir), newClock().time, quiet())
	var all []Record
	var batch []*Record
	at := start.AddDate(0, 0, -2)
	for i := range n {
		at = at.Add(2 * 24 * time.Hour / time.Duration(n))
		m, o := g.next(at)
		if i%97 == 0 { // some that are not by SMTP
			m.Client = message.Client{Local: true, Name: "localhost"}
			m.Sender = ""
		}
		r := take(m, o, at, &opts).record()
		batch = append(batch, r)
		if len(batch) == 100 || i == n-1 {
			if done, err := s.write(batch); done != len(batch) || err != nil {
				t.Fatalf("wrote %d of %d: %v", done, len(batch), err)
			}
			for _, r := range batch {
				all = append(all, *r)
			}
			batch = nil
		}
		if i == n/2 && s.file != nil { // the rest of this day goes into another file
			part := s.file.name
			if err := s.closeFile(); err != nil {
				t.Fatal(err)
			}
			part.part++
			next, err := openDayFile(folder(dir), part)
			if err != nil {
				t.Fatal(err)
			}
			s.file = next
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	return all
}

// What a search finds is what is found by looking at every record.
func TestSearchFindsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	all := filled(t, dir, 1500)
	r := reader(t, dir)
	some := all[len(all)/3]
	rare := all[slices.IndexFunc(all, func(r Record) bool { return r.Client.Login != "" })]
	ruled := all[slices.IndexFunc(all, func(r Record) bool { return len(r.Findings) > 0 && r.Client.Addr != "" })]
	rule, client := ruled.Findings[0].Rule, ruled.Client.Addr
	deferred := all[slices.IndexFunc(all, func(r Record) bool { return r.Verdict == Tempfailed })].Reply.Text
	ending := deferred[strings.Index(deferred, "room"):]
	has := func(ok func(r *Record) bool) func(r *Record) bool { return ok }
	for name, tc := range map[string]struct {
		q  Query
		is func(r *Record) bool
	}{
		"all":            {Query{}, has(func(*Record) bool { return true })},
		"queue id":       {Query{QueueID: some.QueueID}, has(func(r *Record) bool { return r.QueueID == some.QueueID })},
		"Message-ID":     {Query{MessageID: "<" + some.MessageID + ">"}, has(func(r *Record) bool { return r.MessageID == some.MessageID })},
		"client":         {Query{Client: "10.1.0.1"}, has(func(r *Record) bool { return r.Client.Addr == "10.1.0.1" })},
		"mapped client":  {Query{Client: "::ffff:10.1.0.1"}, has(func(r *Record) bool { return r.Client.Addr == "10.1.0.1" })},
		"client by name": {Query{Client: "app5.example.org"}, has(func(r *Record) bool { return r.Client.Name == "app5.example.org" })},
		"local":          {Query{Client: "(local)"}, has(func(r *Record) bool { return r.Client.Local })},
		"login":          {Query{Login: strings.ToUpper(rare.Client.Login)}, has(func(r *Record) bool { return r.Client.Login == rare.Client.Login })},
		"sender":         {Query{Sender: some.Sender}, has(func(r *Record) bool { return r.Sender == some.Sender })},
		"null sender":    {Query{Sender: "<>"}, has(func(r *Record) bool { return r.Sender == "" })},
		"sender domain":  {Query{SenderDomain: "SITE3.example."}, has(func(r *Record) bool { return message.Domain(r.Sender) == "site3.example" })},
		"recipient domain": {Query{RecipientDomain: "receiver2.example"}, has(func(r *Record) bool {
			return slices.ContainsFunc(r.Domains, func(d Domain) bool { return d.Name == "receiver2.example" })
		})},
		"recipient":        {Query{Recipient: some.Addresses[0]}, has(func(r *Record) bool { return slices.Contains(r.Addresses, some.Addresses[0]) })},
		"refused":          {Query{Verdicts: []string{Refused}}, has(func(r *Record) bool { return r.Verdict == Refused })},
		"not accepted":     {Query{Verdicts: []string{Refused, Tempfailed}}, has(func(r *Record) bool { return r.Verdict != "accepted" })},
		"check":            {Query{Check: "rates"}, has(func(r *Record) bool { return r.DecidedBy == "rates" })},
		"reason":           {Query{Reason: "lint H07"}, has(func(r *Record) bool { return r.why() == "lint H07" })},
		"rule":             {Query{Rule: "m11"}, has(func(r *Record) bool { return slices.Contains(r.rules(), "M11") })},
		"unsigned":         {Query{UnsignedReason: "no_key"}, has(func(r *Record) bool { return r.Unsigned != nil })},
		"signature":        {Query{Signature: "site2.example"}, has(func(r *Record) bool { return len(r.Signatures) > 0 && r.Signatures[0].Domain == "site2.example" })},
		"scan":             {Query{Scan: ScanClean}, has(func(r *Record) bool { return r.Scan != nil && r.Scan.Result == ScanClean })},
		"text in a reply":  {Query{Text: strings.ToUpper(ending)}, has(func(r *Record) bool { return r.Reply != nil && strings.Contains(r.Reply.Text, ending) })},
		"text with quotes": {Query{Text: `no key for "site`}, has(func(r *Record) bool { return r.Unsigned != nil })},
		"text of a login":  {Query{Text: rare.Client.Login}, has(func(r *Record) bool { return r.contains(rare.Client.Login) })},
		"a client's refused": {Query{Client: "10.1.0.0", Verdicts: []string{Refused}}, has(func(r *Record) bool {
			return r.Client.Addr == "10.1.0.0" && r.Verdict == Refused
		})},
		"a client's rule": {Query{Client: client, Rule: rule}, has(func(r *Record) bool {
			return r.Client.Addr == client && slices.Contains(r.rules(), rule)
		})},
		"an hour": {Query{Since: some.Time.Add(-time.Hour), Until: some.Time}, has(func(r *Record) bool {
			return !r.Time.Before(some.Time.Add(-time.Hour)) && r.Time.Before(some.Time)
		})},
		"before":           {Query{Before: some.ID}, has(func(r *Record) bool { return r.ID < some.ID })},
		"nothing":          {Query{Login: "nobody"}, has(func(*Record) bool { return false })},
		"no such verdict":  {Query{Verdicts: []string{"eaten"}}, has(func(*Record) bool { return false })},
		"quotes in a word": {Query{Check: `rates" OR 1=1 --`, Scan: `'`}, has(func(*Record) bool { return false })},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for i := range all {
				if tc.is(&all[i]) {
					want = append(want, all[i].QueueID)
				}
			}
			if len(want) == 0 != (name == "nothing" || name == "no such verdict" || name == "quotes in a word") {
				t.Fatalf("the test looks for %d records", len(want))
			}
			for _, limit := range []int{10_000, 7} {
				tc.q.Limit = limit
				found, err := r.Search(context.Background(), tc.q)
				if err != nil {
					t.Fatal(err)
				}
				if wanted := first(want, limit); !slices.Equal(idsOf(found), wanted) && len(found)+len(wanted) > 0 {
					t.Errorf("limit %d: found %d, want %d", limit, len(found), len(wanted))
				}
			}
		})
	}
}

func idsOf(records []Record) []string {
	var ids []string
	for _, r := range records {
		ids = append(ids, r.QueueID)
	}
	return ids
}

// Page after page, each record comes once.
func TestSearchGoesOn(t *testing.T) {
	dir := t.TempDir()
	all := filled(t, dir, 500)
	r := reader(t, dir)
	var found []Record
	for q := (Query{Limit: 37}); ; q.Before = found[len(found)-1].ID {
		page, err := r.Search(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		found = append(found, page...)
	}
	if !reflect.DeepEqual(found, all) {
		t.Errorf("found %d records, there are %d, or they differ", len(found), len(all))
	}
	if one, err := r.ByID(context.Background(), all[99].ID); err != nil || !reflect.DeepEqual(one, all[99]) {
		t.Errorf("by id: %v, error %v", one, err)
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 200)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := reader(t, dir).Search(ctx, Query{Text: "x"}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// Sums say what counting all records would.
func TestSumsAgreeWithTheRecords(t *testing.T) {
	dir := t.TempDir()
	all := filled(t, dir, 1500)
	r := reader(t, dir)
	ctx := context.Background()
	for _, span := range []struct{ since, until time.Time }{
		{start.AddDate(0, 0, -3), start.AddDate(0, 0, 1)},
		{start.AddDate(0, 0, -1), start},
		{start.Add(-30 * time.Hour), start.Add(-3 * time.Hour)},
	} {
		for _, d := range dimensions {
			want := map[string]Sums{}
			for i := range all {
				if all[i].Time.Before(span.since) || !all[i].Time.Before(span.until) {
					continue
				}
				all[i].each(func(of Dimension, key string) {
					if of == d {
						s := want[key]
						s.add(all[i].sums())
						want[key] = s
					}
				})
			}
			top, err := r.Top(ctx, d, span.since, span.until, 0)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]Sums{}
			for i, total := range top {
				got[total.Key] = total.Sums
				if i > 0 && total.Messages > top[i-1].Messages {
					t.Errorf("%s: not most first", d)
				}
			}
			if !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
				t.Errorf("%s: got %d keys, want %d, or they differ", d, len(got), len(want))
			}
		}
		for _, step := range []time.Duration{5 * time.Minute, time.Hour, 24 * time.Hour} {
			buckets, err := r.Traffic(ctx, span.since, span.until, step)
			if err != nil {
				t.Fatal(err)
			}
			sum, outcomes := Sums{}, int64(0)
			for i, b := range buckets {
				if i > 0 && !b.Start.Equal(buckets[i-1].Start.Add(step)) {
					t.Fatalf("step %v: bucket %d starts at %v", step, i, b.Start)
				}
				sum.add(b.Sums)
				for _, n := range b.Outcomes {
					outcomes += n
				}
			}
			want := Sums{}
			for i := range all {
				if at := all[i].Time; !at.Before(buckets[0].Start) && at.Before(span.until) {
					want.add(all[i].sums())
				}
			}
			if step == 24*time.Hour { // the last bucket is summed up to the hour
				want = sum
			}
			if sum != want || outcomes != sum.Messages {
				t.Errorf("steps of %v: %+v with %d outcomes, want %+v", step, sum, outcomes, want)
			}
		}
	}
}

func TestTrafficRefusesOddSteps(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir, 10)
	r := reader(t, dir)
	for _, step := range []time.Duration{0, -time.Hour, time.Minute, 7 * time.Minute, 25 * time.Hour, 35 * time.Minute} {
		if _, err := r.Traffic(context.Background(), start, start.Add(time.Hour), step); err == nil {
			t.Errorf("step %v is taken", step)
		}
	}
	if _, err := r.Traffic(context.Background(), start.AddDate(-10, 0, 0), start, 5*time.Minute); err == nil {
		t.Error("a million buckets are taken")
	}
	if _, err := r.Top(context.Background(), "colour", start, start, 0); err == nil {
		t.Error("an unknown dimension is taken")
	}
}

// A million keys cost no more room than a thousand: what comes on top counts as others.
func TestKeysOfSumsAreBounded(t *testing.T) {
	dir := t.TempDir()
	opts := DefaultOptions()
	c := newClock()
	s := newStore(optionsOf(opts), folder(dir), c.time, quiet())
	told := 0
	tell := func(n int, at time.Time) {
		t.Helper()
		var batch []*Record
		for range n {
			m := letter(told, at)
			m.Client.Login = fmt.Sprintf("login%d", told)
			batch = append(batch, take(m, message.Outcome{}, at, &opts).record())
			told++
		}
		if done, err := s.write(batch); done != n || err != nil {
			t.Fatal(done, err)
		}
	}
	for hour := range 6 {
		at := start.Add(time.Duration(hour) * time.Hour)
		tell(700, at)
		s.close() // a restart in between
		s = newStore(optionsOf(opts), folder(dir), c.time, quiet())
		tell(700, at)
	}
	r := reader(t, dir)
	day := start.Truncate(24 * time.Hour)
	bounded := func(since, until time.Time, keys, messages int) {
		t.Helper()
		top, err := r.Top(context.Background(), ByLogin, since, until, 0)
		if err != nil {
			t.Fatal(err)
		}
		last := top[len(top)-1]
		if len(top) != keys+1 || last.Key != Other || last.Messages != int64(messages-keys) {
			t.Errorf("%d keys, the last one %+v; want %d of %d", len(top), last, keys, messages)
		}
	}
	bounded(start.Add(5*time.Hour), start.Add(6*time.Hour), keysAnHour, 1400)
	bounded(start, start.Add(time.Hour), keysAPastHour, 1400)
	bounded(day, day.AddDate(0, 0, 1), 5*keysAPastHour+keysAnHour, told)
	today := told
	tell(1, day.AddDate(0, 0, 1))
	s.close()
	bounded(day, day.AddDate(0, 0, 1), keysADay, today)
	// What counts as others is found all the same.
	found, err := r.Search(context.Background(), Query{Login: fmt.Sprintf("login%d", today-1)})
	if err != nil || len(found) != 1 {
		t.Errorf("found %d, error %v", len(found), err)
	}
}

// A day that is over and is written to once more is summed up anew.
func TestADayThatGoesOn(t *testing.T) {
	dir := t.TempDir()
	c := newClock()
	s := newStore(optionsOf(DefaultOptions()), folder(dir), c.time, quiet())
	r := reader(t, dir)
	day := start.Truncate(24 * time.Hour)
	for n, at := range []time.Time{start, start.AddDate(0, 0, 1), start.Add(time.Hour), start.AddDate(0, 0, 1)} {
		records := someRecords(n)
		records[0].Time = at
		if _, err := s.write(records); err != nil {
			t.Fatal(err)
		}
		top, err := r.Top(context.Background(), ByLogin, day, day.AddDate(0, 0, 1), 0)
		if want := int64(n/2 + 1); err != nil || len(top) != 1 || top[0].Messages != want {
			t.Errorf("after %d: top %v, want %d, error %v", n, top, want, err)
		}
		name := fileName{day: dayOf(start)}
		f, err := r.file(context.Background(), name)
		if err != nil || f.sealed != (n%2 == 1) {
			t.Errorf("after %d: sealed %v, error %v", n, f.sealed, err)
		}
	}
	s.close()
}
