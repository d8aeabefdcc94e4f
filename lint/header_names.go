package lint

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
)

// Rules on what the From field claims: whose address it is, and what its display name says.

// gmailDomains may be sent from by Google's own servers only.
var gmailDomains = [...]string{"gmail.com", "googlemail.com"}

// fromGmail leaves alone what Gmail itself has signed, which is forwarded here.
// Whether that signature is valid is for the receiver to find out.
func fromGmail(h *header) {
	for _, from := range h.from {
		for _, box := range from.boxes {
			for _, domain := range gmailDomains {
				if strings.EqualFold(box.domain, domain) && !h.signedBy(domain) {
					h.foundAt(from.index, shown(box.String()))
				}
			}
		}
	}
}

// signedBy reports whether a DKIM-Signature names the domain in its d= tag.
func (h *header) signedBy(domain string) bool {
	for _, value := range h.values("DKIM-Signature") {
		if strings.EqualFold(signatureTag(value, "d"), domain) {
			return true
		}
	}
	return false
}

// author returns the From field and its address, if there is exactly one.
func (h *header) author() (field addressField, box mailbox, ok bool) {
	if len(h.from) != 1 || h.from[0].err != nil || len(h.from[0].boxes) != 1 {
		return field, box, false
	}
	return h.from[0], h.from[0].boxes[0], true
}

// displayName returns what stands before the address in angle brackets, or in a
// comment behind one without them, as people are shown it. Encoded-words in quotes count: RFC 2047 5 forbids them, and
// programs decode them.
func displayName(value string) string {
	end := strings.LastIndexByte(value, '<')
	if end < 0 {
		return commentName(value)
	}
	name := strings.TrimSpace(value[:end])
	if len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' {
		name = unescape(name[1 : len(name)-1])
	}
	return decodedWords(name)
}

// commentName returns the first comment, in which names stood before there were angle
// brackets, and stand still: "ann@example.org (Ann Example)".
func commentName(value string) string {
	begin := strings.IndexByte(value, '(')
	if begin < 0 || strings.IndexByte(value[:begin], '"') >= 0 {
		return ""
	}
	n := commentLength(value[begin:])
	if n < 0 {
		return ""
	}
	return decodedWords(unescape(value[begin+1 : begin+n-1]))
}

func nameOfAnother(h *header) {
	from, box, ok := h.author()
	if !ok {
		return
	}
	for name := displayName(from.value); ; {
		_, rest, more := strings.Cut(name, "@")
		if !more {
			return
		}
		domain := domainAtStart(rest)
		if known(domain) && organization(domain) != organization(box.domain) {
			h.foundAt(from.index, shown(displayName(from.value)))
			return
		}
		name = rest
	}
}

// domainAtStart cuts off what can't be part of a domain.
func domainAtStart(s string) string {
	n := strings.IndexFunc(s, func(r rune) bool { return !letterDigitHyphen(r) && r != '.' && !inULabel(r) })
	if n < 0 {
		n = len(s)
	}
	return strings.TrimRight(s[:min(n, maxDomain)], ".-")
}

// known reports whether a domain ends in a suffix of the public DNS: "joe@home" is no address.
func known(domain string) bool {
	suffix, icann := publicsuffix.PublicSuffix(strings.ToLower(domain))
	return icann && len(suffix) < len(domain)
}

// organization returns the organizational domain: the label below the public suffix
// (the list that RFC 7489 3.2 speaks of; the tree walk of RFC 9989 needs the DNS).
func organization(domain string) string {
	domain = strings.ToLower(strings.TrimSuffix(domain, "."))
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain
}

func nameDecorated(h *header) {
	from, _, ok := h.author()
	if !ok {
		return
	}
	name := displayName(from.value)
	switch {
	case strings.ContainsFunc(name, emoji):
		h.foundAt(from.index, "emoji: "+shown(name))
	case endsInCounter(name):
		h.foundAt(from.index, "what looks like a count of messages: "+shown(name))
	}
}

// emoji reports whether a rune is a picture: the blocks of pictographs, dingbats
// and other symbols, and the mark that has the rune before it shown as one.
func emoji(r rune) bool {
	switch {
	case r == utf8.RuneError:
		return false
	case r >= 0x2600 && r <= 0x27BF, r >= 0x2B00 && r <= 0x2BFF, r >= 0x1F000 && r <= 0x1FAFF:
		return unicode.Is(unicode.So, r) || unicode.Is(unicode.Sk, r)
	}
	return r == 0xFE0F || r == 0x20E3
}

// endsInCounter finds the "(2)" that Gmail puts behind the names of a conversation.
func endsInCounter(name string) bool {
	name, ok := strings.CutSuffix(strings.TrimSpace(name), ")")
	if !ok {
		return false
	}
	open := strings.LastIndexByte(name, '(')
	digits := name[open+1:]
	return open > 0 && digits != "" && len(digits) <= 3 && strings.Trim(digits, "0123456789") == ""
}
