package lint

// isBulk reports whether the message is held to the rules for bulk mail: the
// envelope sender or an address of From is one that the configuration names.
func (h *header) isBulk() bool { return len(h.lint.bulk) > 0 && h.sentBy(h.lint.bulk) }
