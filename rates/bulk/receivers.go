package bulk

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// The receivers, as they are named in alerts.
const (
	Google    = "Gmail"
	Microsoft = "Outlook.com"
	Yahoo     = "Yahoo"
)

// Those that have one name alone.
func single(domain string) string {
	switch domain {
	case "gmail.com", "googlemail.com":
		return Google
	case "msn.com", "windowslive.com", "passport.com", "hotmail.com", "outlook.com", "live.com":
		return Microsoft
	case "yahoo.com", "ymail.com", "rocketmail.com", "myyahoo.com", "aol.com", "aim.com", "yahoo.ca":
		return Yahoo
	case "yahoo.co.jp": // another company
		return ""
	}
	return "?"
}

// Receiver returns the big receiver that takes the mail of a domain, in lower case, or
// "". Those that have a name in many countries are known by it, whatever the country:
// live.com.au, hotmail.co.uk, yahoo.de.
func Receiver(domain string) string {
	if r := single(domain); r != "?" {
		return r
	}
	name, rest, ok := strings.Cut(domain, ".")
	receiver := ""
	switch name {
	case "outlook", "hotmail", "live":
		receiver = Microsoft
	case "yahoo", "aol":
		receiver = Yahoo
	}
	if !ok || receiver == "" || len(domain) > maxDomain {
		return ""
	}
	if suffix, icann := publicsuffix.PublicSuffix(domain); suffix != rest || !icann {
		return "" // live.example.com is anybody's
	}
	return receiver
}

// Demands says what a receiver demands of bulk senders, in a sentence, and whether
// the status is for good.
func Demands(receiver string) string {
	switch receiver {
	case Google:
		return "Google never takes the status back, and demands SPF and DKIM, DMARC with at least p=none, From aligned with one of them, " +
			"one-click unsubscribe on marketing mail, and a spam rate below 0.3 %; mail that fails is refused"
	case Microsoft:
		return "Microsoft demands that SPF and DKIM pass, and DMARC with at least p=none aligned with one of them, or answers 550 5.7.515"
	case Yahoo:
		return "Yahoo publishes no threshold, and demands of bulk senders SPF and DKIM, DMARC with at least p=none, From aligned, " +
			"one-click unsubscribe, and a spam rate below 0.3 %"
	}
	return ""
}
