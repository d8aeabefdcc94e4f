package signing

import (
	"errors"
	"fmt"
	"strings"

	"pratique/message"
)

// entryFor returns the entry that signs a message: that of its From domain, or for
// a bounce that has none that of the default domain. The error is a *lack.
func (s *Signer) entryFor(m *message.Message) (*entry, error) {
	if s.table.empty() && !s.opts.Awaited {
		return nil, &lack{Off, "no domain is configured to sign"}
	}
	address, err := fromAddress(&m.Header)
	if err == nil && s.excluded.has(address) {
		return nil, &lack{Excluded, fmt.Sprintf("%.320q is excluded", address)}
	}
	var e *entry
	if err == nil {
		e, err = s.find(message.Domain(address))
	}
	var none *lack
	if m.Sender != "" || !errors.As(err, &none) {
		return e, err
	}
	return s.bounce(none)
}

func (s *Signer) find(domain string) (*entry, error) {
	if e := s.table.find(domain); e != nil {
		return e, nil
	}
	return nil, &lack{NoKey, fmt.Sprintf("no key for %.253q", domain)}
}

// bounce returns the entry for a message from the null sender that has none of its
// own. A From that can't be read is usual there: "MAILER-DAEMON" without a domain.
func (s *Signer) bounce(why *lack) (*entry, error) {
	switch {
	case why.reason != NoKey && why.reason != UnreadableFrom:
		return nil, why
	case s.opts.DefaultDomain != "":
		return s.find(strings.ToLower(s.opts.DefaultDomain))
	case why.reason == NoKey:
		return nil, &lack{NullSender, why.text + ", and no default domain for bounces"}
	}
	return nil, why
}
