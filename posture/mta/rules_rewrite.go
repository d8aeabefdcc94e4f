package mta

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// aSignature is what milter_header_checks sees of ours.
const aSignature = "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org; s=2026a; t=1; h=From:To; bh=AA==; b=AA=="

// judgeMilterHeaderChecks: that table sees the fields that milters add (Postfix 2.7).
func judgeMilterHeaderChecks(p *Postfix, ours Ours) []Finding {
	const name = "milter_header_checks"
	found := p.judgeReturningChecks(ours)
	for _, s := range p.running("cleanup") {
		for _, t := range p.tables(p.in(s, name)) {
			found = append(found, judgeSignatureTable(p.whereIn(s, name), t)...)
		}
	}
	return onceForFound(found)
}

// judgeReturningChecks: header_checks see signatures where signed mail comes back from a
// filter behind the queue.
func (p *Postfix) judgeReturningChecks(ours Ours) []Finding {
	const name, options, off = "header_checks", "receive_override_options", "no_header_body_checks"
	var found []Finding
	for _, s := range p.fronts() {
		for _, w := range p.ways(s) {
			back, again := p.back(w.filter, ours)
			if back == nil || back.command != "smtpd" || again || !p.meets(s, ours) || contains(words(p.in(back, options)), off) {
				continue
			}
			for _, t := range p.cleanupTables(back, name) {
				for _, f := range judgeSignatureTable(name, t) {
					if f.Status != Fail {
						continue
					}
					f.Means = fmt.Sprintf("It sees signed mail when the filter hands it back to %s: the signature is changed or taken off.", back)
					f.Fix = []string{postconfIn(back, options, appended(p.in(back, options), off))}
					found = append(found, f)
				}
			}
		}
	}
	return found
}

func judgeSignatureTable(where string, t table) []Finding {
	var found []Finding
	entries, err := t.entries()
	if err != nil {
		return []Finding{unread(where, t, err, "An entry that matches DKIM-Signature may take signatures off again.")}
	}
	for _, e := range entries {
		matches, known := e.matches(aSignature)
		if known && !matches || harmless(e.value) {
			continue
		}
		f := Finding{Status: Fail, Where: e.where(where), Found: fmt.Sprintf("%s %s matches our signature", e.key, e.value),
			Means: "The signature is changed or taken off when the milter adds it.", Fix: []string{"take the line out, or exclude DKIM-Signature from its pattern"}}
		if !known {
			f.Status, f.Found = Unknown, fmt.Sprintf("%s %s: the pattern is not understood here", e.key, e.value)
		}
		found = append(found, f)
	}
	return found
}

// matches reports whether an entry of a regexp or pcre table is asked about a field, and matches it.
func (e tableEntry) matches(field string) (matches, known bool) {
	for _, pattern := range append(slices.Clone(e.within), e.key) {
		if matches, known = matchesHeader(pattern, field); known && !matches {
			return false, true
		}
	}
	return matches, known
}

func unread(where string, t table, err error, means string) Finding {
	return Finding{Status: Unknown, Where: where, Found: fmt.Sprintf("%s: %v", t.name, err), Means: means}
}

// harmless reports an action of header_checks(5) that changes nothing of the message.
func harmless(action string) bool {
	verb, _, _ := strings.Cut(strings.ToUpper(action), " ")
	switch verb {
	case "REPLACE", "IGNORE", "STRIP", "PREPEND", "REJECT", "DISCARD", "HOLD", "FILTER", "REDIRECT", "PASS":
		return verb == "PASS"
	}
	return true
}

// matchesHeader reports whether the pattern of a regexp or pcre table matches a
// field. Those tables ignore case unless a flag i turns that off.
func matchesHeader(pattern, field string) (matches, known bool) {
	negated := strings.HasPrefix(pattern, "!")
	pattern = strings.TrimPrefix(pattern, "!")
	if len(pattern) < 2 {
		return false, false
	}
	end := strings.LastIndexByte(pattern, pattern[0])
	re, err := regexp.Compile("(?i)" + pattern[1:max(end, 1)])
	if err != nil {
		return false, false
	}
	return re.MatchString(field) != negated, true
}

// deliveryChecks are the tables that rewrite at delivery, by the client that delivers.
var deliveryChecks = map[string][]string{
	"smtp": {"smtp_header_checks", "smtp_mime_header_checks", "smtp_nested_header_checks", "smtp_body_checks"},
	"lmtp": {"lmtp_header_checks", "lmtp_mime_header_checks", "lmtp_nested_header_checks", "lmtp_body_checks"},
}

// judgeDeliveryChecks looks for tables that change messages when they are delivered, after they were signed.
func judgeDeliveryChecks(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, client := range []string{"smtp", "lmtp"} {
		for _, s := range p.running(client) {
			for _, name := range deliveryChecks[client] {
				for _, t := range p.tables(p.in(s, name)) {
					found = append(found, p.judgeDeliveryTable(s, name, t, ours)...)
				}
			}
		}
	}
	return onceForFound(found)
}

func (p *Postfix) judgeDeliveryTable(s *service, name string, t table, ours Ours) []Finding {
	entries, err := t.entries()
	if err != nil {
		return []Finding{unread(p.whereIn(s, name), t, err, "What it replaces or removes at delivery breaks the signature.")}
	}
	var found []Finding
	for _, e := range entries {
		state := Fail
		if !strings.HasSuffix(name, "body_checks") {
			state = headerHarm(e, ours)
		}
		if state == Fail && s.command == "lmtp" {
			state = Warn // it mostly delivers to mailboxes of this site
		}
		if changes(e.value) && state != OK {
			found = append(found, Finding{Status: state, Where: e.where(p.whereIn(s, name)),
				Found: fmt.Sprintf("%s has %s %s", name, shown(e.key), shown(e.value)),
				Means: "It changes messages at delivery, after they were signed: the signature breaks.",
				Fix:   []string{"move the line to the table of " + strings.Replace(strings.TrimPrefix(strings.TrimPrefix(name, "smtp_"), "lmtp_"), "nested_", "", 1) + ", which is applied before the milter"}})
		}
	}
	return found
}

// changes reports an action that changes the message.
func changes(action string) bool {
	verb, _, _ := strings.Cut(strings.ToUpper(action), " ")
	return slices.Contains([]string{"REPLACE", "IGNORE", "STRIP", "PREPEND"}, verb)
}

// fieldsInPattern finds the names in a pattern such as /^Subject:.../ or
// /^(X-Mailer|User-Agent)/, and what ends them.
var fieldsInPattern = regexp.MustCompile(`^!?.\^(?:\\s\*)?(?:([A-Za-z][A-Za-z0-9-]*)|\((?:\?:)?([A-Za-z][A-Za-z0-9|-]*)\))(?:\\s\*|\s)*(\\?:|[./\\])`)

// touched returns the beginnings of the names of the fields that an entry
// changes, nil where its pattern does not tell. A whole name ends in a colon.
func (e tableEntry) touched() []string {
	for _, pattern := range append([]string{e.key}, e.within...) {
		m := fieldsInPattern.FindStringSubmatch(pattern)
		if m == nil {
			continue
		}
		names := strings.Split(m[1]+m[2], "|")
		if strings.HasSuffix(m[3], ":") {
			for i := range names {
				names[i] += ":"
			}
		}
		return names
	}
	return nil
}

// headerHarm says what an entry does to signatures: OK if it touches only fields that are not covered.
func headerHarm(e tableEntry, ours Ours) Status {
	verb, text, _ := strings.Cut(e.value, " ")
	if ours.signs(beforeColon(text)) && (strings.EqualFold(verb, "PREPEND") || strings.EqualFold(verb, "REPLACE")) {
		return Fail
	}
	names := e.touched()
	switch {
	case strings.EqualFold(verb, "PREPEND"):
		return OK
	case len(names) == 0:
		return Warn
	case slices.ContainsFunc(names, ours.signsBeginning):
		return Fail
	}
	return OK
}

// signsBeginning reports whether a signature, or a field that it covers, begins so.
func (o Ours) signsBeginning(name string) bool {
	return slices.ContainsFunc(append([]string{"DKIM-Signature"}, o.Signed...), func(signed string) bool {
		return strings.HasPrefix(strings.ToLower(signed+":"), strings.ToLower(name))
	})
}

func beforeColon(text string) string {
	name, _, _ := strings.Cut(text, ":")
	return name
}

func (o Ours) signs(field string) bool {
	return slices.ContainsFunc(o.Signed, func(name string) bool { return strings.EqualFold(name, strings.TrimSpace(field)) })
}

// judgeGeneric looks for addresses that are rewritten at delivery and of which the milter does not know.
func judgeGeneric(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, client := range []string{"smtp", "lmtp"} {
		name := client + "_generic_maps"
		for _, s := range p.running(client) {
			for _, t := range p.tables(p.in(s, name)) {
				found = append(found, p.judgeGenericTable(p.whereIn(s, name), name, t, ours)...)
			}
		}
	}
	return onceForFound(found)
}

func (p *Postfix) judgeGenericTable(where, name string, t table, ours Ours) []Finding {
	f := Finding{Status: Warn, Where: where, Fix: []string{"rewrite before the milter instead: canonical_maps in place of " + name},
		Means: "It rewrites addresses in From, To and other signed fields at delivery: their signatures break."}
	entries, err := t.entries()
	if err != nil {
		f.Found = fmt.Sprintf("%s is %s (%v)", name, t.name, err)
		return []Finding{f}
	}
	var unknown []string
	for _, e := range entries {
		known := slices.ContainsFunc(ours.Generic, func(g string) bool { return strings.EqualFold(g, e.key) })
		if !known {
			unknown = append(unknown, e.key)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	const most = 5
	f.Found = fmt.Sprintf("%s rewrites %s", name, strings.Join(unknown[:min(most, len(unknown))], ", "))
	if len(unknown) > most {
		f.Found += fmt.Sprintf(" and %d more", len(unknown)-most)
	}
	if t.kind == "static" || t.isConditional() {
		return []Finding{f} // the milter knows addresses, and no patterns
	}
	f.Fix = append(f.Fix, "or let the milter foretell it, in pratique.toml, [survival]: generic = [\""+unknown[0]+"\", …]")
	return []Finding{f}
}

// judgeLineLimit compares where Postfix breaks lines with where the milter thinks that it does.
func judgeLineLimit(p *Postfix, ours Ours) []Finding {
	var found []Finding
	for _, s := range p.running("smtp") {
		const name = "smtp_line_length_limit"
		limit, ok := seconds(p.in(s, name))
		if !ok || limit == 0 || limit >= ours.LineLimit {
			continue
		}
		found = append(found, Finding{Status: Warn, Where: p.whereIn(s, name),
			Found: fmt.Sprintf("%s is %d, and the milter takes it for %d", name, limit, ours.LineLimit),
			Means: "Postfix breaks longer lines at delivery, after they were signed, and the milter does not foretell it.",
			Fix:   []string{p.setter(s, name, "998"), fmt.Sprintf("or in pratique.toml, [survival]: line_limit = %d", limit)}})
	}
	return onceForFound(found)
}
