package posture

import (
	"fmt"
	"net"
	"net/mail"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"pratique/posture/blocklist"
	"pratique/posture/lookup"
)

// Options is the [audit] table of the configuration.
type Options struct {
	Every   time.Duration `toml:"every"`   // how often the daemon audits; 0: never
	Timeout time.Duration `toml:"timeout"` // for a whole audit
	// Domains are sending domains beside those that have keys.
	Domains    []string   `toml:"domains"`
	MaxDomains int        `toml:"max_domains"`
	Envelopes  []Envelope `toml:"envelopes"`
	// Ports are those of the mail server of this host, host:port.
	Ports []string `toml:"ports"`
	// FetchPolicies: whether policies of MTA-STS are fetched, by HTTPS.
	FetchPolicies bool         `toml:"fetch_policies"`
	Blocklists    []ListChange `toml:"blocklists"`
	// RelayRecipient is an address of the administrator's own at another provider,
	// and RelaySender one of ours: the audit of relaying uses no others.
	RelayRecipient string `toml:"relay_recipient"`
	RelaySender    string `toml:"relay_sender"`
}

// Envelope is the domain in MAIL FROM of mail with a domain in From.
type Envelope struct {
	From   string `toml:"from"`
	Domain string `toml:"domain"`
}

// ListChange is a change to the table of blocklists.
type ListChange struct {
	Zone string `toml:"zone"` // "*": all of the table
	Kind string `toml:"kind"` // address, domain or off
}

// DefaultOptions audits once a day.
func DefaultOptions() Options {
	return Options{Every: 24 * time.Hour, Timeout: 2 * time.Minute, MaxDomains: 100, Ports: DefaultPorts(), FetchPolicies: true}
}

// DefaultPorts are those of a mail server, as far as something listens there.
func DefaultPorts() []string { return []string{"127.0.0.1:25", "127.0.0.1:587", "127.0.0.1:465"} }

// Bounds of the options.
const (
	leastEvery    = time.Hour // blocklists are other people's servers
	leastTimeout  = time.Second
	mostTimeout   = time.Hour
	mostMaxDomain = 10_000
)

// Problems reports everything in o that can't be meant.
func (o Options) Problems(report func(key, problem string)) {
	if o.Every != 0 && o.Every < leastEvery {
		report("every", fmt.Sprintf("%v is too often to ask others' servers; \"24h\" is the default, \"0s\" is never", o.Every))
	}
	if o.Timeout < leastTimeout || o.Timeout > mostTimeout {
		report("timeout", fmt.Sprintf("%v is not between 1s and 1h; \"2m\" is the default", o.Timeout))
	}
	if o.MaxDomains < 1 || o.MaxDomains > mostMaxDomain {
		report("max_domains", fmt.Sprintf("%d is not between 1 and %d", o.MaxDomains, mostMaxDomain))
	}
	for i, domain := range o.Domains {
		if !isDomain(domain) {
			problem := fmt.Sprintf("%q is no domain such as \"example.org\"", domain)
			if strings.HasPrefix(domain, "*.") {
				problem = fmt.Sprintf("%q is no domain: nobody knows which are below it; name those that send", domain)
			}
			report(fmt.Sprintf("domains[%d]", i), problem)
		}
	}
	for i, e := range o.Envelopes {
		if !isDomain(e.From) {
			report(fmt.Sprintf("envelopes[%d].from", i), fmt.Sprintf("%q is no domain such as \"example.org\"", e.From))
		}
		if !isDomain(e.Domain) {
			report(fmt.Sprintf("envelopes[%d].domain", i), fmt.Sprintf("%q is no domain such as \"bounces.example.org\"", e.Domain))
		}
	}
	for i, addr := range o.Ports {
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			report(fmt.Sprintf("ports[%d]", i), fmt.Sprintf("%q is not host:port, such as \"127.0.0.1:587\"", addr))
		}
	}
	o.listProblems(report)
	o.relayProblems(report)
}

func (o Options) listProblems(report func(key, problem string)) {
	first := map[string]int{}
	for i, c := range o.Blocklists {
		zone := strings.ToLower(c.Zone)
		if zone != blocklist.Every && !isZone(zone) {
			report(fmt.Sprintf("blocklists[%d].zone", i), fmt.Sprintf("%q is no zone such as \"rbl.example.org\", nor \"*\"", c.Zone))
		}
		if j, twice := first[zone]; twice {
			report(fmt.Sprintf("blocklists[%d].zone", i), fmt.Sprintf("%q is the zone of blocklists[%d] too", c.Zone, j))
		} else {
			first[zone] = i
		}
		kind := blocklist.Kind(c.Kind)
		if kind != blocklist.Address && kind != blocklist.Domain && kind != blocklist.Off || zone == blocklist.Every && kind != blocklist.Off {
			report(fmt.Sprintf("blocklists[%d].kind", i), fmt.Sprintf("%q is none of address, domain and off (\"*\" can only be off)", c.Kind))
		}
	}
}

func (o Options) relayProblems(report func(key, problem string)) {
	for _, a := range []struct{ key, address string }{{"relay_recipient", o.RelayRecipient}, {"relay_sender", o.RelaySender}} {
		if a.address != "" && !isAddress(a.address) {
			report(a.key, fmt.Sprintf("%q is no plain address such as \"postmaster@example.org\"", a.address))
		}
	}
}

// isAddress holds an address to a form that goes into an SMTP command as it is.
func isAddress(text string) bool {
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text || strings.ContainsAny(text, "\"\\<>()[] %!:;,\r\n\t") || strings.Count(text, "@") != 1 {
		return false
	}
	_, domain, _ := strings.Cut(text, "@")
	return isZone(domain)
}

// DomainName returns a domain as the DNS has it: in lower case, without a dot at its end,
// and internationalized labels as A-labels (RFC 5890 2.3.2.1). ok is false if it is none.
func DomainName(text string) (name string, ok bool) {
	name = strings.ToLower(strings.TrimSuffix(text, "."))
	if ascii, err := idna.Lookup.ToASCII(name); err == nil {
		name = ascii
	}
	return name, lookup.Valid(name) && strings.Contains(name, ".") && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
}

// isZone reports whether a name is written as it is to be asked for.
func isZone(text string) bool {
	name, ok := DomainName(text)
	return ok && name == strings.ToLower(text)
}

func isDomain(text string) bool {
	_, ok := DomainName(text)
	return ok
}

// Lists returns the blocklists that are to be asked.
func (o Options) Lists() []blocklist.List {
	var changes []blocklist.Change
	for _, c := range o.Blocklists {
		changes = append(changes, blocklist.Change{Zone: c.Zone, Kind: blocklist.Kind(c.Kind)})
	}
	return blocklist.Choose(blocklist.Table(), changes)
}

// EnvelopeOf returns the domain in MAIL FROM of mail with this domain in From, which is
// written as DomainName does.
func (o Options) EnvelopeOf(from string) string {
	for _, e := range o.Envelopes {
		if name, _ := DomainName(e.From); name == from {
			domain, _ := DomainName(e.Domain)
			return domain
		}
	}
	return from
}
