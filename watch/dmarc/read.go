package dmarc

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds.
const (
	maxDepth   = 16
	maxAround  = 4       // elements around the report
	maxToken   = 2 << 20 // octets of a tag, or of a text
	maxText    = 1000    // octets of an element's text that are kept
	maxRecords = 20_000
	maxAuth    = 10 // signatures of a record, as RFC 9990 3.1.1.9 has it at most, and a few more
)

// What is no report.
var (
	errDeclares = errors.New("declares a document type, which no report does")
	errDeep     = errors.New("is nested deeper than any report")
	errLong     = errors.New("has an element larger than any report's")
	errNone     = errors.New("is no aggregate report")
	errCut      = errors.New("ends before its end: it was cut off on the way")
)

// Recognise reports whether data begins as XML does, in any charset that Parse reads.
func Recognise(data []byte) bool {
	head := strings.TrimLeft(string(toUTF8(data[:min(len(data), 400)])), " \t\r\n")
	return strings.HasPrefix(head, "<?xml") || strings.HasPrefix(head, "<feedback")
}

// Parse reads the XML of a report. What stands around the report itself is passed over:
// some wrap it into an element that they do not close.
func Parse(data []byte) (*Report, error) {
	data = declaration.ReplaceAll(toUTF8(data), nil) // it told the charset, and XML 1.1 is read all the same
	r, err := parse(data)
	if syntax := (*xml.SyntaxError)(nil); errors.As(err, &syntax) {
		if mended := mend(data); !bytes.Equal(mended, data) {
			r, err = parse(mended)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read a DMARC report: %w", err)
	}
	return r, nil
}

var declaration = regexp.MustCompile(`\A\s*<\?xml\b[^>]{0,200}\?>`)

// mend escapes what some senders write into names and links of a report as it stands,
// and leaves out what may not be in XML (XML 1.0 2.2).
func mend(data []byte) []byte {
	if bytes.Count(data, []byte("&")) > maxMended {
		return data
	}
	data = addressTag.ReplaceAll(data, []byte("&lt;$1&gt;"))
	data = ampersand.ReplaceAllFunc(data, func(found []byte) []byte {
		switch string(found) {
		case "&amp;", "&lt;", "&gt;", "&quot;", "&apos;":
			return found
		}
		if len(found) > 1 && found[1] == '#' {
			return found
		}
		return append([]byte("&amp;"), found[1:]...)
	})
	return bytes.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return -1
		}
		return r
	}, data)
}

// maxMended is how many ampersands are mended: each makes the report longer.
const maxMended = 100_000

var (
	// An address in angle brackets, as some have it in email, where it is no tag.
	addressTag = regexp.MustCompile(`<([^\s<>/@]{1,64}@[^\s<>/@]{1,253})>`)
	// An ampersand, with the reference that it begins, if it does.
	ampersand = regexp.MustCompile(`&(?:[A-Za-z]{2,8};|#[0-9]{1,7};|#x[0-9A-Fa-f]{1,6};)?`)
)

func parse(data []byte) (*Report, error) {
	in := &tokens{data: data}
	d := xml.NewDecoder(in)
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	p := parser{report: Report{Policy: Policy{Percent: 100}}}
	for !p.seen {
		in.end = min(len(data), in.at+maxToken)
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil, p.ended()
		}
		if err == nil {
			err = p.token(token)
		}
		if err != nil {
			return nil, err
		}
	}
	return &p.report, nil
}

// ended is what is wrong with data that ends without a report, or within one.
func (p *parser) ended() error {
	if len(p.path) > 0 {
		return errCut
	}
	return errNone
}

// tokens is XML of which no more is read for one token than any report needs: an element
// with a million attributes is small as text, and large in memory.
type tokens struct {
	data    []byte
	at, end int // where the next octet is, and where the token must have ended
}

// ReadByte is what the decoder reads by, without a buffer of its own.
func (t *tokens) ReadByte() (byte, error) {
	switch {
	case t.at >= len(t.data):
		return 0, io.EOF
	case t.at >= t.end:
		return 0, errLong
	}
	t.at++
	return t.data[t.at-1], nil
}

// Read is there for xml.NewDecoder, which does not call it.
func (t *tokens) Read(p []byte) (int, error) {
	n := copy(p, t.data[t.at:t.end])
	t.at += n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// parser is where in the report we are, and what was read so far.
type parser struct {
	report  Report
	record  Record
	auth    Auth
	outside int      // elements around feedback
	path    []string // names of the open elements from feedback on, without namespaces
	text    []byte
	seen    bool // the feedback element was closed
}

func (p *parser) token(token xml.Token) error {
	switch t := token.(type) {
	case xml.Directive:
		return errDeclares
	case xml.StartElement:
		return p.start(strings.ToLower(t.Name.Local))
	case xml.CharData:
		p.text = append(p.text, t[:min(len(t), maxText-min(len(p.text), maxText))]...)
	case xml.EndElement:
		return p.end(strings.ToLower(t.Name.Local))
	}
	return nil
}

func (p *parser) start(name string) error {
	if len(p.path) == 0 && name != "feedback" {
		if p.outside++; p.outside > maxAround {
			return errNone
		}
		return nil
	}
	if len(p.path) >= maxDepth {
		return errDeep
	}
	p.path = append(p.path, name)
	p.text = p.text[:0]
	p.open(p.at())
	return nil
}

func (p *parser) end(name string) error {
	if len(p.path) == 0 && p.outside > 0 {
		return nil
	}
	if len(p.path) == 0 || p.path[len(p.path)-1] != name {
		return fmt.Errorf("element %q ends that did not begin", name)
	}
	p.close(p.at(), strings.TrimSpace(string(p.text)))
	p.path, p.text = p.path[:len(p.path)-1], p.text[:0]
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
	switch at {
	case "":
		p.seen = true
	case "record":
		if len(p.report.Records) < maxRecords {
			p.report.Records = append(p.report.Records, p.record)
		} else {
			p.report.Dropped++
		}
	default:
		if set := setters[at]; set != nil {
			set(p, text)
		}
	}
}

// setters is what is read of a report, by its path below feedback (RFC 7489 appendix C,
// RFC 9990 appendix A). Domains, results and dispositions are in lower case.
var setters = map[string]func(p *parser, text string){
	"report_metadata/org_name":         func(p *parser, text string) { p.report.Org = text },
	"report_metadata/email":            func(p *parser, text string) { p.report.Email = text },
	"report_metadata/report_id":        func(p *parser, text string) { p.report.ID = text },
	"report_metadata/date_range/begin": func(p *parser, text string) { p.report.Begin = moment(text) },
	"report_metadata/date_range/end":   func(p *parser, text string) { p.report.End = moment(text) },

	"policy_published/domain":           func(p *parser, text string) { p.report.Policy.Domain = strings.ToLower(text) },
	"policy_published/p":                func(p *parser, text string) { p.report.Policy.P = strings.ToLower(text) },
	"policy_published/sp":               func(p *parser, text string) { p.report.Policy.SP = strings.ToLower(text) },
	"policy_published/np":               func(p *parser, text string) { p.report.Policy.NP = strings.ToLower(text) },
	"policy_published/adkim":            func(p *parser, text string) { p.report.Policy.ADKIM = strings.ToLower(text) },
	"policy_published/aspf":             func(p *parser, text string) { p.report.Policy.ASPF = strings.ToLower(text) },
	"policy_published/pct":              func(p *parser, text string) { p.report.Policy.Percent = percent(text) },
	"policy_published/testing":          func(p *parser, text string) { p.report.Policy.Testing = strings.EqualFold(text, "y") },
	"policy_published/discovery_method": func(p *parser, text string) { p.report.Policy.DiscoveryMode = strings.ToLower(text) },

	"record/row/source_ip":                    func(p *parser, text string) { p.record.Source = address(text) },
	"record/row/count":                        func(p *parser, text string) { p.record.Count = count(text) },
	"record/row/policy_evaluated/disposition": func(p *parser, text string) { p.record.Disposition = strings.ToLower(text) },
	"record/row/policy_evaluated/dkim":        func(p *parser, text string) { p.record.DKIM = strings.ToLower(text) },
	"record/row/policy_evaluated/spf":         func(p *parser, text string) { p.record.SPF = strings.ToLower(text) },
	"record/row/policy_evaluated/reason/type": func(p *parser, text string) { p.record.Overrides = bounded(p.record.Overrides, text) },
	"record/identifiers/header_from":          func(p *parser, text string) { p.record.HeaderFrom = strings.ToLower(text) },
	"record/identities/header_from":           func(p *parser, text string) { p.record.HeaderFrom = strings.ToLower(text) }, // drafts
	"record/identifiers/envelope_from":        func(p *parser, text string) { p.record.Envelope = strings.ToLower(text) },
	"record/auth_results/dkim":                func(p *parser, _ string) { p.record.Signatures = bounded(p.record.Signatures, p.auth) },
	"record/auth_results/spf":                 func(p *parser, _ string) { p.record.SPFResults = bounded(p.record.SPFResults, p.auth) },
	"record/auth_results/dkim/domain":         func(p *parser, text string) { p.auth.Domain = strings.ToLower(text) },
	"record/auth_results/spf/domain":          func(p *parser, text string) { p.auth.Domain = strings.ToLower(text) },
	"record/auth_results/dkim/selector":       func(p *parser, text string) { p.auth.Selector = text },
	"record/auth_results/dkim/result":         func(p *parser, text string) { p.auth.Result = strings.ToLower(text) },
	"record/auth_results/spf/result":          func(p *parser, text string) { p.auth.Result = strings.ToLower(text) },
}

// bounded appends up to maxAuth.
func bounded[T any](all []T, one T) []T {
	if len(all) >= maxAuth {
		return all
	}
	return append(all, one)
}

// address reads an IP address; the zero Addr if it is none.
func address(text string) netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// maxCount is more than anybody sends in a day; a larger one is no count.
const maxCount = 1 << 40

// count reads a number of messages; 0 if it is none.
func count(text string) int {
	n, err := strconv.Atoi(whole(text))
	if err != nil || n < 0 || n > maxCount {
		return 0
	}
	return n
}

// whole returns a number without the ".0" that some put behind it.
func whole(text string) string { return strings.TrimSuffix(text, ".0") }

// percent reads pct; 100 if it is none (RFC 7489 6.3).
func percent(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100 {
		return 100
	}
	return n
}

// moment reads a time, in seconds since 1970 or, as some have it, as a date; the zero
// Time if it is none.
func moment(text string) time.Time {
	if n, err := strconv.ParseInt(whole(text), 10, 64); err == nil {
		if n <= 0 || n > 1<<40 {
			return time.Time{}
		}
		return time.Unix(n, 0).UTC()
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
