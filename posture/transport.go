package posture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"pratique/posture/lookup"
)

// transport looks at MTA-STS (RFC 8461) and TLS reporting (RFC 8460) of the domains
// that take mail.
func (a *audit) transport(ctx context.Context) []Finding {
	return perDomain(a.domains(), func(domain string) []Finding {
		return append(a.sts(ctx, domain), a.tlsReports(ctx, domain)...)
	})
}

// tagged is a record of a kind that has a version first and tags behind it.
type tagged struct {
	text   string
	tags   map[string]string
	errors []string
}

// taggedRecords returns the TXT records of a name that begin with a version.
func taggedRecords(texts []lookup.Text, version string) (found []tagged, others []string) {
	for _, text := range texts {
		s := text.String()
		first, _, _ := strings.Cut(s, ";")
		switch {
		case strings.TrimRight(first, " \t") == "v="+version:
			found = append(found, parseTagged(s))
		case strings.Contains(strings.ToLower(s), strings.ToLower(strings.TrimRight(version, "0123456789"))):
			others = append(others, s)
		}
	}
	return found, others
}

func parseTagged(text string) tagged {
	t := tagged{text: text, tags: map[string]string{}}
	for spec := range strings.SplitSeq(text, ";") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		name, value, ok := strings.Cut(spec, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if _, twice := t.tags[name]; twice {
			t.errors = append(t.errors, name+"= stands twice")
		}
		if !ok {
			t.errors = append(t.errors, fmt.Sprintf("%.40q is no tag: it has no \"=\"", spec))
			continue
		}
		t.tags[name] = value
	}
	return t
}

// single returns the one record of a kind, or a finding that says why there is none.
func single(f Finding, name, version string, texts []lookup.Text, err error) (*tagged, Finding) {
	found, others := taggedRecords(texts, version)
	code := f.Code
	switch {
	case err != nil:
		f.Code, f.Status, f.Found = code+"_unknown", Unknown, err.Error()
	case len(found) > 1:
		f.Code, f.Status = code+"_several", Fail
		f.Found, f.Means, f.Do = fmt.Sprintf("there are %d records at %s", len(found), name), "senders take none of them", "leave one"
		for _, r := range found {
			f.Details = append(f.Details, r.text)
		}
	case len(found) == 0 && len(others) > 0:
		f.Code, f.Status = code+"_malformed", Fail
		f.Found, f.Means = fmt.Sprintf("%.80q at %s does not begin with v=%s and a semicolon", others[0], name, version), "senders pass it over"
	case len(found) == 0:
		f.Code, f.Status = code+"_none", Info
	default:
		if len(found[0].errors) > 0 {
			f.Code, f.Status = code+"_malformed", Fail
			f.Found, f.Means, f.Do = strings.Join(found[0].errors, "; ")+": "+found[0].text, "senders pass it over", "mend the record at "+name
		}
		return &found[0], f
	}
	return nil, f
}

// stsID is the form of id= (RFC 8461 3.1).
var stsID = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

func (a *audit) sts(ctx context.Context, domain string) []Finding {
	name := "_mta-sts." + domain
	texts, _, err := a.dns.Texts(ctx, name)
	record, f := single(Finding{Topic: "mta-sts", Subject: domain, Code: "sts"}, name, "STSv1", texts, err)
	switch {
	case record == nil && f.Status == Info:
		f.Found = "there is no record at " + name
		f.Means = "that is allowed: mail to the domain may be read on the way by who strips TLS off"
		f.Do = "publish a policy at https://mta-sts." + domain + "/.well-known/mta-sts.txt, and then this record"
		f.Publish = []string{txtLine(name, "v=STSv1; id="+a.Now().UTC().Format("20060102150405"))}
		return []Finding{f}
	case record == nil, f.Status == Fail:
		return []Finding{f}
	}
	if id, ok := record.tags["id"]; !ok || !stsID.MatchString(id) {
		f.Code, f.Status = "sts_malformed", Fail
		f.Found = fmt.Sprintf("id=%s is not 1 to 32 letters and digits: %s", id, record.text)
		if !ok {
			f.Found = "id= is missing: " + record.text
		}
		f.Means, f.Do = "senders take it for no record (RFC 8461 3.1)", "publish a record with a valid id"
		f.Publish = []string{txtLine(name, "v=STSv1; id="+a.Now().UTC().Format("20060102150405"))}
		return []Finding{f}
	}
	f.Code, f.Status, f.Found = "sts_record", OK, record.text
	return append([]Finding{f}, a.policy(ctx, domain)...)
}

// maxPolicy is the largest policy that is read (RFC 8461 3.2 wants 64 KB at least).
const maxPolicy = 64 << 10

// policy fetches and judges the policy of a domain.
func (a *audit) policy(ctx context.Context, domain string) []Finding {
	f := Finding{Topic: "mta-sts", Subject: domain, Code: "sts_policy"}
	if a.Policies == nil {
		f.Code, f.Status, f.Found = "sts_policy_unknown", Info, "the policy was not fetched"
		return []Finding{f}
	}
	host := "mta-sts." + domain
	where := "https://" + host + "/.well-known/mta-sts.txt"
	addrs, unknown := a.dns.AllAddresses(ctx, host)
	body, problem := "", host+" has no address"
	if len(addrs) > 0 {
		body, problem, unknown = a.fetch(ctx, where)
	}
	f.Means = "senders that hold to MTA-STS find no policy, and those that remember one may not deliver"
	switch {
	case unknown != nil:
		f.Code, f.Status, f.Found = "sts_policy_unknown", Unknown, fmt.Sprintf("%s can't be fetched: %v", where, unknown)
		return []Finding{f}
	case problem != "":
		f.Status, f.Found, f.Do = Fail, where+": "+problem, "have the policy served there, by HTTPS with a valid certificate, without a redirection"
		return []Finding{f}
	}
	p, problems := parsePolicy(body)
	if len(problems) > 0 {
		f.Status, f.Found, f.Do = Fail, where+": "+strings.Join(problems, "; "), "mend the policy (RFC 8461 3.2)"
		return []Finding{f}
	}
	return a.judgePolicy(ctx, domain, p)
}

// fetch returns the policy, or what is wrong with how it is served, or why that is not known.
func (a *audit) fetch(ctx context.Context, where string) (body, problem string, unknown error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return "", err.Error(), nil
	}
	client := *a.Policies
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // RFC 8461 3.3
	response, err := client.Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		if why := certificateProblem(err); why != "" {
			return "", why, nil
		}
		return "", "", err
	}
	defer response.Body.Close()
	switch kind := response.Header.Get("Content-Type"); {
	case response.StatusCode/100 == 3:
		return "", "it redirects, which senders must not follow (RFC 8461 3.3)", nil
	case response.StatusCode != http.StatusOK:
		return "", "the answer is " + response.Status, nil
	case !strings.HasPrefix(strings.ToLower(kind), "text/plain"):
		return "", fmt.Sprintf("its Content-Type is %q; text/plain is wanted (RFC 8461 3.2)", kind), nil
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxPolicy+1))
	if err != nil {
		return "", "", err
	}
	if len(data) > maxPolicy {
		return "", fmt.Sprintf("it is larger than %d octets", maxPolicy), nil
	}
	return string(data), "", nil
}

// stsPolicy is a policy that was read without a problem.
type stsPolicy struct {
	mode   string
	mx     []string
	maxAge int
}

// parsePolicy reads a policy (RFC 8461 3.2).
func parsePolicy(body string) (p stsPolicy, problems []string) {
	seen := map[string]string{}
	p.maxAge = -1
	for line := range strings.Lines(body) {
		line = strings.TrimRight(line, "\r\n \t")
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok {
			problems = append(problems, fmt.Sprintf("%.40q is no key and value with a colon between them", line))
			continue
		}
		if key == "mx" {
			p.mx = append(p.mx, strings.ToLower(value))
			continue
		}
		if _, twice := seen[key]; !twice { // the first one counts
			seen[key] = value
		}
	}
	if seen["version"] != "STSv1" {
		problems = append(problems, fmt.Sprintf("version is %q; STSv1 is wanted", seen["version"]))
	}
	p.mode = seen["mode"]
	if p.mode != "enforce" && p.mode != "testing" && p.mode != "none" {
		problems = append(problems, fmt.Sprintf("mode is %q; enforce, testing or none is wanted", p.mode))
	}
	if n, err := strconv.Atoi(seen["max_age"]); err != nil || n < 0 || n > 31557600 {
		problems = append(problems, fmt.Sprintf("max_age is %q; seconds up to 31557600 are wanted", seen["max_age"]))
	} else {
		p.maxAge = n
	}
	if p.mode != "none" && len(p.mx) == 0 {
		problems = append(problems, "it names no mx")
	}
	return p, problems
}

// covers reports whether a pattern of a policy covers a host (RFC 8461 4.1).
func covers(pattern, host string) bool {
	if below, ok := strings.CutPrefix(pattern, "*."); ok {
		_, rest, _ := strings.Cut(host, ".")
		return rest == below
	}
	return pattern == host
}

const day = 86400

func (a *audit) judgePolicy(ctx context.Context, domain string, p stsPolicy) []Finding {
	f := Finding{Topic: "mta-sts", Subject: domain, Code: "sts_policy", Status: OK,
		Found: fmt.Sprintf("the policy is served: mode %s, mx %s, max_age %d", p.mode, strings.Join(p.mx, " "), p.maxAge)}
	exchangers, err := a.dns.Exchangers(ctx, domain)
	if err != nil {
		f.Code, f.Status, f.Found = "sts_policy_unknown", Unknown, "whether the policy covers the MX is not known: "+err.Error()
		return []Finding{f}
	}
	var outside []string
	for _, mx := range exchangers {
		host := strings.ToLower(strings.TrimSuffix(mx.Mx, "."))
		covered := false
		for _, pattern := range p.mx {
			covered = covered || covers(pattern, host)
		}
		if !covered {
			outside = append(outside, host)
		}
	}
	switch {
	case p.mode != "none" && len(outside) > 0:
		f.Code, f.Status = "sts_mx_not_covered", Fail
		f.Found = "the policy does not cover the MX " + strings.Join(outside, ", ")
		f.Means = "senders that hold to MTA-STS do not deliver there" + map[bool]string{true: ", once the mode is enforce"}[p.mode == "testing"]
		f.Do = "add these lines to the policy, and change the id in the record: mx: " + strings.Join(outside, ", mx: ")
	case p.mode != "enforce":
		f.Code, f.Status = "sts_mode", Info
		f.Do = "once the reports (TLS-RPT) are clean: mode: enforce"
	case p.maxAge < day:
		f.Code, f.Status = "sts_max_age", Warn
		f.Means, f.Do = "senders forget the policy within a day, and who strips TLS off has only to wait", "max_age: 604800, or more"
	}
	return []Finding{f}
}

// tlsReports looks at the record of TLS reporting (RFC 8460 3).
func (a *audit) tlsReports(ctx context.Context, domain string) []Finding {
	name := "_smtp._tls." + domain
	texts, _, err := a.dns.Texts(ctx, name)
	record, f := single(Finding{Topic: "tls-rpt", Subject: domain, Code: "tlsrpt"}, name, "TLSRPTv1", texts, err)
	line := txtLine(name, "v=TLSRPTv1; rua=mailto:tls-reports@"+domain)
	switch {
	case record == nil && f.Status == Info:
		f.Found, f.Means = "there is no record at "+name, "you do not learn when mail to the domain can't be delivered with TLS"
		f.Publish = []string{line}
		return []Finding{f}
	case record == nil, f.Status == Fail:
		return []Finding{f}
	}
	if problem := reportURIs(record.tags["rua"]); problem != "" {
		f.Code, f.Status = "tlsrpt_malformed", Fail
		f.Found, f.Means, f.Do, f.Publish = problem+": "+record.text, "nobody reports", "mend the record at "+name, []string{line}
		return []Finding{f}
	}
	f.Code, f.Status, f.Found = "tlsrpt_ok", OK, record.text
	return []Finding{f}
}

// reportURIs says what is wrong with a list of mailto: and https: URIs.
func reportURIs(list string) string {
	if list == "" {
		return "rua= is missing"
	}
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Scheme == "":
			return fmt.Sprintf("%q is no URI; mailto:… or https://… is wanted", text)
		case u.Scheme == "mailto" && strings.Contains(u.Opaque, "@"):
		case u.Scheme == "https" && u.Host != "":
		default:
			return fmt.Sprintf("%q is neither a mailto: nor an https: address", text)
		}
	}
	return ""
}
