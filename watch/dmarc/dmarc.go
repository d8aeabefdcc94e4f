// Package dmarc reads aggregate reports of DMARC (RFC 7489 appendix C, RFC 9990):
// who sends with our domain in From, and what receivers made of it. The XML of a
// stranger is bounded in depth, in texts and in rows, and may declare nothing.
package dmarc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Bounds.
const (
	maxDepth   = 16
	maxText    = 1000 // octets of an element's text that are kept
	maxRecords = 20_000
	maxAuth    = 10 // signatures of a record, as RFC 9990 3.1.1.9 has it at most, and a few more
)

// Report is one aggregate report.
type Report struct {
	Org, Email, ID string
	Begin, End     time.Time
	Policy         Policy
	Records        []Record
	Dropped        int // records beyond the bound
}

// Policy is what the receiver found published (policy_published).
type Policy struct {
	Domain        string
	P, SP, NP     string
	ADKIM, ASPF   string // alignment: r or s
	Percent       int    // 100 unless it is told (RFC 7489)
	Testing       bool   // t=y (RFC 9989)
	DiscoveryMode string // psl or treewalk (RFC 9990)
}

// Record is a row: messages from one address with the same results.
type Record struct {
	Source      netip.Addr // the zero Addr if it can't be parsed
	Count       int
	Disposition string // none, quarantine or reject: what was done
	DKIM, SPF   string // pass or fail, alignment included (policy_evaluated)
	Overrides   []string
	HeaderFrom  string
	Envelope    string // envelope_from
	Signatures  []Auth // auth_results/dkim
	SPFResults  []Auth // auth_results/spf
}

// Auth is one result of DKIM or SPF, without regard to alignment.
type Auth struct{ Domain, Selector, Result string }

// Aligned reports whether DMARC passed: DKIM or SPF did, for an aligned domain.
func (r Record) Aligned() bool { return r.DKIM == "pass" || r.SPF == "pass" }

// errForm are reports that are none.
var (
	errDeclares = errors.New("declares a document type, which no report does")
	errDeep     = errors.New("is nested deeper than any report")
	errNone     = errors.New("is no aggregate report")
)

// Parse reads the XML of a report.
func Parse(data []byte) (*Report, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = readCharset
	p := parser{report: Report{Policy: Policy{Percent: 100}}}
	for {
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = p.token(token)
		}
		if err != nil {
			return nil, fmt.Errorf("read a DMARC report: %w", err)
		}
	}
	if !p.seen || len(p.path) != 0 {
		return nil, fmt.Errorf("read a DMARC report: %w", errNone)
	}
	return &p.report, nil
}

// readCharset knows the charsets that reports are in beside UTF-8.
func readCharset(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "us-ascii", "ascii", "utf8":
		return in, nil
	case "iso-8859-1", "latin1", "windows-1252":
		data, err := io.ReadAll(in)
		runes := make([]rune, len(data))
		for i, c := range data {
			runes[i] = rune(c)
		}
		return strings.NewReader(string(runes)), err
	}
	return nil, fmt.Errorf("charset %q is not known", charset)
}

// parser is where in the report we are, and what was read so far.
type parser struct {
	report Report
	record Record
	auth   Auth
	path   []string // names of the open elements, without namespaces
	text   []byte
	seen   bool // a feedback element was closed
}

func (p *parser) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.Directive:
		return errDeclares
	case xml.StartElement:
		if len(p.path) >= maxDepth {
			return errDeep
		}
		if len(p.path) == 0 && (t.Name.Local != "feedback" || p.seen) {
			return errNone
		}
		p.path = append(p.path, strings.ToLower(t.Name.Local))
		p.text = p.text[:0]
		p.open(p.at())
	case xml.CharData:
		p.text = append(p.text, t[:min(len(t), maxText-min(len(p.text), maxText))]...)
	case xml.EndElement:
		if len(p.path) == 0 || p.path[len(p.path)-1] != strings.ToLower(t.Name.Local) {
			return fmt.Errorf("element %q ends that did not begin", t.Name.Local)
		}
		p.close(p.at(), strings.TrimSpace(string(p.text)))
		p.path, p.text = p.path[:len(p.path)-1], p.text[:0]
	}
	return nil
}

// at is the path below feedback, such as "record/row/count".
func (p *parser) at() string { return strings.Join(p.path[1:], "/") }

func (p *parser) open(at string) {
	switch at {
	case "record":
		p.record = Record{}
	case "record/auth_results/dkim", "record/auth_results/spf":
		p.auth = Auth{}
	}
}

func (p *parser) close(at, text string) {
	r := &p.report
	switch at {
	case "":
		p.seen = true
	case "report_metadata/org_name":
		r.Org = text
	case "report_metadata/email":
		r.Email = text
	case "report_metadata/report_id":
		r.ID = text
	case "report_metadata/date_range/begin":
		r.Begin = unix(text)
	case "report_metadata/date_range/end":
		r.End = unix(text)
	case "record":
		if len(r.Records) < maxRecords {
			r.Records = append(r.Records, p.record)
		} else {
			r.Dropped++
		}
	default:
		if rest, ok := strings.CutPrefix(at, "policy_published/"); ok {
			r.Policy.set(rest, text)
		} else if rest, ok := strings.CutPrefix(at, "record/"); ok {
			p.inRecord(rest, text)
		}
	}
}

func (p *Policy) set(at, text string) {
	switch at {
	case "domain":
		p.Domain = strings.ToLower(text)
	case "p":
		p.P = text
	case "sp":
		p.SP = text
	case "np":
		p.NP = text
	case "adkim":
		p.ADKIM = text
	case "aspf":
		p.ASPF = text
	case "pct":
		if n, err := strconv.Atoi(text); err == nil {
			p.Percent = n
		}
	case "testing":
		p.Testing = text == "y"
	case "discovery_method":
		p.DiscoveryMode = text
	}
}

func (p *parser) inRecord(at, text string) {
	r := &p.record
	switch at {
	case "row/source_ip":
		if addr, err := netip.ParseAddr(text); err == nil {
			r.Source = addr.Unmap().WithZone("")
		}
	case "row/count":
		if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= maxCount {
			r.Count = n
		}
	case "row/policy_evaluated/disposition":
		r.Disposition = text
	case "row/policy_evaluated/dkim":
		r.DKIM = strings.ToLower(text)
	case "row/policy_evaluated/spf":
		r.SPF = strings.ToLower(text)
	case "row/policy_evaluated/reason/type":
		if len(r.Overrides) < maxAuth {
			r.Overrides = append(r.Overrides, text)
		}
	case "identifiers/header_from":
		r.HeaderFrom = strings.ToLower(text)
	case "identifiers/envelope_from":
		r.Envelope = strings.ToLower(text)
	case "auth_results/dkim":
		r.Signatures = appendAuth(r.Signatures, p.auth)
	case "auth_results/spf":
		r.SPFResults = appendAuth(r.SPFResults, p.auth)
	case "auth_results/dkim/domain", "auth_results/spf/domain":
		p.auth.Domain = strings.ToLower(text)
	case "auth_results/dkim/selector":
		p.auth.Selector = text
	case "auth_results/dkim/result", "auth_results/spf/result":
		p.auth.Result = strings.ToLower(text)
	}
}

// maxCount is more than anybody sends in a day; a larger one is no count.
const maxCount = 1 << 40

func appendAuth(all []Auth, a Auth) []Auth {
	if len(all) >= maxAuth {
		return all
	}
	return append(all, a)
}

// unix reads a time in seconds; the zero Time if it is none.
func unix(text string) time.Time {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 || n > 1<<40 {
		return time.Time{}
	}
	return time.Unix(n, 0).UTC()
}
