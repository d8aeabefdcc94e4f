package lint

import "strings"

// isBulk reports whether the message is held to the rules for bulk mail: the
// envelope sender or an address of From is one that the configuration names.
func (h *header) isBulk() bool {
	if len(h.lint.bulk) == 0 {
		return false
	}
	if h.lint.bulkSender(h.m.Sender) {
		return true
	}
	for _, field := range h.from {
		for _, box := range field.boxes {
			if h.lint.bulkSender(box.String()) {
				return true
			}
		}
	}
	return false
}

// bulkSender holds an address against the bulk option: "news@example.org" is
// that address, "example.org" that domain, "*.example.org" what is below it.
func (l *Lint) bulkSender(address string) bool {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	for _, pattern := range l.bulk {
		below, wild := strings.CutPrefix(pattern, "*")
		switch {
		case strings.Contains(pattern, "@"):
			if strings.EqualFold(pattern, address) {
				return true
			}
		case wild:
			if n := len(domain) - len(below); n > 0 && strings.EqualFold(domain[n:], below) {
				return true
			}
		case strings.EqualFold(pattern, domain):
			return true
		}
	}
	return false
}
