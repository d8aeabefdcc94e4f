package lint

import (
	"fmt"
	"strings"

	"pratique/message"
)

// Rules on domains that should belong together.

// senderNotAligned compares the organizational domains of envelope sender and
// From. A stored message has no envelope.
func senderNotAligned(h *header) {
	from, sender := h.fromDomain(), message.Domain(h.m.Sender)
	if h.lint.collecting || from == "" || from == sender || !strings.Contains(sender, ".") || organization(from) == organization(sender) {
		return
	}
	h.found("envelope", fmt.Sprintf("%s sends for %s", shown(sender), shown(from)))
}
