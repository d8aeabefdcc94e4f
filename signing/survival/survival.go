// Package survival forecasts whether a signature will still be valid once the
// MTA has done to the message what it does after the milter signed it, at
// delivery: wrap lines that are too long, and convert 8bit parts for a next hop
// that does not offer 8BITMIME.
//
// It does what Postfix 3.7 was seen to do, octet for octet where that decides
// (see docs/signing-survival.md); a test holds every one of its forecasts against
// the real one. That check comes behind the signer and changes nothing. Another
// one, the Mender, comes before it and gives messages a form that survives.
package survival

import (
	"context"
	"fmt"
	"strings"

	"pratique/message"
	"pratique/signing"
)

const checkName = "survival"

// The rules, by the ids that findings bear.
const (
	LongBodyLine   = "S01" // a body line will be wrapped
	EightBit       = "S02" // a part will be converted where the next hop has no 8BITMIME
	LongHeaderLine = "S03" // a line of a signed field will be wrapped
	Rewritten      = "S04" // an address in a signed field will be rewritten
)

// Options is the [survival] table of the configuration.
type Options struct {
	Forecast  string `toml:"forecast"`   // reject, warn, observe or off
	LineLimit int    `toml:"line_limit"` // octets, without the line end
	// Generic are the addresses that the MTA rewrites at delivery: "root@example.org", "@host.example.org".
	Generic     []string `toml:"generic"`
	Mend        bool     `toml:"mend"`               // encode what would be changed, before it is signed
	MendMaxSize int64    `toml:"mend_max_size,size"` // of a body that is mended, in octets
}

// The actions of a forecast that is bad.
const (
	reject  = "reject"
	warn    = "warn"
	observe = "observe"
	off     = "off"
)

// Bounds of line_limit: RFC 5321 4.5.3.1.6 has MTAs take 998 octets, and
// sendmail's mailers are set to 990 or 2040.
const (
	minLineLimit = 100
	maxLineLimit = 1 << 20
)

// maxMendMaxSize bounds the memory of a message that is mended: several times its size.
const maxMendMaxSize = 64 << 20

// DefaultOptions warns, by the limit of Postfix (smtp_line_length_limit).
func DefaultOptions() Options {
	return Options{Forecast: warn, LineLimit: 998, MendMaxSize: 1 << 20}
}

// Problems reports what can't be meant.
func (o Options) Problems(report func(key, problem string)) {
	switch o.Forecast {
	case reject, warn, observe, off:
	default:
		report("forecast", fmt.Sprintf("%q is none of reject, warn, observe, off", o.Forecast))
	}
	if o.LineLimit < minLineLimit || o.LineLimit > maxLineLimit {
		report("line_limit", fmt.Sprintf("%d is not from %d to %d octets", o.LineLimit, minLineLimit, maxLineLimit))
	}
	for i, pattern := range o.Generic {
		if !strings.Contains(pattern, "@") || strings.ContainsAny(pattern, " \t<>,") {
			report(fmt.Sprintf("generic[%d]", i), fmt.Sprintf("%q is neither an address such as \"root@example.org\" nor a domain such as \"@host.example.org\"", pattern))
		}
	}
	if o.MendMaxSize <= 0 || o.MendMaxSize > maxMendMaxSize {
		report("mend_max_size", fmt.Sprintf("%d octets is not from 1 to %d; mend = false has nothing mended", o.MendMaxSize, maxMendMaxSize))
	}
}

// check returns the first problem as an error.
func (o Options) check() (first error) {
	o.Problems(func(key, problem string) {
		if first == nil {
			first = fmt.Errorf("survival.%s: %s", key, problem)
		}
	})
	return first
}

// Forecaster is the check. It belongs behind the signer.
type Forecaster struct {
	opts Options
	form signing.Form
}

// New returns a Forecaster for signatures of this form. Options that have
// problems are an error.
func New(opts Options, form signing.Form) (*Forecaster, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	return &Forecaster{opts: opts, form: form}, nil
}

// Name is "survival".
func (f *Forecaster) Name() string { return checkName }

// Begin returns an inspector, unless the forecast is off.
func (f *Forecaster) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	if f.opts.Forecast == off {
		return nil, nil
	}
	return &inspector{forecaster: f, m: m}, nil
}

// inspector forecasts the fate of one message.
type inspector struct {
	forecaster *Forecaster
	m          *message.Message
	body       *body
}

// Header leaves all to begin: until the body comes, a Mender may change the header.
func (i *inspector) Header() error { return nil }

// begin begins to read the body as the MTA will.
func (i *inspector) begin() {
	if i.body != nil {
		return
	}
	f := i.forecaster
	i.body = newBody(f.opts.LineLimit, f.form.RelaxedBody())
	for _, field := range i.m.Header.Fields() {
		i.body.rootField(field)
	}
	i.body.endRootHeader()
}

// Write reads a part of the body.
func (i *inspector) Write(p []byte) (int, error) {
	i.begin()
	i.body.write(p)
	return len(p), nil
}

// End reports what will break the signatures, of a message that bears some.
func (i *inspector) End() error {
	i.begin()
	i.body.close()
	found := i.body.findings()
	suspects := i.suspects()
	if found == nil && !suspects {
		return nil // as nearly always
	}
	covered := coveredFields(i.m)
	if covered == nil {
		return nil
	}
	if suspects {
		found = append(i.headerLines(covered), found...)
	}
	for _, f := range found {
		f.Check, f.Action = checkName, i.forecaster.opts.Forecast
		if f.Action == reject && i.m.Sender == "" {
			f.Action = warn // a bounce that is refused is mail that is lost
		}
		i.m.Report(f)
	}
	if len(found) == 0 || i.forecaster.opts.Forecast != reject || i.m.Sender == "" {
		return nil
	}
	return &message.Refusal{Code: 550, Enhanced: "5.6.0",
		Text: fmt.Sprintf("%s its signature would not survive delivery: %s, %s", found[0].Rule, found[0].Where, found[0].Detail)}
}

// Close has nothing to give back.
func (i *inspector) Close() error { return nil }

// coveredFields returns the names of h= of our signature, or nil if there is none.
// All signatures of a message that are ours cover the same fields.
func coveredFields(m *message.Message) []string {
	signed := false
	for _, n := range m.Notes {
		signed = signed || n.Check == "signing" && n.Key == "signed"
	}
	field, ok := m.Header.First("DKIM-Signature") // ours stand on top
	if !signed || !ok {
		return nil
	}
	for spec := range strings.SplitSeq(field.Unfolded(), ";") {
		if names, ok := strings.CutPrefix(strings.TrimSpace(spec), "h="); ok {
			return strings.Split(strings.Join(strings.Fields(names), ""), ":")
		}
	}
	return nil
}

// suspects reports whether there is a field that headerLines might find, at little cost.
func (i *inspector) suspects() bool {
	if len(i.forecaster.opts.Generic) > 0 {
		return true
	}
	for _, field := range i.m.Header.Fields() {
		if len(field.Raw()) > i.forecaster.opts.LineLimit {
			return true
		}
	}
	return false
}

// headerLines finds signed fields whose canonical form changes when their lines are wrapped.
func (i *inspector) headerLines(covered []string) []message.Finding {
	isCovered := map[string]bool{}
	for _, name := range covered {
		isCovered[strings.ToLower(name)] = true
	}
	seen := map[string]int{}
	var found []message.Finding
	for _, field := range i.m.Header.Fields() {
		name := strings.TrimRight(field.Name(), " \t")
		key := strings.ToLower(name)
		if !isCovered[key] {
			continue
		}
		seen[key]++
		if address := i.forecaster.opts.rewritten(field); address != "" {
			found = append(found, message.Finding{Rule: Rewritten, Where: fmt.Sprintf("%s[%d]", name, seen[key]),
				Detail: fmt.Sprintf("%.80q is rewritten at delivery", address)})
			continue
		}
		longest := longestLine(field.Raw())
		if longest <= i.forecaster.opts.LineLimit || i.survivesWrapping(field.Raw()) {
			continue
		}
		found = append(found, message.Finding{Rule: LongHeaderLine, Where: fmt.Sprintf("%s[%d]", name, seen[key]),
			Detail: fmt.Sprintf("a line of %d octets, over %d", longest, i.forecaster.opts.LineLimit)})
	}
	return found
}

func (i *inspector) survivesWrapping(raw []byte) bool {
	form := i.forecaster.form
	wrapped := wrap(raw, i.forecaster.opts.LineLimit)
	return string(form.AppendField(nil, raw)) == string(form.AppendField(nil, wrapped))
}
