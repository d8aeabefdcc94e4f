package bounce

import (
	"regexp"
	"strings"

	"pratique/watch/parts"
)

// other reads a bounce in no form that is known: it has to be evident that something
// was not delivered, and it has to name somebody who may have been meant.
func other(l *letter) []Recipient {
	if !l.evident() {
		return nil
	}
	var found []Recipient
	for _, address := range l.meant() {
		found = append(found, Recipient{Final: address})
	}
	return found
}

// evident reports whether a letter says, in its words or its subject, that something
// was not delivered, and has one other mark of a bounce. One that comes from nobody who
// looks like a mail system has to be technical as well; parcels are not delivered, too.
func (l *letter) evident() bool {
	from := strings.ToLower(l.header.Get("From"))
	if l.header.Get("List-Unsubscribe") != "" && !isDaemon(from) && len(l.original) == 0 {
		return false // a newsletter; where a list passes a bounce on, it has the field, too
	}
	words := failure.MatchString(l.lower[:min(len(l.lower), maxEvidence)]) || l.refused() || l.late()
	subject := undelivered.MatchString(l.header.Get("Subject"))
	marks := 0
	for _, mark := range []bool{words, subject, l.technical(), isDaemon(from)} {
		if mark {
			marks++
		}
	}
	return marks >= 2 && (words || subject) && (isSystem(from) || l.technical())
}

// technical reports whether a letter has what people do not write: the reply of a
// server, a returned message, or a null return path (RFC 5321 4.5.5).
func (l *letter) technical() bool {
	return len(l.original) > 0 || l.header.Get("Return-Path") == "<>" || l.refused()
}

// refused reports whether a letter holds the reply of a server.
func (l *letter) refused() bool {
	return replyCode.MatchString(l.text[:min(len(l.text), maxEvidence)])
}

// maxEvidence is how far into a text a mail system has said what it is about.
const maxEvidence = 16 << 10

// replyCode is a reply of an SMTP server that refuses (RFC 5321 4.2), at the head of a line or behind a colon.
var replyCode = regexp.MustCompile(`(?m)(?:^[ \t]*(?:<<< ?)?|: )[45]\d\d[ -]`)

// meant is the addresses that a letter says did not get the message. Those to which
// the returned message went are best, and whoever stands in the text as they do; else
// those that stand as a recipient stands; else the only one there is. Where the text
// names nobody, it is the one recipient of the message.
func (l *letter) meant() []string {
	named := l.named()
	wanted := distinct(l.wanted())
	var best []string
	for _, address := range named {
		if has(wanted, address) {
			best = append(best, address)
		}
	}
	switch {
	case len(best) > 0:
		return distinct(append(best, l.alike(best, named)...))
	case len(named) > 0:
		if best := l.standing(named); len(best) > 0 {
			return best
		}
		if len(named) == 1 {
			return named
		}
		return nil
	case len(wanted) == 1:
		return wanted
	}
	return nil
}

// alike is those of some addresses that stand in a line of the same shape as one of
// the known: recipients of a list or of a Bcc, whom the header of the message does not name.
func (l *letter) alike(known, named []string) []string {
	shapes := map[string]bool{}
	var found []string
	for _, again := range []bool{false, true} {
		for line := range strings.Lines(l.text) {
			at := anAddress.FindStringIndex(line)
			if at == nil || strings.TrimSpace(line) == line[at[0]:at[1]] {
				continue // alone on its line may stand anybody
			}
			address, shape := line[at[0]:at[1]], line[:at[0]]+"@"+line[at[1]:min(len(line), at[1]+2)]
			switch {
			case has(known, address):
				shapes[shape] = true
			case again && shapes[shape] && has(named, address) && len(found) < maxRecipients:
				found = append(found, address)
			}
		}
	}
	return found
}

// named is the addresses in a text, but those of senders, of the letter itself and
// of people who help. Somebody who wrote to himself is named all the same, and so is
// whom a summary of the message has in "To:", where nobody else is.
func (l *letter) named() []string {
	var all, own []string
	mine := l.own()
	for line := range strings.Lines(instead.ReplaceAllString(l.text, "")) {
		if len(all)+len(own) >= maxRecipients {
			break
		}
		head := line[:min(len(line), maxLabel)]
		if aboutSender.MatchString(head) {
			continue
		}
		summary := inSummary.MatchString(head)
		for _, address := range addresses(line) {
			switch {
			case helper.MatchString(address):
			case summary || has(mine, address):
				own = append(own, address)
			default:
				all = append(all, address)
			}
		}
	}
	if all = distinct(all); len(all) > 0 || !l.technical() {
		return all
	}
	return distinct(own)
}

// maxLabel is how much of a line is looked at for what it is about.
const maxLabel = 200

var (
	aboutSender = regexp.MustCompile(`(?i)^[\s>*-]*(?:from|sender|original sender|return-path|reply-to|mail from|message-id|in-reply-to|references|envelope[- ]from|(?:>>> )?mail from|contact|system contact|550-f=)\b ?:|mail from:`)
	inSummary   = regexp.MustCompile(`(?i)^[\s>]*(?:to|cc)[ \t]*:|mail from `)
	helper      = regexp.MustCompile(`(?i)^(?:postmaster|post_master|mailer-daemon|abuse|support|helpdesk|hostmaster|webmaster)@|//|\?`)
	// instead is whom to turn to.
	instead  = regexp.MustCompile(`(?i)\b(?:contact|write to|wenden sie sich(?: bitte)? an|kontaktieren sie(?: bitte)?|schreiben sie(?: bitte)? an|contacte[rz]?|contactar(?: con)?|contattare|scrivere a|contact op met)[\s:<]{1,5}[^\s<>@]{1,64}@[^\s<>]{1,253}`)
	standing = regexp.MustCompile(`(?im)^[ \t>*•-]*(?:[a-z' ]{0,40}(?:recipients?|user|userid|address|to|for|failed|attempts|mailbox|size|rcpt to|account)(?: \w+)?[ \t]*:[ \t]*)?["'<(]*([^\s<>()\[\]:;@\\,"']{1,64}@[^\s<>()\[\]:;@\\,"']{1,253}?)[">').]*(?:[ \t]*[:;,\[(=-].*|[ \t]+\.\.\. .*)?[ \t]*$`)
)

// standing is those of some addresses that stand at the head of a line, alone or
// with what is said of them, or behind a word such as "Recipient:".
func (l *letter) standing(named []string) []string {
	var found []string
	for _, m := range standing.FindAllStringSubmatch(l.text, maxRecipients) {
		if has(named, m[1]) {
			found = append(found, m[1])
		}
	}
	return distinct(found)
}

// statusInText reads a delivery status that stands in the text, as it does where the
// parts were lost on the way or were never made.
func statusInText(l *letter) *Report {
	if !strings.Contains(l.lower, "final-recipient:") || !statusField.MatchString(l.lower) {
		return nil
	}
	return fromGroups(parts.Groups([]byte(l.text), maxRecipients+1))
}

var statusField = regexp.MustCompile(`(?im)^[ \t]*(?:action|status|diagnostic-code)[ \t]*:`)
