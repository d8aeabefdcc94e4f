package lint

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// link is a URL as a browser reads it (the URL Standard of WHATWG): that forgives
// what net/url gives up at, and a link that deceives is made of just that.
type link struct {
	text      string // without the white space that a browser drops
	scheme    string // lower case; "" of a relative URL
	rest      string // behind the scheme and its colon
	user      string // behind "//": the user name
	host      string // lower case, no port, no brackets, in ASCII where it is a domain
	address   netip.Addr
	disguised bool // the address is not written the usual way
}

// parseLink reads a URL.
func parseLink(s string) link {
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.Map(withoutBreaks, s)
	}
	l := link{text: strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })}
	l.rest = l.text
	if i := strings.IndexByte(l.text, ':'); i > 0 && isScheme(l.text[:i]) {
		l.scheme, l.rest = strings.ToLower(l.text[:i]), l.text[i+1:]
	}
	switch l.scheme {
	case "http", "https", "ftp":
	case "":
		if !strings.HasPrefix(strings.ReplaceAll(l.rest, `\`, "/"), "//") {
			return l
		}
	default:
		return l
	}
	l.authority(strings.TrimLeft(l.rest, `/\`))
	return l
}

// plainHost returns the host of a URL that is written as nearly all are: http or https,
// and a domain of lower case ASCII before a slash. It returns nil for all others. Of
// such a URL parseLink says nothing else.
func plainHost(raw []byte) []byte {
	host, ok := bytes.CutPrefix(raw, []byte("https://"))
	if !ok {
		if host, ok = bytes.CutPrefix(raw, []byte("http://")); !ok {
			return nil
		}
	}
	n, dot := 0, -1
	for ; n < len(host) && host[n] != '/'; n++ {
		switch c := host[n]; {
		case c == '.':
			dot = n
		case c < '-' || c > 'z' || c >= ':' && c < 'a':
			return nil
		}
	}
	if n == 0 || dot < 0 || dot == n-1 || digit(host[dot+1]) {
		return nil
	}
	return host[:n]
}

func withoutBreaks(r rune) rune {
	if r == '\t' || r == '\n' || r == '\r' {
		return -1
	}
	return r
}

func isScheme(s string) bool {
	for i := range len(s) {
		if c := s[i]; !letter(c) && (i == 0 || !(c >= '0' && c <= '9' || c == '+' || c == '-' || c == '.')) {
			return false
		}
	}
	return true
}

// authority reads user name and host, which stand at the beginning of s.
func (l *link) authority(s string) {
	if end := strings.IndexAny(s, `/\?#`); end >= 0 {
		s = s[:end]
	}
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		l.user, _, _ = strings.Cut(percentDecoded(s[:at]), ":")
		s = s[at+1:]
	}
	if inner, ok := strings.CutPrefix(s, "["); ok {
		l.host, _, _ = strings.Cut(inner, "]")
		l.address, _ = netip.ParseAddr(l.host)
		return
	}
	host, _, _ := strings.Cut(s, ":")
	l.host = asciiHost(percentDecoded(host))
	l.address, l.disguised = parseIPv4(l.host)
}

// asciiHost returns a host in lower case, an internationalized one in its ASCII form.
func asciiHost(host string) string {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if ascii(host) {
		return host
	}
	if converted, err := idna.Lookup.ToASCII(host); err == nil {
		return converted
	}
	return host
}

// parseIPv4 reads a host that a browser takes for an IPv4 address: up to four
// numbers, decimal, octal or hexadecimal, of which the last one fills the rest.
// disguised tells that it is not the usual four decimal ones.
func parseIPv4(host string) (addr netip.Addr, disguised bool) {
	if last := host[strings.LastIndexByte(host, '.')+1:]; last == "" || !digit(last[0]) {
		return netip.Addr{}, false
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return addr, false
	}
	numbers := strings.Split(host, ".")
	if len(numbers) > 4 {
		return netip.Addr{}, false
	}
	var bits uint64
	for i, number := range numbers {
		n, ok := ipNumber(number)
		last := i == len(numbers)-1
		if !ok || !last && n > 255 || last && n >= 1<<(8*(5-len(numbers))) {
			return netip.Addr{}, false
		}
		if last {
			bits |= n
		} else {
			bits |= n << (8 * (3 - i))
		}
	}
	return netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)}), true
}

func ipNumber(s string) (uint64, bool) {
	base := 10
	switch {
	case strings.HasPrefix(s, "0x"):
		if s, base = s[2:], 16; s == "" {
			return 0, true
		}
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(s, base, 33)
	return n, err == nil && !strings.Contains(s, "+")
}

// carrierNAT is what providers give their customers (RFC 6598).
func carrierNAT() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) }

// ownNetwork reports whether an address leads nowhere but into the reader's own
// network: what devices and monitoring link to, and no one else can use.
func ownNetwork(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || carrierNAT().Contains(a)
}

// Which words are taken for domains although nothing but a dot says so: those with
// a country's top-level domain or one of the old ones, but for those that are names
// of files and software as well. "here.Click" is a missing space, "ASP.NET" is none.
const (
	oldDomains = " biz com edu gov info net org "
	fileLike   = " ai cc io md pl ps py rs sh so "
)

// namedHost returns the host that the text of a link names, if the text is one
// URL or one domain and nothing else; otherwise "".
func namedHost(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == '\u00a0' || r == '…' }) {
		return ""
	}
	text = strings.Trim(text, `<>()[]"',;`)
	if l := parseLink(text); l.scheme == "http" || l.scheme == "https" {
		return domainOrNone(l.host)
	}
	name := text
	if i := strings.IndexAny(name, "/?#:"); i >= 0 {
		name = name[:i]
	}
	if strings.HasPrefix(strings.ToLower(name), "www.") || readsAsDomain(name) {
		return domainOrNone(asciiHost(name))
	}
	return ""
}

func readsAsDomain(name string) bool {
	top := " " + name[strings.LastIndexByte(name, '.')+1:] + " "
	return strings.Contains(oldDomains, top) || len(top) == len(" xx ") && !strings.Contains(fileLike, top) && top == strings.ToLower(top)
}

func domainOrNone(host string) string {
	if isDomain(host) {
		return host
	}
	return ""
}

// isDomain reports whether a host is a name below a public suffix that exists.
func isDomain(host string) bool {
	host = asciiHost(host)
	if !strings.Contains(host, ".") || domainProblem(host) != "" {
		return false
	}
	suffix, icann := publicsuffix.PublicSuffix(host)
	return suffix != host && (icann || strings.Contains(suffix, "."))
}

// sameOwner reports whether two hosts are below the same registered domain.
func sameOwner(a, b string) bool {
	return a == b || registered(a) == registered(b)
}

func registered(host string) string {
	if domain, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return domain
	}
	return host
}
