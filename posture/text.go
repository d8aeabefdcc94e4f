package posture

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// titles are the topics in words, in the order of a report.
func titles() [][2]string {
	return [][2]string{
		{"addresses", "Sending addresses"}, {"domains", "Sending domains"}, {"ptr", "Reverse DNS"}, {"helo", "HELO name"}, {"spf", "SPF"}, {"dkim", "DKIM"},
		{"dmarc", "DMARC"}, {"mx", "Mail exchangers"}, {"zone", "Name servers"}, {"mta-sts", "MTA-STS"}, {"tls-rpt", "TLS reports"}, {"bimi", "BIMI"},
		{"audit", "The audit itself"}, {"dnssec", "DNSSEC"}, {"blocklists", "Blocklists"}, {"tls", "Certificates and STARTTLS"},
	}
}

// Topics returns all topics, in the order of a report.
func Topics() []string {
	var topics []string
	for _, t := range titles() {
		topics = append(topics, t[0])
	}
	return topics
}

// Brief returns a report without what is well, and what is only worth knowing.
func (r Report) Brief() Report {
	r.Findings = slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Status == OK || f.Status == Info })
	return r
}

// WriteText writes a report for people. What is well takes a line; what is not says
// what it means and what to do.
func (r Report) WriteText(w io.Writer) error {
	p := &page{w: w}
	p.line("Posture of %s on %s: %s", or(r.Hostname, "this host"), r.At.UTC().Format("2006-01-02 15:04 UTC"), r.Headline())
	source := ""
	if r.Source != "" && len(r.Addresses) > 0 {
		source = " (" + r.Source + ")"
	}
	p.line("  addresses: %s%s", or(join(r.Addresses), "none known"), source)
	p.line("  domains:   %s", or(strings.Join(r.Domains, ", "), "none known"))
	for _, topic := range titles() {
		first := true
		for _, f := range r.Findings {
			if f.Topic != topic[0] {
				continue
			}
			if first {
				p.line("\n%s", topic[1])
				first = false
			}
			p.finding(f)
		}
	}
	return p.err
}

// Headline is the report in a line.
func (r Report) Headline() string {
	var parts []string
	for _, s := range []Status{Fail, Warn, Unknown, Info, OK} {
		if n := r.Counts[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(parts, ", ")
}

// page writes until it can't.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *page) finding(f Finding) {
	p.line("  %-7s  %s: %s", f.Status, f.Subject, plain(f.Found))
	for _, d := range f.Details {
		p.line("           | %s", plain(d))
	}
	for _, more := range []struct{ label, text string }{{"means", f.Means}, {"do", f.Do}} {
		if more.text != "" {
			p.line("           %-8s %s", more.label+":", plain(more.text))
		}
	}
	for _, line := range f.Publish {
		p.line("           publish: %s", line)
	}
}

// plain keeps what others wrote into the DNS from steering a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// WriteJSON writes a report for programs: one object, whose lists are lists when they
// are empty, too.
func (r Report) WriteJSON(w io.Writer) error {
	r.Addresses = append([]netip.Addr{}, r.Addresses...)
	r.Domains = append([]string{}, r.Domains...)
	r.Findings = append([]Finding{}, r.Findings...)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}
