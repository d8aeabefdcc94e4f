package watch

import (
	"cmp"
	"slices"
	"strings"
)

// most returns the keys with the highest counts, at most n.
func most(counts map[string]int, n int) []string {
	keys := []string{}
	for key := range counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b)) })
	return keys[:min(n, len(keys))]
}

func (q *query) reasons(cells []*cell) []WhyLine {
	type sum struct {
		WhyLine
		at map[string]int
	}
	all := map[string]*sum{}
	for _, c := range cells {
		if c.kind != kindBounce || !c.certain || c.status == statusDelivered {
			continue
		}
		key := c.reason.Key()
		l := all[key]
		if l == nil {
			l = &sum{WhyLine{Reason: c.reason, Example: q.examples[key]}, map[string]int{}}
			all[key] = l
		}
		if c.failed() {
			l.Failed += c.n
		} else {
			l.Deferred += c.n
		}
		l.at[q.receiver(c.domain, c.host)] += c.n
	}
	found := []WhyLine{}
	for _, l := range all {
		l.Receivers = most(l.at, 3)
		found = append(found, l.WhyLine)
	}
	slices.SortFunc(found, func(a, b WhyLine) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Deferred, a.Deferred), strings.Compare(a.Key(), b.Key()))
	})
	return found
}

// rules puts the findings of messages beside what came back for them.
func (q *query) rules(cells []*cell, sent map[string]Sums, recipients, failed int) []RuleLine {
	type sum struct {
		RuleLine
		at  map[string]int
		why map[string]map[string]int
	}
	all := map[string]*sum{}
	for _, c := range cells {
		if !c.certain || !c.failed() && c.kind != kindComplaint {
			continue
		}
		for rule := range strings.FieldsSeq(c.rules) {
			l := all[rule]
			if l == nil {
				l = &sum{RuleLine{Rule: rule}, map[string]int{}, map[string]map[string]int{}}
				all[rule] = l
			}
			if c.kind == kindComplaint {
				l.Complaints += c.n
				continue
			}
			where := q.receiver(c.domain, c.host)
			l.Failed += c.n
			l.at[where] += c.n
			if l.why[where] == nil {
				l.why[where] = map[string]int{}
			}
			l.why[where][c.reason.Key()] += c.n
		}
	}
	found := []RuleLine{}
	for rule, l := range all {
		l.Recipients = sent[rule].Recipients
		l.Share = share(l.Failed, l.Recipients)
		l.Usual = share(failed-l.Failed, max(0, recipients-l.Recipients))
		if where := most(l.at, 1); len(where) > 0 {
			l.Receiver, l.AtReceiver, l.Reason = where[0], l.at[where[0]], most(l.why[where[0]], 1)[0]
		}
		found = append(found, l.RuleLine)
	}
	slices.SortFunc(found, func(a, b RuleLine) int {
		return cmp.Or(cmp.Compare(b.Failed+b.Complaints, a.Failed+a.Complaints), strings.Compare(a.Rule, b.Rule))
	})
	return found
}

func (q *query) attempts() []Attempts {
	type sum struct {
		Attempts
		delay int
	}
	all := map[string]*sum{}
	q.each("SELECT domain, status, sum(n), sum(delay_ms) FROM attempts WHERE hour >= ? GROUP BY 1, 2", func(scan scanner) {
		var domain, status string
		var n, delay int
		scan(&domain, &status, &n, &delay)
		name := q.receiver(domain, "")
		if all[name] == nil {
			all[name] = &sum{Attempts: Attempts{Receiver: name}}
		}
		switch a := all[name]; status {
		case "sent":
			a.Sent += n
			a.delay += delay
		case "deferred":
			a.Deferred += n
		case "bounced":
			a.Bounced += n
		}
	}, q.since)
	found := []Attempts{}
	for _, a := range all {
		a.MeanDelay = float64(a.delay) / 1000 / float64(max(a.Sent, 1))
		found = append(found, a.Attempts)
	}
	slices.SortFunc(found, func(a, b Attempts) int {
		return cmp.Or(cmp.Compare(b.Sent+b.Deferred+b.Bounced, a.Sent+a.Deferred+a.Bounced), strings.Compare(a.Receiver, b.Receiver))
	})
	return found
}
