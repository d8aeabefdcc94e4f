package posture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// stsID is the form of id= (RFC 8461 3.1).
var stsID = regexp.MustCompile(`^[A-Za-z0-9]{1,32}$`)

func (a *audit) sts(ctx context.Context, domain string) []Finding {
	name := "_mta-sts." + domain
	texts, _, err := a.dns.Texts(ctx, name)
	record, f := single(Finding{Topic: "mta-sts", Subject: domain, Code: "sts"}, name, "STSv1", texts, err, a.stsRecord)
	switch {
	case record == nil && f.Status == Info:
		f.Found = "there is no record at " + name
		f.Means = "that is allowed: mail to the domain may be read on the way by who strips TLS off"
		f.Do = "publish a policy at https://mta-sts." + domain + "/.well-known/mta-sts.txt, and then this record"
		f.Publish, f.Details = []string{txtLine(name, a.stsRecord(nil))}, a.firstPolicy(ctx, domain)
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
		f.Publish = []string{txtLine(name, a.stsRecord(nil))}
		return []Finding{f}
	}
	f.Code, f.Status, f.Found = "sts_record", OK, record.text
	return append([]Finding{f}, a.policy(ctx, domain)...)
}

// validID is an id= of the right form, in whatever is around it.
var validID = regexp.MustCompile(`(?i)\bid\s*=\s*([A-Za-z0-9]{1,32})\s*(?:[;"]|$)`)

// stsRecord is the record to publish in place of these texts: with the id that is there,
// if that is one. A new one is a time, which grows with each change of the policy.
func (a *audit) stsRecord(texts []string) string {
	id := a.Now().UTC().Format("20060102150405")
	if len(texts) == 1 {
		if found := validID.FindStringSubmatch(texts[0]); found != nil {
			id = found[1]
		}
	}
	return "v=STSv1; id=" + id
}

// firstPolicy are the lines of a policy to begin with (RFC 8461 3.2).
func (a *audit) firstPolicy(ctx context.Context, domain string) []string {
	lines := []string{"the policy to begin with:", "version: STSv1", "mode: testing"}
	exchangers, _ := a.dns.Exchangers(ctx, domain)
	for _, mx := range exchangers {
		lines = append(lines, "mx: "+strings.ToLower(strings.TrimSuffix(mx.Mx, ".")))
	}
	if len(exchangers) == 0 {
		lines = append(lines, "mx: (the host that takes mail for the domain)")
	}
	return append(lines, "max_age: 604800")
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
		if errors.Is(err, syscall.ECONNREFUSED) {
			return "", "nothing listens there", nil
		}
		return "", "", err
	}
	defer response.Body.Close()
	given := response.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(given)
	switch {
	case response.StatusCode/100 == 3:
		return "", "it redirects, which senders must not follow (RFC 8461 3.3)", nil
	case response.StatusCode != http.StatusOK:
		return "", "the answer is " + response.Status, nil
	case err != nil || kind != "text/plain":
		return "", fmt.Sprintf("its Content-Type is %q; text/plain is wanted (RFC 8461 3.2)", given), nil
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
