// Package explain says why a signature of a message is valid or not: what it
// covers, which record was found, whether it is the body or the header that
// differs from what was signed, and, beside a copy of what was signed, where.
//
// The verdict is that of package signing, which is go-msgauth's. What is computed
// here stands beside it, so that the two can be held against each other.
package explain

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pratique/message"
	"pratique/signing"
)

// Signature is one signature of a message, explained.
type Signature struct {
	signing.Result
	Form      string    // c=, with what it leaves out
	Identity  string    // i=, "" if there is none
	Signed    time.Time // t=; zero: not said
	Expires   time.Time // x=; zero: never
	Covered   []string  // the names of h=, each once
	Uncovered []string  // fields of the message that readers go by, and the signature does not cover
	Unsealed  []string  // covered fields of which a second one could be put on top of the message

	RecordName string // where the key is to be found
	Record     string // what was found there, "" if there is no single record
	KeyType    string // of the record, "" if it holds no key
	KeyBits    int

	Body   Match // of bh= with the body
	Header Match // of b= with the header, as far as the key tells
	// Reasons are why the signature is not valid, in words, the first one first.
	Reasons []string
}

// Match tells whether something is what was signed.
type Match string

// The matches.
const (
	Same    Match = "same"
	Differs Match = "differs"
	Unknown Match = "unknown" // it could not be looked at
)

// Options is what an explanation is made with.
type Options struct {
	Lookup   signing.LookupTXT
	Clock    func() time.Time
	Original []byte // the message as it was signed, nil if there is none
}

// Explain verifies every signature of a message, from top to bottom, and explains
// the result. The error is one of reading the message, or the original.
func Explain(ctx context.Context, source []byte, o Options) ([]Signature, error) {
	results, err := signing.Verify(ctx, bytes.NewReader(source), o.Lookup)
	if err != nil || len(results) == 0 {
		return nil, err
	}
	m, err := parse(source)
	if err != nil {
		return nil, err
	}
	var original *parsed
	if o.Original != nil {
		if original, err = parse(o.Original); err != nil {
			return nil, fmt.Errorf("the original: %w", err)
		}
	}
	var all []Signature
	i := 0
	for _, f := range m.fields {
		if f.Is(signatureField) && i < len(results) {
			s := &statement{Signature: Signature{Result: results[i]}, field: f, tags: readTags(f), message: m, original: original}
			s.explain(ctx, o)
			all = append(all, s.Signature)
			i++
		}
	}
	return all, nil
}

// signatureField is the name of the field (RFC 6376 3.5).
const signatureField = "DKIM-Signature"

// parsed is a message with CRLF line ends.
type parsed struct {
	fields []message.Field
	body   []byte
	cut    bool // a line that is no field ends the header, for an MTA; not for every verifier
}

func parse(source []byte) (*parsed, error) {
	var m message.Message
	var body bytes.Buffer
	if err := message.Play(context.Background(), reader{}, &m, bytes.NewReader(source), &body); err != nil {
		return nil, err
	}
	p := &parsed{body: body.Bytes(), cut: m.Header.Cut()}
	for _, f := range m.Header.Fields() {
		p.fields = append(p.fields, f)
	}
	return p, nil
}

// reader is a check that takes everything and finds nothing.
type reader struct{}

func (reader) Name() string { return "explain" }
func (reader) Begin(context.Context, *message.Message) (message.Inspector, error) {
	return reader{}, nil
}
func (reader) Header() error               { return nil }
func (reader) Write(p []byte) (int, error) { return len(p), nil }
func (reader) End() error                  { return nil }
func (reader) Close() error                { return nil }

// statement is a signature that is being explained.
type statement struct {
	Signature
	field    message.Field
	tags     map[string]string
	form     signing.Form
	message  *parsed
	original *parsed // nil: there is none
}

// readTags reads the tag list of a signature field, without white space (RFC 6376 3.2).
func readTags(f message.Field) map[string]string {
	tags := map[string]string{}
	for spec := range strings.SplitSeq(f.Unfolded(), ";") {
		name, value, ok := strings.Cut(spec, "=")
		if name = strings.TrimSpace(name); ok && name != "" {
			tags[name] = strings.Join(strings.Fields(value), "")
		}
	}
	return tags
}

func (s *statement) because(format string, args ...any) {
	s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
}

func (s *statement) explain(ctx context.Context, o Options) {
	s.Body, s.Header = Unknown, Unknown
	s.RecordName = s.Selector + "._domainkey." + s.Domain
	s.Identity, s.Signed, s.Expires = s.tags["i"], moment(s.tags["t"]), moment(s.tags["x"])
	s.describeCoverage()
	form, err := signing.ParseForm(s.tags["c"])
	if err != nil {
		s.because("%v", err)
		return
	}
	s.form, s.Form = form, form.String()
	s.judgeTags(o.Clock())
	key := s.findKey(ctx, o.Lookup)
	if s.message.cut {
		s.because("a line of the header is no field: MTAs end the header there, and some verifiers do not")
	} else {
		s.judgeBody()
		s.judgeHeader(key)
	}
	switch {
	case s.Err == nil:
		s.Reasons = nil // whatever looked odd, it is valid
	case len(s.Reasons) == 0:
		s.because("%v", s.Err)
	}
}

// moment reads a t= or x=: seconds since 1970 (RFC 6376 3.5).
func moment(text string) time.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// judgeTags looks at what a signature says of itself.
func (s *statement) judgeTags(now time.Time) {
	for _, name := range []string{"v", "a", "b", "bh", "d", "h", "s"} {
		if s.tags[name] == "" {
			s.because("it has no %s=, and must", name)
		}
	}
	if v := s.tags["v"]; v != "" && v != "1" {
		s.because("v=%.20q is not known", v)
	}
	switch s.Algorithm {
	case "rsa-sha256", "ed25519-sha256", "":
	case "rsa-sha1":
		s.because("a=rsa-sha1 is not accepted any more (RFC 8301 3.1)")
	default:
		s.because("a=%.40q is not known", s.Algorithm)
	}
	if l, ok := s.tags["l"]; ok {
		s.because("l=%.20s leaves the rest of the body to anybody, and is not accepted", l)
	}
	if h := s.tags["h"]; h != "" && !contains(s.Covered, "From") {
		s.because("h= does not name From, and must (RFC 6376 5.4)")
	}
	if _, host, _ := strings.Cut(s.Identity, "@"); s.Identity != "" && !within(host, s.Domain) {
		s.because("i=%.80s does not lie within d=%s", s.Identity, s.Domain)
	}
	if !s.Expires.IsZero() && now.After(s.Expires) {
		s.because("it expired on %s (x=)", s.Expires.Format(time.RFC1123))
	}
}

func within(host, domain string) bool {
	host, domain = strings.ToLower(host), strings.ToLower(domain)
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// judgeBody compares the body with bh=.
func (s *statement) judgeBody() {
	want, err := base64.StdEncoding.DecodeString(s.tags["bh"])
	if err != nil || len(want) != sha256.Size {
		s.because("bh= is no SHA-256 hash")
		return
	}
	if bytes.Equal(s.bodyHash(s.message.body), want) {
		s.Body = Same
		return
	}
	s.Body = Differs
	if s.original == nil {
		s.because("the body is not the one that was signed%s", s.guessBody(want))
		return
	}
	if !bytes.Equal(s.bodyHash(s.original.body), want) {
		s.because("the body is not the one that was signed, and neither is that of the original: it is no copy of what was signed")
		return
	}
	s.because("the body is not the one that was signed: %s", compareBodies(s.canonical(s.original.body), s.canonical(s.message.body)))
}

func (s *statement) canonical(body []byte) []byte {
	var b bytes.Buffer
	s.form.WriteBody(&b, body)
	return b.Bytes()
}

func (s *statement) bodyHash(body []byte) []byte {
	h := sha256.New()
	s.form.WriteBody(h, body)
	return h.Sum(nil)
}
