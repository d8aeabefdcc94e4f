package bounce

import (
	"regexp"
	"strings"

	"pratique/watch/parts"
	"pratique/watch/reason"
)

// heuristic reads a bounce that is no RFC 3464. It is conservative: the message has
// to come from a mailer, and has to have one of the forms that are known.
func heuristic(message *parts.Part) *Report {
	if !fromMailer(message.Header) {
		return nil
	}
	text, original := split(message)
	lower := strings.ToLower(text)
	for _, f := range forms {
		if !f.marked(lower, message.Header) {
			continue
		}
		r := &Report{Form: f.name, MessageID: messageID(original), Recipients: f.read(text, message.Header)}
		if f.name == "postfix" {
			r.ReportingMTA = hostAfter(lower, "this is the mail system at host ")
		}
		late := f.delayed != "" && strings.Contains(lower, f.delayed)
		for i := range r.Recipients {
			finish(&r.Recipients[i], late)
		}
		if len(r.Recipients) > 0 {
			return r
		}
	}
	return nil
}

// finish fills in what the words of a recipient tell.
func finish(r *Recipient, late bool) {
	r.Diagnostic = strings.Join(strings.Fields(r.Diagnostic), " ")
	r.Diagnostic = r.Diagnostic[:min(len(r.Diagnostic), maxExplanation)]
	r.Status = reason.EnhancedCode(r.Diagnostic)
	r.Action = Failed
	if late {
		r.Action = Delayed
	}
	if m := atHost.FindStringSubmatch(r.Diagnostic); m != nil {
		r.RemoteMTA = strings.ToLower(strings.Trim(m[1], "."))
	}
}

// atHost is how Postfix, Exim, sendmail and Gmail name the host that answered.
var atHost = regexp.MustCompile(`(?:^host |while talking to |recipient domain \S+ by |^)([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)\.?(?:\s?\[|:)`)

func hostAfter(text, words string) string {
	_, after, _ := strings.Cut(text, words)
	name, _, _ := strings.Cut(after, "\n")
	return strings.TrimSuffix(strings.TrimSpace(name), ".")
}

// fromMailer reports whether a message is one that a mail system writes, and no
// answer of a person or of a person's programs (RFC 3834).
func fromMailer(h parts.Header) bool {
	if h.Get("X-Failed-Recipients") != "" {
		return true
	}
	if strings.HasPrefix(strings.ToLower(h.Get("Auto-Submitted")), "auto-replied") && h.Get("X-Autoreply") != "" {
		return false
	}
	from := strings.ToLower(h.Get("From"))
	for _, name := range []string{"mailer-daemon", "postmaster", "mail delivery", "mail administrator", "maildelivery", "mailerdaemon", "mdaemon", "system administrator", "microsoft exchange", "mail system", "double-bounce"} {
		if strings.Contains(from, name) {
			return true
		}
	}
	path := h.Get("Return-Path")
	return path == "<>" && undelivered.MatchString(h.Get("Subject"))
}

var undelivered = regexp.MustCompile(`(?i)undeliver|delivery (status|fail|problem|delayed)|failure notice|returned mail|mail delivery|non[- ]?remis|unzustellbar|delivery notification|could not be delivered|message not delivered|delayed mail`)

// split returns the words of the mail system and the header of the message that it
// returns, as a part or behind a line in the text.
func split(message *parts.Part) (text string, original parts.Header) {
	var b strings.Builder
	var html string
	var visit func(p *parts.Part)
	visit = func(p *parts.Part) {
		switch {
		case p.Type == "message/rfc822" || p.Type == "message/global":
			if p != message && len(p.Parts) > 0 && original == nil {
				original = p.Parts[0].Header
			}
			return
		case p.Type == "text/rfc822-headers":
			if original == nil {
				original = parts.ParseHeader(p.Decoded())
			}
		case p.Type == "text/plain" && original == nil && b.Len() < maxText:
			b.WriteString(p.Text() + "\n")
		case p.Type == "text/html" && html == "":
			html = p.Text()
		}
		for _, child := range p.Parts {
			visit(child)
		}
	}
	visit(message)
	text = b.String()
	if strings.TrimSpace(text) == "" {
		text = html
	}
	text = strings.ReplaceAll(text, "\r\n", "\n")
	if at := returned.FindStringIndex(text); at != nil {
		if original == nil {
			original = parts.ParseHeader([]byte(strings.TrimLeft(text[at[1]:], " \t\n")))
		}
		text = text[:at[0]]
	}
	return text, original
}

// maxText is about how much of a message is looked through for recipients.
const maxText = 256 << 10

// returned is the line behind which a mail system puts the message that it returns.
var returned = regexp.MustCompile(`(?im)^[ \t>*-]*(?:-{2,} ?(?:below this line is a copy of the message|this is a copy of (?:the|your) message|original message follows|original message|unsent message follows|message header follows|message headers? follow|returned message|the header of the original message|the body of your message)|below this line is a copy of the message|possibly truncated original message follows:|original message headers:|------ this is a copy of).*$`)

// form is how one kind of mail system writes.
type form struct {
	name    string
	marks   []string // any of these words, in lower case
	header  string   // or this field
	delayed string   // words that tell that it is not for good
	read    func(text string, h parts.Header) []Recipient
}

func (f form) marked(lower string, h parts.Header) bool {
	if f.header != "" && h.Get(f.header) != "" {
		return true
	}
	for _, m := range f.marks {
		if strings.Contains(lower, m) {
			return true
		}
	}
	return false
}

// forms are tried in this order.
var forms = []form{
	{name: "qmail", marks: []string{"this is the qmail-send program", "i'm afraid i wasn't able to deliver your message", "this is the machine generated message from mail service"}, read: paragraphs},
	{name: "postfix", marks: []string{"this is the mail system at host", "this is the postfix program at host"}, delayed: "this is a warning only", read: paragraphs},
	{name: "sendmail", marks: []string{"the following addresses had permanent fatal errors", "the following addresses had transient non-fatal errors", "transcript of session follows"},
		delayed: "this is a warning message only", read: sendmailForm},
	{name: "gmail", marks: []string{"delivery to the following recipient failed permanently", "delivery to the following recipient has been delayed", "delivery to the following recipients failed permanently",
		"your message wasn't delivered to", "there was a problem delivering your message to", "there was a temporary problem delivering your message to"},
		delayed: "gmail will retry", read: gmailForm},
	{name: "exim", header: "X-Failed-Recipients", marks: []string{"this message was created automatically by mail delivery software"}, delayed: "no action is required on your part", read: eximForm},
	{name: "exchange", marks: []string{"did not reach the following recipient(s)", "delivery has failed to these recipients", "did not reach some or all of the intended recipients", "your message did not reach",
		"delivery has failed to these recipients or distribution lists", "couldn't be delivered to", "the following recipient(s) cannot be reached", "the following recipient(s) could not be reached"},
		delayed: "this message hasn't been delivered yet", read: exchangeForm},
	{name: "domino", marks: []string{"was not delivered to:", "was not delivered to\n"}, read: dominoForm},
	{name: "yahoo", marks: []string{"message from yahoo", "we were unable to deliver your message to the following address", "unable to deliver message to the following address"}, read: paragraphs},
	{name: "courier", marks: []string{"undeliverable mail", "your message to the following recipients cannot be delivered", "could not be delivered to the following", "the following recipients could not be reached",
		"delivery to the following recipients failed", "your message cannot be delivered to the following recipients"}, read: anyParagraph},
	{name: "other", marks: []string{"the message that you sent was undeliverable", "your message could not be delivered", "could not be delivered to one or more of its recipients", "couldn't be delivered", "permanent delivery failure"}, read: inSentences},
}

// starts finds the beginnings of what a text says of each recipient, up to the next
// one, and reads on what is between.
func starts(text string, start *regexp.Regexp) []Recipient {
	var found []Recipient
	at := start.FindAllStringSubmatchIndex(text, maxRecipients)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		found = append(found, Recipient{Final: text[m[2]:m[3]], Diagnostic: firstParagraph(text[m[1]:end])})
	}
	return found
}

// firstParagraph returns the text up to the first empty line that follows some words.
func firstParagraph(text string) string {
	text = strings.TrimLeft(text, " \t\n:")
	if i := emptyLine.FindStringIndex(text); i != nil {
		return text[:i[0]]
	}
	return text
}

var (
	emptyLine = regexp.MustCompile(`\n[ \t]*\n`)

	// "<user@example.net>: words", or the words on the next line (qmail, Postfix, Yahoo, Courier).
	bracketed = regexp.MustCompile(`(?m)^[ \t]*<([^<>\s]+@[^<>\s]+)>(?: \(expanded from\s+<[^>]*>\))?:`)
	// An address alone on its line, indented or not.
	alone = regexp.MustCompile(`(?m)^[ \t]*<?([^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253})>?[ \t]*:?[ \t]*$`)
)

func paragraphs(text string, _ parts.Header) []Recipient { return starts(text, bracketed) }

func anyParagraph(text string, h parts.Header) []Recipient {
	if found := paragraphs(text, h); len(found) > 0 {
		return found
	}
	return starts(text, alone)
}

// inSentences finds recipients as GroupWise, MDaemon, Zoho and Exchange name them:
// each in a sentence or a line of its own, where the reason is told, too.
func inSentences(text string, _ parts.Header) []Recipient {
	for _, form := range sentences {
		var found []Recipient
		for _, m := range form.FindAllStringSubmatch(text, maxRecipients) {
			r := Recipient{Final: m[1], Diagnostic: m[2]}
			if r.Diagnostic == "" {
				r.Diagnostic = text
			}
			found = append(found, r)
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

var sentences = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^[ \t]+([^\s<>(),]+@[^\s<>(),]+) \(([^()\n]+)\)[ \t]*$`),
	regexp.MustCompile(`(?im)^failed address:[ \t]*<?([^\s<>(),]+@[^\s<>(),]+)>?()`),
	regexp.MustCompile(`(?m)^([^\s<>(),]+@[^\s<>(),]+), (ERROR_CODE.*)$`),
	regexp.MustCompile(`(?i)your message to\s+([^\s<>(),]+@[^\s<>(),]+)\s+couldn't be delivered()`),
}

// sendmailForm: addresses alone on lines, each with its "(reason: …)", and a transcript.
func sendmailForm(text string, _ parts.Header) []Recipient {
	text, transcript, _ := strings.Cut(text, "----- Transcript of session follows")
	found := starts(text, alone)
	if len(found) == 0 {
		found = starts(transcript, inTranscript)
	}
	for i := range found {
		if m := reasonIn.FindStringSubmatch(found[i].Diagnostic); m != nil {
			found[i].Diagnostic = m[1]
		} else if said := answerTo(transcript, found[i].Final); said != "" {
			found[i].Diagnostic = said
		}
	}
	return found
}

var (
	reasonIn     = regexp.MustCompile(`(?s)\(reason: (.*?)\)\s*$`)
	inTranscript = regexp.MustCompile(`(?m)^[245]\d\d (?:[245]\.\d+\.\d+ )?<([^<>\s]+@[^<>\s]+)>\.\.\.`)
)

// answerTo returns the line of a transcript that names an address, and the server's
// answer before it.
func answerTo(transcript, address string) string {
	var said string
	for line := range strings.Lines(transcript) {
		line = strings.TrimSpace(line)
		if answer, ok := strings.CutPrefix(line, "<<< "); ok {
			said = answer
		}
		if strings.Contains(line, "<"+address+">...") {
			return strings.TrimSpace(line + " " + said)
		}
	}
	return said
}

// gmailForm names the recipient in a sentence or on a line, and has the answer of
// the other server behind some words.
func gmailForm(text string, h parts.Header) []Recipient {
	words := text
	for _, mark := range []string{"The response was:", "The response from the remote server was:", "The error that the other server returned was:", "Technical details of permanent failure:", "Technical details of temporary failure:"} {
		if _, after, ok := strings.Cut(text, mark); ok {
			words = firstParagraph(after)
			break
		}
	}
	var found []Recipient
	if m := gmailSentence.FindStringSubmatch(text); m != nil {
		found = []Recipient{{Final: strings.TrimRight(m[1], ".")}}
	} else {
		found = starts(text, alone)
	}
	if failed := addresses(h.Get("X-Failed-Recipients")); len(failed) > 0 {
		found = found[:0]
		for _, address := range failed {
			found = append(found, Recipient{Final: address})
		}
	}
	for i := range found {
		found[i].Diagnostic = words
	}
	return found
}

var gmailSentence = regexp.MustCompile(`(?:wasn't delivered to|problem delivering your message to)\s+([^\s<>]+@[^\s<>]+?)\.?(?:\s|$)`)

// eximForm: addresses alone on indented lines with the reason below them. The field
// X-Failed-Recipients says which of them are meant.
func eximForm(text string, h parts.Header) []Recipient {
	found := starts(text, indented)
	wanted := addresses(h.Get("X-Failed-Recipients"))
	if len(wanted) == 0 {
		return found
	}
	var kept []Recipient
	for _, address := range wanted {
		r := Recipient{Final: address}
		for _, f := range found {
			if strings.EqualFold(f.Final, address) {
				r.Diagnostic = f.Diagnostic
			}
		}
		kept = append(kept, r)
	}
	return kept
}

var indented = regexp.MustCompile(`(?m)^[ \t]+([^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253})(?:[ \t]+\(generated from [^)]*\))?:?[ \t]*$`)

// exchangeForm has, for administrators, the address alone on a line with what the
// server returned below it; older ones have it before " on " and a date.
func exchangeForm(text string, _ parts.Header) []Recipient {
	if found := starts(text, exchangeDated); len(found) > 0 {
		return found
	}
	if _, details, ok := strings.Cut(text, "Diagnostic information for administrators:"); ok {
		if found := starts(details, exchangeLine); len(found) > 0 {
			return found
		}
	}
	return starts(text, exchangeAny)
}

var (
	exchangeDated = regexp.MustCompile(`(?m)^[ \t]*'?([^\s<>()'\[\]:;@\\,"]{1,64}@[^\s<>()'\[\]:;@\\,"]{1,253})'? on \S.*$`)
	exchangeLine  = regexp.MustCompile(`(?m)^[ \t]*([^\s<>()\[\]:;@\\,"#]{1,64}@[^\s<>()\[\]:;@\\,"'#]{1,253})[ \t]*(?:$|#)`)
	exchangeAny   = regexp.MustCompile(`(?m)^.*?\(?(?:mailto:)?([^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253})[>)]?.*$`)
)

// dominoForm: the addresses stand behind "was not delivered to:", the reason behind "because:".
func dominoForm(text string, _ parts.Header) []Recipient {
	_, after, ok := strings.Cut(text, "was not delivered to")
	if !ok {
		return nil
	}
	who, because, _ := strings.Cut(after, "because:")
	var found []Recipient
	for _, address := range addresses(who) {
		found = append(found, Recipient{Final: address, Diagnostic: firstParagraph(because)})
	}
	return found
}
