package survival

import (
	"net/mail"
	"regexp"
	"strings"

	"pratique/message"
)

// addressFields are those whose addresses Postfix rewrites (header_opts.c).
var addressFields = [...]string{"From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"}

// looseAddress finds addresses in a field that can't be parsed.
var looseAddress = regexp.MustCompile(`[^\s<>,;:"()]+@[^\s<>,;:"()]+`)

// rewritten returns the first address of a field that the MTA's generic map
// rewrites at delivery (Postfix: smtp_generic_maps), or "".
func (o Options) rewritten(f message.Field) string {
	if len(o.Generic) == 0 {
		return ""
	}
	for _, name := range addressFields {
		if !f.Is(name) {
			continue
		}
		for _, address := range addressesOf(f.Unfolded()) {
			if o.isGeneric(strings.ToLower(address)) {
				return address
			}
		}
	}
	return ""
}

func addressesOf(value string) []string {
	parsed, err := mail.ParseAddressList(value)
	if err != nil {
		return looseAddress.FindAllString(value, -1)
	}
	var addresses []string
	for _, a := range parsed {
		addresses = append(addresses, a.Address)
	}
	return addresses
}

// isGeneric looks an address up as Postfix does (generic(5)): itself, then its domain.
func (o Options) isGeneric(address string) bool {
	domain := address[strings.LastIndexByte(address, '@'):]
	for _, pattern := range o.Generic {
		if pattern = strings.ToLower(pattern); pattern == address || pattern == domain {
			return true
		}
	}
	return false
}
