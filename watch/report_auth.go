package watch

// DMARCReport is what receivers say of mail with our domains in From.
type DMARCReport struct {
	Reports  int           `json:"reports"`
	Messages int           `json:"messages"`
	Aligned  int           `json:"aligned"` // that passed
	Failing  []DMARCSource `json:"failing"` // sources of what did not, the busiest first, at most 100
}

// DMARCSource is an address from which mail came that failed DMARC.
type DMARCSource struct {
	Source     string   `json:"source"`
	HeaderFrom string   `json:"header_from"`
	Messages   int      `json:"messages"`
	Refused    int      `json:"refused"`   // of those: quarantined or rejected
	Passed     string   `json:"passed"`    // what passed DKIM or SPF for a domain that is not aligned
	Reporters  []string `json:"reporters"` // who says so, at most 5
	Ours       bool     `json:"ours"`      // mail of the same source passed, too
}

// TLSReport is what others say of TLS to our mail servers.
type TLSReport struct {
	Reports   int          `json:"reports"`
	Succeeded int          `json:"succeeded"` // sessions
	Failed    int          `json:"failed"`
	Failures  []TLSFailure `json:"failures"` // the most frequent first, at most 100
}

// TLSFailure is sessions that failed for one reason.
type TLSFailure struct {
	Domain    string   `json:"domain"`
	Policy    string   `json:"policy"`
	Result    string   `json:"result"`
	MX        string   `json:"mx"`
	Info      string   `json:"info,omitempty"`
	Sessions  int      `json:"sessions"`
	Reporters []string `json:"reporters"`
}

const (
	mostShown     = 100
	mostReporters = 5
)

func (q *query) dmarc() DMARCReport {
	r := DMARCReport{Failing: []DMARCSource{}}
	q.each(`SELECT count(DISTINCT org || char(0) || report || char(0) || domain), coalesce(sum(messages), 0),
		coalesce(sum(CASE WHEN dkim = 'pass' OR spf = 'pass' THEN messages END), 0) FROM dmarc WHERE at >= ?`,
		func(scan scanner) { scan(&r.Reports, &r.Messages, &r.Aligned) }, q.since)
	q.each(`SELECT source, header_from, sum(messages), sum(CASE WHEN disposition IN ('quarantine', 'reject') THEN messages ELSE 0 END), max(auth),
		EXISTS (SELECT 1 FROM dmarc o WHERE o.source = d.source AND o.at >= ?1 AND (o.dkim = 'pass' OR o.spf = 'pass'))
		FROM dmarc d WHERE at >= ?1 AND dkim <> 'pass' AND spf <> 'pass' GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT ?2`, func(scan scanner) {
		var f DMARCSource
		scan(&f.Source, &f.HeaderFrom, &f.Messages, &f.Refused, &f.Passed, &f.Ours)
		r.Failing = append(r.Failing, f)
	}, q.since, mostShown)
	for i := range r.Failing {
		f := &r.Failing[i]
		f.Reporters = q.texts("SELECT DISTINCT org FROM dmarc WHERE at >= ? AND source = ? AND header_from = ? AND dkim <> 'pass' AND spf <> 'pass' ORDER BY 1 LIMIT ?",
			q.since, f.Source, f.HeaderFrom, mostReporters)
	}
	return r
}

func (q *query) tls() TLSReport {
	r := TLSReport{Failures: []TLSFailure{}}
	q.each(`SELECT count(DISTINCT org || char(0) || report), coalesce(sum(CASE WHEN result = 'success' THEN sessions END), 0),
		coalesce(sum(CASE WHEN result <> 'success' THEN sessions END), 0) FROM tls WHERE at >= ?`,
		func(scan scanner) { scan(&r.Reports, &r.Succeeded, &r.Failed) }, q.since)
	q.each(`SELECT domain, policy, result, mx, max(info), sum(sessions) FROM tls WHERE at >= ? AND result <> 'success'
		GROUP BY 1, 2, 3, 4 ORDER BY 6 DESC, 1, 3, 4 LIMIT ?`, func(scan scanner) {
		var f TLSFailure
		scan(&f.Domain, &f.Policy, &f.Result, &f.MX, &f.Info, &f.Sessions)
		r.Failures = append(r.Failures, f)
	}, q.since, mostShown)
	for i := range r.Failures {
		f := &r.Failures[i]
		f.Reporters = q.texts("SELECT DISTINCT org FROM tls WHERE at >= ? AND domain = ? AND result = ? AND result <> 'success' AND mx = ? ORDER BY 1 LIMIT ?", q.since, f.Domain, f.Result, f.MX, mostReporters)
	}
	return r
}

func (q *query) texts(text string, arguments ...any) []string {
	found := []string{}
	q.each(text, func(scan scanner) {
		var one string
		scan(&one)
		found = append(found, one)
	}, arguments...)
	return found
}
