package bounce

import (
	"regexp"
	"strings"
)

// inWords reads a bounce that is no RFC 3464, in one of the forms that are known, or
// in any other.
func inWords(l *letter) *Report {
	for _, f := range forms {
		if !f.marked(l) {
			continue
		}
		found := f.read(l)
		if len(found) == 0 {
			continue
		}
		r := &Report{Form: f.name, Recipients: found}
		if f.name == "postfix" {
			r.ReportingMTA = hostAfter(l.lower, " at host ")
		}
		late := l.late()
		for i := range found {
			if found[i].Action == "" && late {
				found[i].Action = Delayed
			}
		}
		return r
	}
	return nil
}

// atHost is how Postfix, Exim, sendmail and Gmail name the host that answered.
var atHost = regexp.MustCompile(`(?:^host |while talking to |recipient domain \S+ by |^)([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)\.?(?:\s?\[|:)`)

func hostAfter(text, words string) string {
	_, after, _ := strings.Cut(text, words)
	name, _, _ := strings.Cut(after, "\n")
	return strings.TrimSuffix(strings.TrimSpace(name), ".")
}

// form is how one kind of mail system writes.
type form struct {
	name   string
	marks  []string // any of these words, in lower case; none: every letter is marked
	header string   // or this field
	read   func(l *letter) []Recipient
}

func (f form) marked(l *letter) bool {
	if len(f.marks) == 0 || f.header != "" && l.header.Get(f.header) != "" {
		return true
	}
	for _, m := range f.marks {
		if strings.Contains(l.lower, m) {
			return true
		}
	}
	return false
}

// forms are tried in this order; the first that finds a recipient has it.
var forms = []form{
	{name: "qmail", marks: []string{"this is the qmail-send program", "i'm afraid i wasn't able to deliver your message", "this is the machine generated message from mail service"}, read: paragraphs},
	{name: "postfix", marks: []string{"this is the mail system at host", "this is the postfix program at host", "i'm sorry to have to inform you that"}, read: paragraphs},
	{name: "sendmail", marks: []string{"the following addresses had permanent fatal errors", "the following addresses had transient non-fatal errors", "transcript of session follows"}, read: sendmailForm},
	{name: "gmail", marks: []string{"delivery to the following recipient failed permanently", "delivery to the following recipient has been delayed", "delivery to the following recipients failed permanently",
		"your message wasn't delivered to", "there was a problem delivering your message to", "there was a temporary problem delivering your message to"}, read: gmailForm},
	{name: "dma", marks: []string{"this is the dragonfly mail agent"}, read: other},
	{name: "exim", header: "X-Failed-Recipients", marks: []string{"this message was created automatically by mail delivery software"}, read: eximForm},
	{name: "exchange", marks: []string{"did not reach the following recipient(s)", "delivery has failed to these recipients", "did not reach some or all of the intended recipients", "your message did not reach",
		"couldn't be delivered to", "the following recipient(s) cannot be reached", "the following recipient(s) could not be reached", "diagnostic information for administrators"}, read: exchangeForm},
	{name: "domino", marks: []string{"was not delivered to:", "was not delivered to\n"}, read: dominoForm},
	{name: "aol", marks: []string{"because they are not accepting mail"}, read: aolForm},
	{name: "yahoo", marks: []string{"message from yahoo", "we were unable to deliver your message to the following address", "unable to deliver message to the following address"}, read: paragraphs},
	{name: "other", read: evidently(inSentences)},
	{name: "other", read: evidently(paragraphs)},
	{name: "other", read: other},
}

// evidently reads only letters that are bounces whatever their form: addresses with
// words behind them stand in many a letter.
func evidently(read func(l *letter) []Recipient) func(l *letter) []Recipient {
	return func(l *letter) []Recipient {
		if !l.evident() {
			return nil
		}
		return read(l)
	}
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
		r := Recipient{Final: text[m[2]:m[3]], Diagnostic: text[m[1]:end]}
		if came := cameFrom.FindStringSubmatch(r.Diagnostic); came != nil {
			r.Original, r.Diagnostic = came[1], r.Diagnostic[len(came[0]):]
		}
		r.Diagnostic = firstParagraph(r.Diagnostic)
		found = append(found, r)
	}
	return found
}

// cameFrom is how Postfix, sendmail and Exim tell which address became this one.
var cameFrom = regexp.MustCompile(`\A\s*\((?:expanded|generated|ultimately generated) from:?\s+<?([^\s<>()]+@[^\s<>()]+)>?\)`)

// firstParagraph returns the text up to the first empty line that follows some words.
func firstParagraph(text string) string {
	text = strings.TrimLeft(text, " \t\n:>,.)\"'")
	if i := emptyLine.FindStringIndex(text); i != nil {
		return text[:i[0]]
	}
	return text
}

var (
	emptyLine = regexp.MustCompile(`\n[ \t]*\n|\n_{20,}`)

	// "<user@example.net>: words", or the words on the next line (qmail, Postfix, Yahoo, Courier).
	bracketed = regexp.MustCompile(`(?m)^[ \t]*<([^<>\s]+@[^<>\s]+)>(?:( \(expanded from\s+<[^>]*>\)):|:)`)
	// An address alone on its line, indented or not.
	alone = regexp.MustCompile(`(?m)^[ \t]*<?([^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253})>?[ \t]*:?[ \t]*$`)
)

func paragraphs(l *letter) []Recipient {
	found := starts(l.text, bracketed)
	for i, m := range bracketed.FindAllStringSubmatch(l.text, len(found)) {
		if came := cameFrom.FindStringSubmatch(m[2]); came != nil {
			found[i].Original = came[1]
		}
	}
	return found
}

// inSentences finds recipients as GroupWise, MDaemon, Zoho, OpenSMTPD and Exchange name
// them: each in a sentence or a line of its own, where the reason is told, too.
func inSentences(l *letter) []Recipient {
	for _, form := range sentences {
		var found []Recipient
		for _, m := range form.FindAllStringSubmatch(l.text, maxRecipients) {
			found = append(found, Recipient{Final: m[1], Diagnostic: m[2]})
		}
		if len(found) > 0 {
			return found
		}
	}
	return nil
}

var sentences = []*regexp.Regexp{
	regexp.MustCompile(`(?m)^[ \t]+([^\s<>(),]+@[^\s<>(),]+) \(([^()\n]+)\)[ \t]*$`),
	regexp.MustCompile(`(?im)^failed (?:address|recipient):[ \t]*<?([^\s<>(),]+@[^\s<>(),]+)>?()`),
	regexp.MustCompile(`(?m)^([^\s<>(),]+@[^\s<>(),]+),? (?:[A-Z][A-Za-z ]{0,40}, )?(ERROR_CODE.*)$`),
	regexp.MustCompile(`(?i)your message to\s+([^\s<>(),]+@[^\s<>(),]+)\s+couldn't be delivered()`),
	regexp.MustCompile(`(?m)^([^\s<>(),:]+@[^\s<>(),:]+): ([45]\d\d[ -].*|[A-Z].*)$`),
}

// sendmailForm: addresses alone on lines, each with its "(reason: …)", and a transcript.
func sendmailForm(l *letter) []Recipient {
	text, transcript, _ := strings.Cut(l.text, "----- Transcript of session follows")
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
func gmailForm(l *letter) []Recipient {
	text, words := l.text, l.text
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
	if failed := addresses(l.header.Get("X-Failed-Recipients")); len(failed) > 0 {
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
func eximForm(l *letter) []Recipient {
	found := starts(l.text, indented)
	wanted := addresses(l.header.Get("X-Failed-Recipients"))
	if len(wanted) == 0 {
		return found
	}
	var kept []Recipient
	for _, address := range distinct(wanted) {
		r := Recipient{Final: address}
		for _, f := range found {
			if strings.EqualFold(f.Final, address) || strings.EqualFold(f.Original, address) || len(found) == 1 && len(wanted) == 1 {
				r.Original, r.Diagnostic = f.Original, f.Diagnostic
			}
		}
		kept = append(kept, r)
	}
	return kept
}

// behindAlias puts the addresses that failed into a status of Exim, which names only the
// alias that they came from, once for each, and may give one the words about another.
func (r *Report) behindAlias(l *letter) {
	if l.header.Get("X-Failed-Recipients") == "" {
		return
	}
	found := eximForm(l)
	if len(found) != len(r.Recipients) {
		return
	}
	told := map[string]int{}
	for i := range found {
		told[strings.ToLower(r.Recipients[i].Final)]++
		told[strings.ToLower(found[i].Original)]--
	}
	for _, n := range told {
		if n != 0 {
			return
		}
	}
	for i := range found {
		found[i].Action = r.Recipients[i].Action
	}
	r.Recipients = found
}

var indented = regexp.MustCompile(`(?m)^[ \t]+([^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253}?):?[ \t]*$`)

// exchangeForm has, for administrators, the address alone on a line with what the
// server returned below it; older ones have it before " on " and a date.
func exchangeForm(l *letter) []Recipient {
	if found := starts(l.text, exchangeDated); len(found) > 0 {
		return found
	}
	if at := strings.Index(l.lower, "diagnostic information for administrators"); at >= 0 && len(l.lower) == len(l.text) {
		if found := starts(l.text[at:], exchangeLine); len(found) > 0 {
			return found
		}
	}
	return other(l)
}

var (
	exchangeDated = regexp.MustCompile(`(?m)^[ \t]*'?(?:(?i:smtp)[=:])?([^\s<>()'\[\]:;@\\,"]{1,64}@[^\s<>()'\[\]:;@\\,"]{1,253})'? on \S.*$`)
	exchangeLine  = regexp.MustCompile(`(?m)^[ \t]*<?([^\s<>()\[\]:;@\\,"#]{1,64}@[^\s<>()\[\]:;@\\,"'#]{1,253})>?[ \t]*(?:$|#)`)
)

// dominoForm: the addresses stand behind "was not delivered to:", the reason behind "because:".
func dominoForm(l *letter) []Recipient {
	_, after, ok := strings.Cut(l.text, "was not delivered to")
	if !ok {
		return nil
	}
	who, because, ok := strings.Cut(after, "because:")
	if !ok {
		return nil // a sentence of somebody else
	}
	var found []Recipient
	for _, address := range addresses(who) {
		found = append(found, Recipient{Final: address, Diagnostic: firstParagraph(because)})
	}
	return found
}

// aolForm names mailboxes alone on lines, of the domain that the letter comes from.
func aolForm(l *letter) []Recipient {
	from := addresses(l.header.Get("From"))
	if len(from) == 0 {
		return nil
	}
	_, domain, _ := strings.Cut(from[0], "@")
	var found []Recipient
	for _, m := range screenName.FindAllStringSubmatch(l.text, maxRecipients) {
		found = append(found, Recipient{Final: m[1] + "@" + strings.ToLower(domain)})
	}
	return found
}

var screenName = regexp.MustCompile(`(?m)^[ \t]+([A-Za-z0-9._-]{1,64})[ \t]*$`)
