// Package receiver tells which of the big mail providers receives a message, by
// the domain of the recipient or by the host that took it. It asks nobody: what is
// in no table here is no provider.
package receiver

import "strings"

// ByHost returns the provider that runs a host, or "".
func ByHost(host string) string { return suffix(byHost, clean(host)) }

// ByDomain returns the provider of the mailboxes of a domain that everybody knows, or "".
func ByDomain(domain string) string {
	domain = clean(domain)
	if name := suffix(byDomain, domain); name != "" {
		return name
	}
	for name, first := range countryWide { // hotmail.fr, yahoo.co.uk, …
		for _, label := range first {
			if rest, ok := strings.CutPrefix(domain, label+"."); ok && len(rest) <= len("com.br") {
				return name
			}
		}
	}
	return ""
}

func clean(name string) string {
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(name), "."))
}

// suffix looks a name up, and then the domains above it.
func suffix(table map[string]string, name string) string {
	for name != "" {
		if provider := table[name]; provider != "" {
			return provider
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return ""
}

// byHost is the names under which the mail exchangers of providers stand.
var byHost = map[string]string{
	"google.com": "google", "googlemail.com": "google", "aspmx.l.google.com": "google",
	"protection.outlook.com": "microsoft", "mx.microsoft": "microsoft", "hotmail.com": "microsoft",
	"yahoodns.net": "yahoo", "yahoo.com": "yahoo",
	"icloud.com": "apple", "apple.com": "apple",
	"gmx.net": "gmx", "web.de": "gmx", "kundenserver.de": "ionos", "ionos.com": "ionos", "1and1.com": "ionos", "perfora.net": "ionos",
	"t-online.de": "telekom", "mail.ru": "vk", "yandex.net": "yandex", "yandex.ru": "yandex",
	"qq.com": "tencent", "163.com": "netease", "netease.com": "netease",
	"pphosted.com": "proofpoint", "ppe-hosted.com": "proofpoint", "mimecast.com": "mimecast",
	"messagelabs.com": "symantec", "barracudanetworks.com": "barracuda", "iphmx.com": "cisco",
	"comcast.net": "comcast", "orange.fr": "orange", "laposte.net": "laposte", "free.fr": "free",
	"libero.it": "libero", "wp.pl": "wp", "seznam.cz": "seznam", "zoho.com": "zoho", "zoho.eu": "zoho",
	"protonmail.ch": "proton", "messagingengine.com": "fastmail", "secureserver.net": "godaddy", "ovh.net": "ovh",
}

// byDomain is domains of mailboxes.
var byDomain = map[string]string{
	"gmail.com": "google", "googlemail.com": "google",
	"outlook.com": "microsoft", "msn.com": "microsoft", "windowslive.com": "microsoft", "passport.com": "microsoft",
	"aol.com": "yahoo", "aim.com": "yahoo", "ymail.com": "yahoo", "rocketmail.com": "yahoo", "verizon.net": "yahoo",
	"icloud.com": "apple", "me.com": "apple", "mac.com": "apple",
	"gmx.net": "gmx", "gmx.de": "gmx", "gmx.at": "gmx", "gmx.ch": "gmx", "gmx.com": "gmx", "web.de": "gmx", "mail.com": "gmx",
	"t-online.de": "telekom", "magenta.de": "telekom",
	"mail.ru": "vk", "bk.ru": "vk", "list.ru": "vk", "inbox.ru": "vk", "internet.ru": "vk",
	"yandex.ru": "yandex", "yandex.com": "yandex", "ya.ru": "yandex",
	"qq.com": "tencent", "foxmail.com": "tencent", "163.com": "netease", "126.com": "netease", "yeah.net": "netease",
	"comcast.net": "comcast", "xfinity.com": "comcast",
	"orange.fr": "orange", "wanadoo.fr": "orange", "laposte.net": "laposte", "free.fr": "free", "libero.it": "libero",
	"att.net": "yahoo", "sbcglobal.net": "yahoo", "bellsouth.net": "yahoo", "btinternet.com": "yahoo", "sky.com": "yahoo", "cox.net": "yahoo",
	"naver.com": "naver", "rediffmail.com": "rediff", "docomo.ne.jp": "docomo", "ezweb.ne.jp": "kddi", "au.com": "kddi", "softbank.ne.jp": "softbank",
	"wp.pl": "wp", "o2.pl": "wp", "seznam.cz": "seznam", "email.cz": "seznam",
	"proton.me": "proton", "protonmail.com": "proton", "pm.me": "proton", "fastmail.com": "fastmail", "fastmail.fm": "fastmail",
}

// countryWide is the labels that a provider uses below many countries.
var countryWide = map[string][]string{"microsoft": {"hotmail", "outlook", "live"}, "yahoo": {"yahoo", "aol"}, "yandex": {"yandex"}, "gmx": {"gmx"}}
