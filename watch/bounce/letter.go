package bounce

import (
	"regexp"
	"slices"
	"strings"

	"pratique/watch/parts"
)

// letter is what a mail system writes to people about a message that it could not
// deliver: its own words, apart from the message that it returns.
type letter struct {
	header   parts.Header
	text     string       // its words, with "\n" at the ends of lines
	lower    string       // the same in lower case
	original parts.Header // of the message that it returns, nil if it returns none
}

// readLetter takes a message apart. The returned message is a part of its own, or
// stands in the text behind a line that says so, or begins there with a trace field.
func readLetter(message *parts.Part) *letter {
	l := &letter{header: message.Header}
	var plain, html strings.Builder
	var visit func(p *parts.Part)
	visit = func(p *parts.Part) {
		switch {
		case p != message && holdsMessage(p.Type):
			if l.original == nil && len(p.Parts) > 0 {
				l.original = p.Parts[0].Header
			}
			return
		case holdsHeader(p.Type):
			if l.original == nil {
				l.original = parts.ParseHeader(p.Decoded())
			}
		case p.Type == "text/html":
			if html.Len() == 0 {
				html.WriteString(p.Text())
			}
		case isText(p) && l.original == nil && plain.Len() < maxText:
			text := p.Text()
			plain.WriteString(text[:min(len(text), maxText-plain.Len())] + "\n")
		}
		for _, child := range p.Parts {
			visit(child)
		}
	}
	visit(message)
	text := plain.String()
	if strings.TrimSpace(text) == "" {
		text = html.String()
	}
	text, original := cutReturned(newlines.Replace(text))
	if l.original == nil {
		l.original = original
	}
	l.text, l.lower = text, strings.ToLower(text)
	return l
}

// isText reports whether a part is text, as said or because nothing else came of
// it: a multipart without a single delimiter.
func isText(p *parts.Part) bool {
	return p.Type == "text/plain" || strings.HasPrefix(p.Type, "multipart/") && len(p.Parts) == 0
}

func holdsMessage(kind string) bool { return kind == "message/rfc822" || kind == "message/global" }

func holdsHeader(kind string) bool {
	switch kind {
	case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header", "text/rfc822":
		return true
	}
	return false
}

var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u00a0", " ")

// maxText is about how much of a message is looked through for recipients.
const maxText = 128 << 10

// cutReturned cuts the message that a text returns off its end, and reads its header.
func cutReturned(text string) (words string, original parts.Header) {
	at, next := -1, -1
	if m := returned.FindStringIndex(text); m != nil {
		at, next = m[0], m[1]
	}
	if m := traceField.FindStringIndex(text); m != nil && (at < 0 || m[0] < at) {
		at, next = m[0], m[0]
	}
	if at < 0 {
		return text, nil
	}
	rest := strings.TrimLeft(text[next:], " \t\n")
	if strings.HasPrefix(rest, ">") {
		rest = quoteMark.ReplaceAllString(rest[:min(len(rest), maxHeader)], "")
	}
	return text[:at], parts.ParseHeader([]byte(rest[:min(len(rest), maxHeader)]))
}

// maxHeader is how much of a returned message is looked at: its header is in there.
const maxHeader = 64 << 10

// own is the addresses that a letter comes from and goes to, in lower case: they
// are in its text for other reasons than having failed.
func (l *letter) own() []string {
	var own []string
	for _, name := range []string{"To", "Delivered-To", "X-Original-To", "Envelope-To", "From", "Sender", "Reply-To"} {
		for _, value := range l.header.All(name) {
			own = append(own, addresses(strings.ToLower(value))...)
		}
	}
	return own[:min(len(own), maxSentTo)]
}

// wanted is the addresses that the returned message went to, in lower case.
func (l *letter) wanted() []string {
	var wanted []string
	for _, name := range []string{"X-Envelope-To", "X-Receiver", "To", "Cc", "Bcc"} {
		for _, value := range l.original.All(name) {
			wanted = append(wanted, addresses(strings.ToLower(value))...)
		}
	}
	for _, value := range l.original.All("Received") {
		if m := receivedFor.FindStringSubmatch(value); m != nil {
			wanted = append(wanted, addresses(strings.ToLower(m[1]))...)
		}
	}
	return wanted[:min(len(wanted), maxRecipients)]
}

var receivedFor = regexp.MustCompile(`(?i)\sfor\s+<?([^\s<>;]+@[^\s<>;]+)>?`)

// late reports whether a letter says that the message is still on its way.
func (l *letter) late() bool {
	words := l.lower[:min(len(l.lower), maxEvidence)]
	return stillTrying.MatchString(words) || lateSubject.MatchString(l.header.Get("Subject")) && !failedForGood.MatchString(words)
}

// distinct leaves out what comes again, in any case.
func distinct(list []string) []string {
	var kept []string
	seen := map[string]bool{}
	for _, s := range list {
		if key := strings.ToLower(s); !seen[key] {
			seen[key] = true
			kept = append(kept, s)
		}
	}
	return kept
}

func has(list []string, s string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return strings.EqualFold(other, s) })
}
