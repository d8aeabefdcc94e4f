package lookup

import (
	"context"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// extended returns the reasons that a resolver gives for an answer (extended DNS
// errors, RFC 8914).
func extended(m *dns.Msg) []*dns.EDNS0_EDE {
	var reasons []*dns.EDNS0_EDE
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if reason, ok := o.(*dns.EDNS0_EDE); ok {
				reasons = append(reasons, reason)
			}
		}
	}
	return reasons
}

// explained adds to a text the reasons that the resolver gives.
func explained(m *dns.Msg, text string) string {
	for _, reason := range extended(m) {
		text += fmt.Sprintf("; it says: %s (extended error %d)", reasonName(reason.InfoCode), reason.InfoCode)
		if reason.ExtraText != "" {
			text += fmt.Sprintf(", %.200s", reason.ExtraText)
		}
	}
	return text
}

func reasonName(code uint16) string {
	if text, ok := dns.ExtendedErrorCodeToString[code]; ok {
		return text
	}
	return "an unknown reason"
}

// has reports whether one of some reasons is given.
func has(m *dns.Msg, codes ...uint16) bool {
	return slices.ContainsFunc(extended(m), func(reason *dns.EDNS0_EDE) bool { return slices.Contains(codes, reason.InfoCode) })
}

// saysBogus reports whether a resolver says that it could not verify an answer.
func saysBogus(m *dns.Msg) bool {
	return has(m, dns.ExtendedErrorCodeDNSBogus, dns.ExtendedErrorCodeSignatureExpired, dns.ExtendedErrorCodeSignatureNotYetValid,
		dns.ExtendedErrorCodeDNSKEYMissing, dns.ExtendedErrorCodeRRSIGsMissing, dns.ExtendedErrorCodeNoZoneKeyBitSet, dns.ExtendedErrorCodeNSECMissing)
}

// filtered reports whether a resolver says that its answer is not what the DNS has.
func filtered(m *dns.Msg) bool {
	return has(m, dns.ExtendedErrorCodeForgedAnswer, dns.ExtendedErrorCodeBlocked, dns.ExtendedErrorCodeCensored, dns.ExtendedErrorCodeFiltered)
}

func rcode(code int) string {
	if text, ok := dns.RcodeToString[code]; ok {
		return text
	}
	return fmt.Sprintf("with the unknown code %d", code)
}

// Signatures returns the signatures of the records of a kind that a name has, without
// verifying them (RFC 4034 3). They are not remembered.
func (d *DNS) Signatures(ctx context.Context, name string, kind uint16) ([]*dns.RRSIG, error) {
	if d.other != nil {
		return d.other.Signatures(ctx, name, kind)
	}
	q := question{name, kind}.message(true)
	q.IsEdns0().SetDo()
	m, err := d.exchanger.Exchange(ctx, q)
	if err != nil {
		return nil, err
	}
	var all []*dns.RRSIG
	for _, rr := range m.Answer {
		if signature, ok := rr.(*dns.RRSIG); ok && signature.TypeCovered == kind {
			all = append(all, signature)
		}
	}
	return all, nil
}
