package blocklist

import (
	"slices"
	"strings"
)

// Table returns the well-known lists, as they were in 2026. What is dead by then is
// not in it (SORBS, NiX Spam, CBL, LashBack), nor what answers only to customers;
// what dies later is recognized by its test points.
func Table() []List {
	uce := map[string]string{"127.0.0.2": "listed"}
	return []List{
		{Zone: "zen.spamhaus.org", Name: "Spamhaus ZEN", Kind: Address, Weight: Heavy, IPv6: true,
			Delist: "https://check.spamhaus.org/",
			Note:   "the list that most receivers use",
			Codes: map[string]string{
				"127.0.0.2":  "SBL: spam sources, entered by hand",
				"127.0.0.3":  "CSS: spam sources, found by machine (snowshoe, bad reputation)",
				"127.0.0.4":  "XBL: an infected or hijacked machine",
				"127.0.0.5":  "XBL: an infected or hijacked machine",
				"127.0.0.6":  "XBL: an infected or hijacked machine",
				"127.0.0.7":  "XBL: an infected or hijacked machine",
				"127.0.0.9":  "DROP: a network of criminals, or hijacked",
				"127.0.0.10": "PBL: the provider says that no mail should come from this address; it can be taken out by its owner",
				"127.0.0.11": "PBL: a range of end users' addresses; a fixed one with a mail server can be taken out",
				"127.0.0.30": "BCL: a botnet's control",
			}},
		{Zone: "b.barracudacentral.org", Name: "Barracuda", Kind: Address, Weight: Heavy,
			Delist: "https://www.barracudacentral.org/rbl/removal-request", Note: "asks for registration of the resolver"},
		{Zone: "bl.spamcop.net", Name: "SpamCop", Kind: Address, Weight: Heavy,
			Delist: "https://www.spamcop.net/bl.shtml", Note: "an entry goes away by itself a day after the last complaint"},
		{Zone: "psbl.surriel.com", Name: "PSBL", Kind: Address, Delist: "https://psbl.org/remove"},
		{Zone: "bl.mailspike.net", Name: "Mailspike", Kind: Address, Delist: "https://mailspike.io/ip_verify",
			Codes: map[string]string{
				"127.0.0.2":  "listed for spam",
				"127.0.0.10": "the worst reputation",
				"127.0.0.11": "a very bad reputation",
				"127.0.0.12": "a bad reputation",
			}},
		{Zone: "dnsbl.dronebl.org", Name: "DroneBL", Kind: Address, IPv6: true, Delist: "https://dronebl.org/lookup",
			Codes: map[string]string{
				"127.0.0.3": "an IRC drone", "127.0.0.5": "a bottler", "127.0.0.6": "an unknown worm or spam bot",
				"127.0.0.7": "a DDoS drone", "127.0.0.8": "an open SOCKS proxy", "127.0.0.9": "an open HTTP proxy",
				"127.0.0.10": "a chain of proxies", "127.0.0.11": "a web page proxy", "127.0.0.12": "an open DNS resolver",
				"127.0.0.13": "an attacker that tries passwords", "127.0.0.14": "an open Wingate proxy",
				"127.0.0.15": "a compromised router or gateway", "127.0.0.16": "a worm that takes root rights",
				"127.0.0.17": "a botnet", "127.0.0.18": "a host of malware", "127.0.0.19": "an abused VPN",
			}},
		{Zone: "dnsbl-1.uceprotect.net", Name: "UCEPROTECT level 1", Kind: Address, Codes: uce,
			Delist: "https://www.uceprotect.net/en/rblcheck.php", Note: "single addresses; an entry goes away 7 days after the last spam; there is no need to pay"},
		{Zone: "dnsbl-2.uceprotect.net", Name: "UCEPROTECT level 2", Kind: Address, Codes: uce,
			Delist: "https://www.uceprotect.net/en/rblcheck.php", Note: "the network of your provider is listed, not you; few receivers use it"},
		{Zone: "dnsbl-3.uceprotect.net", Name: "UCEPROTECT level 3", Kind: Address, Codes: uce,
			Delist: "https://www.uceprotect.net/en/rblcheck.php", Note: "all of your provider is listed, not you; hardly a receiver uses it"},
		{Zone: "ips.backscatterer.org", Name: "Backscatterer", Kind: Address,
			Delist: "https://www.backscatterer.org/?target=test", Note: "sends bounces or callouts to forged senders: refuse mail instead of bouncing it"},
		{Zone: "all.s5h.net", Name: "s5h.net", Kind: Address, IPv6: true, Delist: "https://www.usenix.org.uk/content/rblremove"},
		{Zone: "bl.0spam.org", Name: "0spam", Kind: Address, Delist: "https://0spam.org/"},
		{Zone: "truncate.gbudb.net", Name: "GBUdb Truncate", Kind: Address, Delist: "https://www.gbudb.com/truncate/", Note: "an entry goes away by itself; nobody can remove one"},
		{Zone: "bl.blocklist.de", Name: "blocklist.de", Kind: Address, Delist: "https://www.blocklist.de/en/delist.html"},
		{Zone: "all.spamrats.com", Name: "SpamRATS", Kind: Address, Delist: "https://www.spamrats.com/removal.php",
			Codes: map[string]string{
				"127.0.0.36": "RATS-Dyna: its reverse DNS looks dynamic",
				"127.0.0.37": "RATS-NoPtr: it has no reverse DNS",
				"127.0.0.38": "RATS-Spam: it has sent spam",
				"127.0.0.43": "RATS-Auth: it tries passwords",
			}},
		{Zone: "bl.nordspam.com", Name: "NordSpam", Kind: Address, Delist: "https://www.nordspam.com/delist/"},
		{Zone: "bl.spameatingmonkey.net", Name: "Spam Eating Monkey", Kind: Address, Delist: "https://spameatingmonkey.com/lookup"},
		{Zone: "hostkarma.junkemailfilter.com", Name: "Hostkarma", Kind: Address, Delist: "https://ipadmin.junkemailfilter.com/remove.php",
			Codes:     map[string]string{"127.0.0.2": "black: it sends spam", "127.0.0.4": "brown: mostly spam"},
			NotListed: map[string]string{"127.0.0.1": "white", "127.0.0.3": "yellow: both spam and mail", "127.0.0.5": "not to be listed"}},

		{Zone: "dbl.spamhaus.org", Name: "Spamhaus DBL", Kind: Domain, Weight: Heavy, Listed: "dbltest.com",
			Delist:   "https://check.spamhaus.org/",
			Refusals: map[string]string{"127.0.1.255": "it was asked for an address"},
			Codes: map[string]string{
				"127.0.1.2": "a domain of spam", "127.0.1.4": "phishing", "127.0.1.5": "malware", "127.0.1.6": "a botnet's control",
				"127.0.1.102": "a good domain that is abused for spam", "127.0.1.103": "a redirector that is abused",
				"127.0.1.104": "a good domain that is abused for phishing", "127.0.1.105": "a good domain that is abused for malware",
				"127.0.1.106": "a good domain that is abused by a botnet",
			}},
		{Zone: "multi.surbl.org", Name: "SURBL", Kind: Domain, Weight: Heavy, Listed: "surbl-org-permanent-test-point.com",
			Delist:   "https://surbl.org/surbl-analysis",
			Refusals: map[string]string{"127.0.0.1": "too many questions came from this resolver, or it is a public one"},
			Bits:     map[int]string{4: "DM: disposable mail", 8: "PH: phishing", 16: "MW: malware", 32: "CT: click tracker", 64: "ABUSE: spam", 128: "CR: cracked site"}},
		{Zone: "multi.uribl.com", Name: "URIBL", Kind: Domain, Weight: Heavy, Listed: "test.uribl.com",
			Delist:   "https://admin.uribl.com/",
			Refusals: map[string]string{"127.0.0.1": "too many questions came from this resolver, or it is a public one"},
			Bits:     map[int]string{2: "black: domains of spam", 4: "grey: bulk mail that not everybody wants", 8: "red: very new, or by machine"}},
		{Zone: "dbl.nordspam.com", Name: "NordSpam DBL", Kind: Domain, Delist: "https://www.nordspam.com/delist/"},
		{Zone: "uribl.spameatingmonkey.net", Name: "Spam Eating Monkey URI", Kind: Domain, Delist: "https://spameatingmonkey.com/lookup"},
	}
}

// A Change is what the configuration says of a list.
type Change struct {
	Zone string // "*": all of the table
	Kind Kind   // Off: it is not asked
}

// What a Change may say beside the kinds of lists, and of all of them.
const (
	Off   Kind   = "off"
	Every string = "*"
)

// Choose returns the lists of a table with these changes: those that are off are
// taken out, and others are added.
func Choose(table []List, changes []Change) []List {
	said := map[string]Kind{}
	for _, c := range changes {
		said[strings.ToLower(c.Zone)] = c.Kind
	}
	var chosen []List
	for _, l := range table {
		kind, named := said[l.Zone]
		if kind == Off || !named && said[Every] == Off {
			continue
		}
		chosen = append(chosen, l)
	}
	for _, c := range changes {
		zone := strings.ToLower(c.Zone)
		if zone != Every && c.Kind != Off && !has(table, zone) {
			chosen = append(chosen, List{Zone: zone, Name: zone, Kind: c.Kind, Weight: Heavy, Own: true, Note: "named in the configuration"})
		}
	}
	return chosen
}

func has(table []List, zone string) bool {
	return slices.ContainsFunc(table, func(l List) bool { return l.Zone == zone })
}
