package signing

import (
	"fmt"
	"io"
	"mime"
	"net/mail"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"pratique/message"
)

// fromAddress returns the first address in the From field, as excludes and keys
// are looked up for it: in lower case, its domain in A-labels. If there is none,
// the error is a *lack.
func fromAddress(h *message.Header) (string, error) {
	from, ok := h.First("From")
	if !ok {
		return "", &lack{NoFrom, "no From"}
	}
	if n := h.Count("From"); n > 1 {
		return "", &lack{ManyFrom, fmt.Sprintf("%d From fields", n)}
	}
	address, ok := firstAddress(from.Unfolded())
	if !ok {
		return "", &lack{UnreadableFrom, "no address in From that can be read"}
	}
	local := address[:max(0, strings.LastIndexByte(address, '@'))]
	return strings.ToLower(local) + "@" + aLabels(message.Domain(address)), nil
}

// aLabels returns a domain in the form in which keys are configured and published
// (RFC 8616 4): an SMTPUTF8 message may have its From in U-labels. What IDNA does
// not take is left as it is, and has no key.
func aLabels(domain string) string {
	if !strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII }) {
		return domain // it is in lower case, and IDNA has nothing else to do with such a one
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return domain
}

// lastAngle is a single address in angle brackets, at the end.
var lastAngle = regexp.MustCompile(`^[^<>]*<([^<>@\s]+@[^<>@\s]+)>$`)

// firstAddress reads an address list. Where the display name breaks the rules,
// with bare octets of some charset or an unquoted "@", the address behind it is
// still plain to everyone.
func firstAddress(list string) (string, bool) {
	// A name may be encoded in any charset, known to us or not.
	words := &mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}
	addresses, err := (&mail.AddressParser{WordDecoder: words}).ParseList(list)
	if err == nil && len(addresses) > 0 {
		return addresses[0].Address, true
	}
	if match := lastAngle.FindStringSubmatch(list); match != nil {
		return match[1], true
	}
	return "", false
}
