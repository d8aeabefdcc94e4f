package bounce

import (
	"regexp"
	"strings"

	"pratique/watch/parts"
	"pratique/watch/reason"
)

// standard reads RFC 3464. It returns nil if there is no status in the message, or
// one that names nobody.
func standard(message *parts.Part) *Report {
	report, status := findStatus(message)
	if status == nil {
		return nil
	}
	r := fromGroups(parts.Groups(status.Decoded(), maxRecipients+1))
	if r == nil {
		return nil
	}
	if id := originalID(report, status); id != "" {
		r.MessageID = id
	}
	return r
}

// fromGroups reads the groups of fields of a status; it returns nil if none of them
// is about a recipient.
func fromGroups(groups []parts.Header) *Report {
	r := &Report{Form: "dsn"}
	for _, group := range groups {
		r.perMessage(group)
		if rcpt, ok := perRecipient(group); ok {
			r.Recipients = append(r.Recipients, rcpt)
		}
	}
	if len(r.Recipients) == 0 {
		return nil
	}
	return r
}

// findStatus returns the outermost part that has a delivery status in it, and that
// status. A report that somebody forwarded counts; one within what a report returns
// does not, for it is about another message.
func findStatus(p *parts.Part) (report, status *parts.Part) {
	for _, child := range p.Parts {
		if isStatus(child) {
			return p, child
		}
	}
	for _, child := range p.Parts {
		if report, status := findStatus(child); status != nil {
			return report, status
		}
	}
	return nil, nil
}

// isStatus knows a delivery status by its type, and where somebody on the way gave it
// another one, by the field with which one begins.
func isStatus(p *parts.Part) bool {
	switch p.Type {
	case "message/delivery-status", "message/global-delivery-status":
		return true
	case "text/plain", "text/delivery-status", "application/octet-stream", "message/delivery_status":
		text := p.Decoded()
		text = text[:min(len(text), maxHeader)]
		return beginsStatus.Match(text) && statusField.Match(text)
	}
	return false
}

var beginsStatus = regexp.MustCompile(`(?i)\A\s*(?:reporting-mta|original-envelope-id|original-recipient|final-recipient)[ \t]*:`)

// perMessage takes what a group says of the message as a whole (RFC 3464 2.2). Some
// MTAs leave out the empty line behind it, so it may be the group of a recipient too.
func (r *Report) perMessage(group parts.Header) {
	set := func(into *string, value string) {
		if *into == "" {
			*into = value
		}
	}
	set(&r.ReportingMTA, host(group.Get("Reporting-MTA")))
	set(&r.QueueID, group.Get("X-Postfix-Queue-ID"))
	set(&r.EnvelopeID, group.Get("Original-Envelope-Id"))
	set(&r.MessageID, idForm.FindString(group.Get("X-Original-Message-ID"))) // Gmail
}

// perRecipient reads the group of one recipient (RFC 3464 2.3).
func perRecipient(group parts.Header) (Recipient, bool) {
	r := Recipient{
		Final:     mailbox(group.Get("Final-Recipient")),
		Original:  mailbox(group.Get("Original-Recipient")),
		Status:    reason.EnhancedCode(group.Get("Status")),
		RemoteMTA: host(group.Get("Remote-MTA")),
	}
	if r.Final == "" {
		r.Final = mailbox(group.Get("X-Actual-Recipient"))
	}
	if r.Final == "" && r.Original == "" {
		return r, false
	}
	_, r.Diagnostic = typed(group.Get("Diagnostic-Code"))
	if r.Status == "" {
		r.Status = reason.EnhancedCode(r.Diagnostic)
	}
	r.Action = action(group.Get("Action"), r.Status)
	return r, true
}

// action reads the field Action. Where it is missing, the class of the status tells
// (RFC 3463 2); without one, that there is a report at all.
func action(field, status string) Action {
	word, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(field)), " ")
	switch a := Action(word); a {
	case Failed, Delayed, Delivered, Relayed, Expanded:
		return a
	}
	switch {
	case strings.HasPrefix(status, "2"):
		return Delivered
	case strings.HasPrefix(status, "4"):
		return Delayed
	}
	return Failed
}

// typed splits "rfc822; user@example.net" into type and value.
func typed(field string) (kind, value string) {
	kind, value, ok := strings.Cut(field, ";")
	if !ok {
		return "", strings.TrimSpace(field)
	}
	return strings.ToLower(strings.TrimSpace(kind)), strings.TrimSpace(value)
}

// mailbox returns the address of a typed field, without angle brackets, and with
// the characters of RFC 6533 3 ("\x{fc}") as they are.
func mailbox(field string) string {
	kind, value := typed(field)
	for strings.HasPrefix(strings.ToLower(value), "rfc822;") { // said twice
		_, value = typed(value)
	}
	if kind == "utf-8" {
		value = decodeUTF8Address(value)
	}
	if i := strings.IndexByte(value, '<'); i >= 0 {
		value = value[i+1:]
		if end := strings.IndexByte(value, '>'); end >= 0 {
			value = value[:end]
		}
	}
	value = strings.TrimSpace(value)
	if !strings.Contains(value, "@") {
		value = strings.Replace(value, "+40", "@", 1) // still in xtext (RFC 3461 4)
	}
	if before, _, ok := strings.Cut(value, " "); ok && !strings.HasPrefix(value, `"`) {
		value = before // a comment behind it
	}
	return strings.TrimRight(value, ";")
}

// host returns the name of a typed field such as "dns; mx.example.net (192.0.2.1)".
func host(field string) string {
	_, value := typed(field)
	if i := strings.IndexAny(value, " ([,"); i >= 0 {
		value = value[:i]
	}
	return strings.ToLower(strings.TrimSuffix(strings.TrimSpace(value), "."))
}

// originalID returns the Message-ID of the message that a report returns, whole or
// only its header (RFC 6522 3, RFC 6533 6).
func originalID(report, status *parts.Part) string {
	behind := false
	for _, child := range report.Parts {
		if child == status {
			behind = true
			continue
		}
		switch {
		case holdsMessage(child.Type):
			if len(child.Parts) > 0 {
				if id := messageID(child.Parts[0].Header); id != "" {
					return id
				}
			}
		case holdsHeader(child.Type):
			if id := messageID(parts.ParseHeader(child.Decoded())); id != "" {
				return id
			}
		case child.Type == "text/plain" || child.Type == "application/octet-stream": // mislabelled
			if id := messageID(parts.ParseHeader(child.Decoded())); behind && id != "" {
				return id
			}
		}
	}
	return ""
}
