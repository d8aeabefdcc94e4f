package signing

import (
	"fmt"
	"strings"
	"time"

	"pratique/message"
)

// Options is the [signing] table of the configuration.
type Options struct {
	OnError          message.OnError `toml:"on_error"`
	Unsigned         string          `toml:"unsigned"`         // mail for whose From domain there is no key: accept or reject
	Canonicalization string          `toml:"canonicalization"` // header/body, each simple or relaxed (RFC 6376 3.4)
	Expire           time.Duration   `toml:"expire"`           // x= this long after t=; 0: none
	Exclude          []string        `toml:"exclude"`          // From that is not signed: "a@b.example", "b.example", "*.b.example"
	DefaultDomain    string          `toml:"default_domain"`   // its keys sign bounces for whose From there are none; "": nobody's
	ReasonHeader     string          `toml:"reason_header"`    // field that tells why a message leaves unsigned; "": none
	Domains          []Domain        `toml:"domains"`
	Table            string          `toml:"table"` // file of more domains, see ReadTable; "": none
	Watch            time.Duration   `toml:"watch"` // how often to look whether table and keys have changed; 0: never
	// Awaited is not configured: keys exist that do not sign yet. Until one does,
	// signing is not off, but without a key.
	Awaited bool
}

// The words of Unsigned.
const (
	accept = "accept"
	reject = "reject"
)

// DefaultOptions has no keys.
func DefaultOptions() Options {
	return Options{OnError: message.Tempfail, Unsigned: accept, Canonicalization: "relaxed/relaxed", Watch: time.Minute}
}

// Problems reports everything in o that can't be meant. It opens no file: New does.
func (o Options) Problems(report func(key, problem string)) {
	if o.Unsigned != accept && o.Unsigned != reject {
		report("unsigned", fmt.Sprintf("%q is neither accept nor reject", o.Unsigned))
	}
	if _, err := parseCanonicalization(o.Canonicalization); err != nil {
		report("canonicalization", err.Error())
	}
	if o.Expire != 0 && o.Expire < time.Second {
		report("expire", fmt.Sprintf("%v is no time for which a signature could be valid; give some days, such as \"240h\", or 0 for signatures that do not expire", o.Expire))
	}
	if o.Watch != 0 && o.Watch < time.Second {
		report("watch", fmt.Sprintf("%v is less than a second; \"1m\" is usual, and \"0s\" never looks", o.Watch))
	}
	for i, text := range o.Exclude {
		if err := checkPattern(text); err != nil {
			report(fmt.Sprintf("exclude[%d]", i), fmt.Sprintf("%q %v", text, err))
		}
	}
	if err := checkDomain(o.DefaultDomain); o.DefaultDomain != "" && err != nil {
		report("default_domain", fmt.Sprintf("%q %v", o.DefaultDomain, err))
	}
	if err := checkReasonHeader(o.ReasonHeader); err != nil {
		report("reason_header", fmt.Sprintf("%q %v", o.ReasonHeader, err))
	}
	o.domainProblems(report)
}

func (o Options) domainProblems(report func(key, problem string)) {
	seen := map[string]int{}
	type publication struct {
		domain int
		file   string
	}
	published := map[string]publication{} // by the names of the records
	for i, d := range o.Domains {
		key := func(name string) string { return fmt.Sprintf("domains[%d].%s", i, name) }
		d.problems(func(name, problem string) { report(key(name), problem) })
		name := strings.ToLower(d.Domain)
		if first, twice := seen[name]; twice {
			report(key("domain"), fmt.Sprintf("%s has an entry already, domains[%d]; list all its keys there", d.Domain, first))
			continue
		}
		seen[name] = i
		for j, k := range d.Keys {
			name := d.RecordName(k.Selector)
			first, twice := published[name]
			if twice && first.domain != i && first.file != k.File {
				report(key(fmt.Sprintf("keys[%d].file", j)), fmt.Sprintf("%q would be published at %s, as would be %q of domains[%d]; one name in the DNS holds one key",
					k.File, name, first.file, first.domain))
			}
			published[name] = publication{i, k.File}
		}
	}
}
