package bounce

import (
	"regexp"
	"slices"
	"strings"

	"pratique/watch/parts"
	"pratique/watch/reason"
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

var (
	// The line behind which a mail system puts the message that it returns.
	returned = regexp.MustCompile(`(?im)^[ \t>|*=-]*(?:(?:below this line|here|this|attached|included|attachment) is a copy of .*|a copy of the original message.*|` +
		`below is a copy of the original message.*|(?:possibly truncated )?original message (?:follows|headers|as received).*|(?:-[ -]*)original (?:message|mail)(?: info)?\b.*|` +
		`(?:(?:unsent|undelivered|returned|non-delivered) (?:message|mail)|message (?:text|headers?)) (?:follows?|below).*|-{2,} ?(?:unsent|undelivered|returned) (?:message|mail)\b.*|` +
		`(?:the )?header of the (?:original|source) (?:message|mail).*|-{2,} ?the body of your message.*|(?:the )?(?:header and|first) .{0,30}(?:lines of|top).{0,40} follows?.*|` +
		`-{2,} ?start of returned message.*|your message reads \(in part\).*|a summary of the undelivered message.*)$`)
	// Trace fields stand in no text of a mail system itself.
	traceField = regexp.MustCompile(`(?m)^>? ?(?:Received|Return-[Pp]ath|DKIM-Signature|X-Received|ARC-Seal|X-Google-Smtp-Source|X-Envelope-From|Delivered-To):[ \t]?\S?`)
	quoteMark  = regexp.MustCompile(`(?m)^> ?`)
)

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

// reasons tells what a letter says of recipients, by address in lower case.
type reasons map[string]string

// reasons looks for the words about some recipients: those behind the address, up to
// an empty line or to another of these recipients. It goes once through the text.
func (l *letter) reasons(recipients []string) reasons {
	about := map[string]bool{}
	for _, r := range recipients {
		about[strings.ToLower(r)] = true
	}
	found := reasons{}
	seen := map[string]int{}
	at := anAddress.FindAllStringIndex(l.text, maxMentions)
	for i, m := range at {
		who := strings.ToLower(l.text[m[0]:m[1]])
		if !about[who] || seen[who] >= maxPlaces {
			continue
		}
		seen[who]++
		end := len(l.text)
		for _, other := range at[i+1 : min(len(at), i+1+maxPlaces)] {
			if next := strings.ToLower(l.text[other[0]:other[1]]); next != who && about[next] {
				end = other[0]
				break
			}
		}
		segment := l.text[m[1]:min(end, m[1]+maxExplanation)]
		words := firstParagraph(segment)
		if near := segment[:min(len(segment), maxNear)]; !tells(words) && tells(near) {
			words = near
		}
		if known, ok := found[who]; !ok || !tells(known) && tells(words) {
			found[who] = words
		}
	}
	return found
}

const (
	maxMentions = 5 * maxRecipients // addresses of a text that are looked at
	maxNear     = 400               // octets behind it that may be about it, over an empty line
	maxPlaces   = 4                 // of one address, at which words about it are looked for
)

// tells reports whether words give a reason.
func tells(words string) bool {
	return reason.Of("", words).Class != reason.Unknown
}

// say gives each recipient that has no words yet those that the letter has about it,
// and where there are none either, all of them. A status that leaves no doubt goes
// before them: a letter has footers, and names reasons that may be.
func (l *letter) say(recipients []Recipient) {
	var addresses []string
	for _, r := range recipients {
		addresses = append(addresses, r.Final, r.Original)
	}
	var found reasons
	for i := range recipients {
		r := &recipients[i]
		byStatus := reason.Of(r.Status, "")
		if tells(r.Diagnostic) || byStatus.Class == reason.Hard || byStatus.Name == "mailbox_full" || byStatus.Name == "too_big" {
			continue
		}
		if found == nil {
			found = l.reasons(addresses)
		}
		said := []string{found[strings.ToLower(r.Final)], found[strings.ToLower(r.Original)]}
		if byStatus.Class == reason.Unknown {
			said = append(said, l.whole())
		}
		if words := better(said); tells(words) || r.Diagnostic == "" && byStatus.Class == reason.Unknown {
			r.Diagnostic = words
		}
	}
}

// better returns the first of some words that tell a reason, or the first that are any.
func better(words []string) string {
	first := ""
	for _, w := range words {
		if tells(w) {
			return w
		}
		if first == "" {
			first = w
		}
	}
	return first
}

// whole is all of a letter, in one line, cut short.
func (l *letter) whole() string {
	text := strings.Join(strings.Fields(l.text[:min(len(l.text), 2*maxExplanation)]), " ")
	return text[:min(len(text), maxExplanation)]
}

// late reports whether a letter says that the message is still on its way.
func (l *letter) late() bool {
	words := l.lower[:min(len(l.lower), maxEvidence)]
	return stillTrying.MatchString(words) || lateSubject.MatchString(l.header.Get("Subject")) && !failedForGood.MatchString(words)
}

var (
	stillTrying = regexp.MustCompile(`this is (?:just )?a warning|warning message only|no action is required on your part|need to resend|will be retried|will (?:continue|keep) (?:to try|trying|to attempt)|` +
		`continue to (?:try|attempt)|attempts will continue|will retry for|still trying to deliver|gmail will retry|temporary failure report|has been (?:delayed|postponed)|not (?:yet )?been delivered yet|has not yet been|` +
		`hasn't been delivered yet|is delayed for|wird weiter versucht|noch nicht zugestellt`)
	lateSubject   = regexp.MustCompile(`(?i)\bdelay(?:ed)?\b|^warning\b.*\b(?:not|delay)|verzöger|retard|retras`)
	failedForGood = regexp.MustCompile(`permanent|fatal|given up|giving up|will not be retried`)
)

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
