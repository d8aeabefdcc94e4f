package lint

import "fmt"

// Rules on From, Sender, Reply-To and the recipients.

func fromMissing(h *header) {
	if len(h.from) == 0 {
		h.found("From", "")
	}
}

func fromRepeated(h *header) {
	if len(h.from) > 1 {
		h.foundAt(h.from[1].index, fmt.Sprintf("%d fields", len(h.from)))
	}
}

func fromSeveral(h *header) {
	for _, from := range h.from {
		n := len(from.boxes)
		if from.err != nil {
			n = max(n, visibleAddresses(from.value))
		}
		if n > 1 {
			h.foundAt(from.index, severalAddresses(n, from.value))
		}
	}
}

func severalAddresses(n int, value string) string {
	return fmt.Sprintf("%d addresses: %s", n, shown(value))
}

// fromUnparsable leaves a field to fromSeveral where two addresses of it could be read.
func fromUnparsable(h *header) {
	for _, from := range h.from {
		if from.err != nil && len(from.boxes) < 2 {
			h.foundAt(from.index, from.err.Error()+": "+shown(from.value))
		}
	}
}

func fromDomain(h *header) {
	for _, from := range h.from {
		for _, box := range from.boxes {
			if problem := domainProblem(box.domain); problem != "" {
				h.foundAt(from.index, shown(box.domain)+" "+problem)
			}
		}
	}
}

// senderMissing only has work to do where H03 is off: otherwise H03 tells it all.
func senderMissing(h *header) {
	if h.lint.action("H03") != Off || h.has("Sender") {
		return
	}
	for _, from := range h.from {
		if len(from.boxes) > 1 {
			h.foundAt(from.index, severalAddresses(len(from.boxes), from.value))
		}
	}
}

func replyToUnparsable(h *header) {
	for _, replyTo := range h.addresses("Reply-To") {
		if replyTo.err != nil {
			h.foundAt(replyTo.index, replyTo.err.Error()+": "+shown(replyTo.value))
		}
	}
}

// recipientFields show that a message is meant for someone. A resent message or
// one from a list may have lost its own.
var recipientFields = [...]string{"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"}

func noRecipients(h *header) {
	for _, name := range recipientFields {
		if h.has(name) {
			return
		}
	}
	h.found("To", "")
}

func bccPresent(h *header) {
	h.unwanted("Bcc")
	h.unwanted("Resent-Bcc")
}

func returnPathPresent(h *header) { h.unwanted("Return-Path") }

// unwanted removes every field of a name. Its value is not shown: it may be a secret.
func (h *header) unwanted(name string) {
	i := h.first(name)
	if i < 0 {
		return
	}
	h.remove(name, h.place(i), "")
}

// remove takes out every field of a name if the rule is to fix.
func (h *header) remove(name, where, detail string) {
	h.mend(name, where, detail, func() (string, error) {
		var indexes []int
		for index := range h.m.Header.Named(name) {
			indexes = append(indexes, index)
		}
		for i := len(indexes) - 1; i >= 0; i-- {
			h.m.Header.Remove(indexes[i])
		}
		return "removed", nil
	})
}
