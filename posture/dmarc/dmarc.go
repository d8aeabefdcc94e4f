// Package dmarc finds the DMARC record that applies to a domain, by the tree walk
// of RFC 9989 and by the public suffixes of RFC 7489, which many receivers still go
// by, and says what is wrong with records.
package dmarc

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"pratique/posture/lookup"
)

// Policy is what receivers are asked to do with mail that fails.
type Policy string

// The policies, from the weakest to the strongest.
const (
	None       Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// Record is a DMARC record (RFC 9989 4.7).
type Record struct {
	Text      string
	P, SP, NP Policy // "": not given, or invalid
	StrictSPF bool   // aspf=s
	StrictKey bool   // adkim=s
	RUA, RUF  []Report
	Testing   bool   // t=y: receivers are asked for one step less
	PSD       string // y, n or u
	Percent   int    // pct= of RFC 7489, which receivers by RFC 9989 ignore; 100 if it is not given
	Failures  string // fo=, as far as it is valid
	Problems  []Problem
	invalid   bool // a policy is: none of them counts
}

// Report is an address that reports are to go to.
type Report struct {
	URI     string
	Address string // of a mailto: URI; "" if it is none that can be used
}

// Problem is something that is not well with a record.
type Problem struct {
	Tag   string // "" if it is none in particular
	Text  string
	Fatal bool // the record, or its policy, is of no use
	// Harmless: it changes nothing.
	Harmless bool
}

// IsRecord reports whether a text is a DMARC record, however bad: its first tag is
// v=DMARC1 (RFC 9989 4.7). Others are passed over.
func IsRecord(text string) bool {
	first, _, _ := strings.Cut(text, ";")
	name, value, ok := strings.Cut(first, "=")
	return ok && strings.TrimRight(name, " \t") == "v" && strings.Trim(value, " \t") == "DMARC1"
}

// Resembles says why a text that was meant to be a record is none, or returns "".
func Resembles(text string) string {
	lower := strings.ToLower(text)
	trimmed := strings.TrimLeft(lower, " \t\"'“\u00a0\u200b\ufeff")
	switch {
	case IsRecord(text):
		return ""
	case strings.HasPrefix(trimmed, "v=dmarc1") && trimmed != lower:
		return "something stands before v=DMARC1"
	case strings.HasPrefix(lower, "v=dmarc1") && !strings.HasPrefix(text, "v=DMARC1"):
		return "v=DMARC1 is case-sensitive, and must be written like this"
	case strings.HasPrefix(lower, "v=dmarc1"):
		return "v=DMARC1 must be followed by a semicolon"
	case strings.HasPrefix(trimmed, "v=dmarc"), strings.HasPrefix(trimmed, "dmarc1"), strings.HasPrefix(trimmed, "v = dmarc"):
		return "it must begin with v=DMARC1"
	case strings.Contains(lower, "v=dmarc1"):
		return "v=DMARC1 is not its first tag, and must be"
	}
	return ""
}

// Parse reads a text for which IsRecord holds. What is wrong with it is in Problems.
func Parse(text string) Record {
	r := Record{Text: text, PSD: "u", Percent: 100}
	seen := map[string]bool{}
	for i, spec := range strings.Split(text, ";") {
		spec = strings.Trim(spec, " \t\r\n")
		if spec == "" {
			if i < strings.Count(text, ";") {
				r.problem("", false, "there are two semicolons with nothing between them")
			}
			continue
		}
		name, value, ok := strings.Cut(spec, "=")
		name, value = strings.TrimRight(name, " \t"), strings.TrimLeft(value, " \t")
		switch {
		case !ok:
			r.problem("", false, "%.40q is no tag: it has no \"=\"", spec)
		case seen[name]:
			r.problem(name, false, "%s= stands twice", name)
		default:
			seen[name] = true
			r.tag(name, value, i)
		}
	}
	if !seen["p"] {
		r.missingPolicy(seen)
	}
	if r.invalid {
		r.P, r.SP, r.NP = "", "", ""
	}
	return r
}

func (r *Record) problem(tag string, fatal bool, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{Tag: tag, Text: fmt.Sprintf(format, args...), Fatal: fatal})
}

func (r *Record) missingPolicy(seen map[string]bool) {
	if seen["rua"] && len(r.RUA) > 0 {
		r.problem("p", false, "p= is missing: RFC 9989 and RFC 7489 take it for p=none, since there is a valid rua=; many receivers ignore the record")
	} else {
		r.problem("p", true, "p= is missing, and there is no valid rua=: RFC 9989 takes it for p=none, receivers by RFC 7489 ignore the record")
	}
}

// tag reads one tag, which is the one at place i.
func (r *Record) tag(name, value string, i int) {
	switch name {
	case "v":
		if i > 0 {
			r.problem(name, true, "v= is not the first tag")
		}
	case "p", "sp", "np":
		*map[string]*Policy{"p": &r.P, "sp": &r.SP, "np": &r.NP}[name] = r.policy(name, value)
		if name == "p" && i > 1 {
			r.problem(name, false, "p= does not follow v= at once: RFC 7489 wants that")
		}
	case "adkim":
		r.StrictKey = r.oneOf(name, value, "r", "s") == "s"
	case "aspf":
		r.StrictSPF = r.oneOf(name, value, "r", "s") == "s"
	case "t":
		r.Testing = r.oneOf(name, value, "n", "y") == "y"
	case "psd":
		r.PSD = r.oneOf(name, value, "u", "y", "n")
	case "rua":
		r.RUA = r.reports(name, value)
	case "ruf":
		r.RUF = r.reports(name, value)
	case "fo":
		for option := range strings.SplitSeq(value, ":") {
			if valid := r.oneOf(name, strings.TrimSpace(option), "0", "1", "d", "s"); !strings.Contains(r.Failures, valid) {
				r.Failures = strings.TrimPrefix(r.Failures+":"+valid, ":")
			}
		}
	case "pct":
		r.percent(value)
	case "rf", "ri":
		r.problem(name, false, "%s= is of RFC 7489, and RFC 9989 has dropped it: it does nothing any more", name)
		r.Problems[len(r.Problems)-1].Harmless = true
	default:
		r.unknown(name)
	}
}

func (r *Record) unknown(name string) {
	meant := misspelt(strings.ToLower(name))
	if lower := strings.ToLower(name); meant == "" && lower != name && slices.Contains([]string{"p", "sp", "np", "rua", "ruf", "adkim", "aspf", "fo", "pct", "t", "psd"}, lower) {
		meant = lower
	}
	if meant != "" {
		meant = ", " + meant + "= is meant, perhaps"
	}
	r.problem(name, false, "%.20s= is no tag of DMARC, and is ignored%s", name, meant)
}

func (r *Record) policy(tag, value string) Policy {
	p := Policy(strings.ToLower(value))
	if p == None || p == Quarantine || p == Reject {
		return p
	}
	r.invalid = true
	text := fmt.Sprintf("%s=%.30s is no policy; none, quarantine and reject are", tag, value)
	if tag != "p" {
		text += ", and without a valid one p= does not count either (RFC 7489 6.6.3)"
	}
	r.problem(tag, true, "%s", text)
	return ""
}

// oneOf returns a value in lower case, or the first one, which is the default.
func (r *Record) oneOf(tag, value string, words ...string) string {
	lower := strings.ToLower(value)
	if slices.Contains(words, lower) {
		return lower
	}
	r.problem(tag, false, "%s=%.30s is none of %s; %s is taken", tag, value, strings.Join(words, ", "), words[0])
	return words[0]
}

func (r *Record) percent(value string) {
	n := 0
	if _, err := fmt.Sscanf(value, "%d", &n); err != nil || n < 0 || n > 100 || fmt.Sprint(n) != value {
		r.problem("pct", false, "pct=%.20s is no number from 0 to 100", value)
		return
	}
	if r.Percent = n; n < 100 {
		r.problem("pct", false, "pct=%d is of RFC 7489: receivers by RFC 9989 ignore it, and apply the policy to all mail; t=y asks them for one step less", n)
	}
}

// reports reads rua= or ruf=.
func (r *Record) reports(tag, value string) []Report {
	var all []Report
	for text := range strings.SplitSeq(value, ",") {
		text = strings.TrimSpace(text)
		report := Report{URI: text}
		bare, size, sized := strings.Cut(text, "!")
		if sized {
			r.problem(tag, false, "%s: the size behind \"!\" (%.12s) is of RFC 7489, and is ignored now", tag, size)
		}
		u, err := url.Parse(bare)
		switch {
		case text == "":
			r.problem(tag, false, "%s= has an empty address", tag)
			continue
		case err != nil || u.Scheme == "":
			hint := ""
			if strings.Contains(bare, "@") {
				hint = "; mailto:" + bare + " is meant, perhaps"
			}
			r.problem(tag, false, "%s=%.60s is no URI, and is ignored%s", tag, text, hint)
			continue
		case !strings.EqualFold(u.Scheme, "mailto"):
			r.problem(tag, false, "%s: receivers report to mailto: only, %s: is ignored", tag, u.Scheme)
			continue
		}
		address, err := url.PathUnescape(u.Opaque)
		local, domain, ok := strings.Cut(address, "@")
		if err != nil || !ok || local == "" || !lookup.Valid(strings.TrimSuffix(domain, ".")) || strings.ContainsAny(address, " \t/\"\\<>,;") || strings.Contains(domain, "@") || !ascii(bare) {
			r.problem(tag, false, "%s: %.60q is no mail address%s", tag, address, map[bool]string{true: ": two slashes stand behind mailto:, and none is wanted"}[strings.HasPrefix(u.Path, "//") || u.Host != ""])
			continue
		}
		report.Address = address
		all = append(all, report)
	}
	return all
}

// ascii reports whether a text is printable ASCII, as all of a URI is (RFC 3986 2).
func ascii(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// String returns the record as it is understood, without what is wrong with it. It
// has what was changed since it was read.
func (r Record) String() string {
	tags := []string{"v=DMARC1", "p=" + string(r.For(true, true))}
	add := func(tag, value string) {
		if value != "" {
			tags = append(tags, tag+"="+value)
		}
	}
	add("sp", string(r.SP))
	add("np", string(r.NP))
	strict := map[bool]string{true: "s"}
	add("adkim", strict[r.StrictKey])
	add("aspf", strict[r.StrictSPF])
	add("t", map[bool]string{true: "y"}[r.Testing])
	if r.PSD != "u" {
		add("psd", r.PSD)
	}
	add("rua", addresses(r.RUA))
	add("ruf", addresses(r.RUF))
	add("fo", r.Failures)
	return strings.Join(tags, "; ")
}

func addresses(reports []Report) string {
	var uris []string
	for _, r := range reports {
		uri, _, _ := strings.Cut(r.URI, "!")
		uris = append(uris, uri)
	}
	return strings.Join(uris, ",")
}

// For returns the policy for a domain to which the record applies: that of the
// domain itself, or that of domains below the one with the record (RFC 9989 4.10.1).
func (r Record) For(own, exists bool) Policy {
	p := r.P
	if p == "" {
		p = None
	}
	if own {
		return p
	}
	if r.SP != "" {
		p = r.SP
	}
	if !exists && r.NP != "" {
		p = r.NP
	}
	return p
}

// Weakened returns the policy that receivers apply while t=y asks for a test.
func (p Policy) Weakened() Policy {
	switch p {
	case Reject:
		return Quarantine
	case Quarantine:
		return None
	}
	return p
}

// compare orders policies, the weakest first. None given is as none.
func (p Policy) compare(other Policy) int {
	rank := map[Policy]int{Quarantine: 1, Reject: 2}
	return rank[p] - rank[other]
}

// Weaker reports whether a policy asks for less than another one.
func (p Policy) Weaker(other Policy) bool { return p.compare(other) < 0 }
