package journal

import (
	"fmt"
	"strings"
)

// Hints say what to do about a message with which something is amiss; none if nothing is.
func (r *Record) Hints() []string {
	var hints []string
	add := func(hint string) {
		if hint != "" {
			hints = append(hints, hint)
		}
	}
	for _, f := range r.Failures {
		add(failureHint(f.Check))
	}
	if r.Unsigned != nil {
		add(r.unsignedHint())
	}
	switch r.Verdict {
	case Refused, Tempfailed, Discarded:
		if len(r.Failures) == 0 {
			add(r.refusalHint())
		}
	case Held:
		add(fmt.Sprintf("Look at it with \"postcat -q %[1]s\" and release it with \"postsuper -H %[1]s\", or delete it with \"postsuper -d %[1]s\".", or(r.QueueID, "ID")))
	case Passed:
		add("The client is in no network of [access], and unlisted = \"pass\" lets it by. Put it on the list for its mail to be checked and signed.")
	}
	return hints
}

func failureHint(check string) string {
	switch check {
	case checkScanning:
		return "See whether clamd runs and answers: \"pratique check\"."
	case checkSigning:
		return "A key could not be used: \"pratique check\" names it and what is wrong with it."
	}
	return "This is a fault of ours, not of the message: \"pratique check\", and the log of the daemon, say more."
}

func (r *Record) refusalHint() string {
	switch r.DecidedBy {
	case checkAccess:
		return "Who may send is in [access] of the configuration: networks, authenticated, and the senders of each client."
	case checkRates:
		return "\"pratique rates\" shows the counts, and who is blocked; the limits are in [rates] of the configuration."
	case "suppression":
		return "It bounced for good before: \"pratique feedback suppressed\" lists who is refused and why, and \"pratique feedback suppressed remove ADDRESS\" lets one through again."
	case "lint", "forecast":
		for _, f := range r.Findings {
			if f.Check == r.DecidedBy && f.Action == "reject" {
				return fmt.Sprintf("\"pratique lint --explain %s\" says why, and how to mend what sent it.", f.Rule)
			}
		}
	case checkScanning:
		if r.Scan != nil && r.Scan.Result == ScanInfected {
			return "Have a look at the client: what sends malware may be broken into."
		}
	case checkSigning:
		return "unsigned = \"reject\" in [signing] refuses what can't be signed."
	}
	return ""
}

// unsignedHint says what to do about each reason of package signing.
func (r *Record) unsignedHint() string {
	switch r.Unsigned.Reason {
	case "off":
		return "Make keys with \"pratique keys new DOMAIN\", or name those that you have in [[signing.domains]]."
	case "not_permitted":
		return "" // said with the verdict
	case "excluded":
		return "Its From is named in exclude of [signing]; nothing to do, if that is meant."
	case "no_from":
		return "Mend what sent it: a message without From is signed by nobody and refused by many."
	case "many_from":
		return "Mend what sent it: two From fields are one too many, and receivers refuse them."
	case "unreadable_from":
		return "Mend what sent it: there is no address in its From."
	case "no_key":
		return fmt.Sprintf("If %s is yours, make a key: \"pratique keys new %s\". If not, who sends with it from here?", r.quotedDomain(), r.quotedDomain())
	case "null_sender":
		return "Set default_domain in [signing], so that bounces are signed, too."
	case "key_failed", "sign_failed":
		if len(r.Failures) > 0 {
			return ""
		}
		return failureHint(checkSigning)
	case "header_too_large":
		return "Look at what sent it: no header of a sane message is that large."
	}
	return "No reason is known: please report this, with the log of the daemon."
}

// quotedDomain returns the domain in the text of the reason, such as: no key for "example.org".
func (r *Record) quotedDomain() string {
	_, rest, _ := strings.Cut(r.Unsigned.Text, `"`)
	domain, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return "DOMAIN"
	}
	return domain
}
