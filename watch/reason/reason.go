// Package reason tells why a receiver did not take a message: one of a few classes
// (hard, soft, block, policy), a name within it, and a form of the receiver's own
// words that names nobody. It reads replies of SMTP servers and what MTAs make of
// them. Whom the reply was about, and where it stood, is for others.
package reason

import (
	"regexp"
	"strings"
)

// Class tells what is to be done about a bounce.
type Class string

// The classes.
const (
	Hard    Class = "hard"    // the recipient can't be reached, now or later: take it off the list
	Soft    Class = "soft"    // the recipient, or its server, could not take it at this time: try again later
	Block   Class = "block"   // the receiver refuses us, or takes the message for spam: mend the reputation
	Policy  Class = "policy"  // the receiver's rules are not met (authentication, form, size, relaying): mend the set-up
	Unknown Class = "unknown" // nothing in the reply tells
)

// Classes returns all classes, in the order in which they are shown.
func Classes() []Class { return []Class{Hard, Block, Policy, Soft, Unknown} }

// Reason is why a message was not taken.
type Reason struct {
	Class Class  `json:"class"`
	Name  string `json:"name"` // such as "unknown_user"; of a closed list
	Code  string `json:"code"` // enhanced status code (RFC 3463), else the reply code of SMTP, else ""
}

// Key returns the reason in one line, "hard/unknown_user 5.1.1".
func (r Reason) Key() string {
	return strings.TrimRight(string(r.Class)+"/"+r.Name+" "+r.Code, " ")
}

// Of tells the reason from an enhanced status code ("5.1.1", or "") and the words
// of the receiver or of the MTA. The words go first: many receivers give every
// refusal the same code, and some give a wrong one. A reply code or an enhanced
// code within the words counts where status is "" or says nothing ("5.0.0").
func Of(status, text string) Reason {
	text = oneLine(text)
	reply, enhanced := codesIn(text)
	code := status
	if code == "" || strings.HasSuffix(code, ".0.0") && enhanced != "" && enhanced[0] == code[0] {
		code = enhanced
	}
	if code == "" {
		code = reply
	}
	r := Reason{Code: code}
	r.Class, r.Name = why(code, reply, wordsOf(status, text))
	if r.Class == Hard && (beforeRecipient.MatchString(text) || ofSender.MatchString(text)) {
		r.Class, r.Name = Policy, "restricted"
	}
	return r
}

// ofSender is words about our side, with which a user, a mailbox or a domain that does not
// exist is not the recipient's: taking that off the list would be wrong.
var ofSender = regexp.MustCompile(`(?i)\bsender(?:'s)? (?:e-?mail|address|domain|mailbox|account|host|verif|call)|\bverify (?:the )?sender|\bcall(?:out|back)\b|` +
	`\bmail from (?:\S+ (?:refused|rejected)|address|domain)|\breturn[- ]path\b|\bfrom:?(?: header)? (?:address|domain|header)\b|\bsending (?:account|domain|address)\b|` +
	`\byour (?:domain|ip|host|server|mail server|account)\b|\bauthentication fail|\bpassword\b`)

// beforeRecipient is how Postfix, Exim and others tell at which command they were refused:
// no recipient was named yet.
var beforeRecipient = regexp.MustCompile(`(?i)(?:in reply to|after|did not like our) (?:mail from|ehlo|helo)\b`)

// why looks into the table, then at the code, then at the reply code in the words. Where
// all that tells is a refusal, weak words tell more.
func why(code, reply, words string) (Class, string) {
	temporary := strings.HasPrefix(code, "4") && !strings.HasPrefix(reply, "5") // soft_bounce of Postfix has both
	var class Class
	var name string
	if row, ok := byWords(table, words, temporary); ok {
		class, name = row.class, row.name
	} else if class, name = byCode(code); class == Unknown {
		class, name = byReply(reply)
	}
	if class == Unknown || name == "refused" {
		if row, ok := byWords(weak, words, temporary); ok {
			return row.class, row.name
		}
	}
	return class, name
}

// wordsOf returns what the table is held against: without names of hosts and
// mailboxes, which say "spam" or "quota" for reasons of their own.
func wordsOf(status, text string) string {
	text = hostAndAddress.ReplaceAllString(text, " ")
	text = address.ReplaceAllString(text, " ")
	text = continued.ReplaceAllString(text, " ")
	text = boilerplate.ReplaceAllString(text, " ")
	return strings.ToLower(" " + status + " " + text + " ")
}

// codes finds the reply code of SMTP and the enhanced code behind it, as in
// "550-5.1.1 The email …", "said: 554 delivery error" or "(#5.1.1)".
var codes = regexp.MustCompile(`(?:^|[\s:(\[#-])([45]\d\d)(?:[\s-]+#?([245]\.\d{1,3}\.\d{1,3}))?(?:[\s,;:)\]-]|$)|(?:^|[\s(\[#])([245]\.\d{1,3}\.\d{1,3})(?:[\s,;:)\]-]|$)`)

func codesIn(text string) (reply, enhanced string) {
	for _, m := range codes.FindAllStringSubmatch(text[:min(len(text), 2000)], 8) {
		if reply == "" {
			reply = m[1]
		}
		if enhanced == "" {
			enhanced = m[2] + m[3]
		}
	}
	if reply != "" && enhanced != "" && reply[0] != enhanced[0] {
		return reply, "" // they contradict each other: a number that was no code
	}
	return reply, enhanced
}

// EnhancedCode returns the first enhanced status code in a text, or "".
func EnhancedCode(text string) string {
	_, enhanced := codesIn(oneLine(text))
	return enhanced
}

// maxWords bounds what is looked at: what a server has to say stands at the beginning.
const maxWords = 4000

func oneLine(text string) string {
	return strings.Join(strings.Fields(text[:min(len(text), maxWords)]), " ")
}

var (
	// A host as Postfix and others name it: "mx.example.net[192.0.2.1]:25".
	hostAndAddress = regexp.MustCompile(`\S+\[[0-9A-Fa-f.:]+\](?::\d+)?`)
	// A continued reply repeats its code, which then stands in the middle of a sentence.
	continued = regexp.MustCompile(` [245]\d\d[- ](?:[245]\.\d{1,3}\.\d{1,3} )?`)
)

// boilerplate is what says nothing: the words that Cisco's gateways put before the reply
// of another server, by its class alone, and those that Postfix puts before a failure
// that it remembers.
var boilerplate = regexp.MustCompile(`(?i)\b5\.[13]\.0 - (?:unknown address error|other mail system problem)\b|delivery temporarily suspended:`)

// byWords finds the first row of a table whose phrase is in a text in lower case.
func byWords(table []row, text string, temporary bool) (row, bool) {
	for _, r := range table {
		if r.only == "4" && !temporary || r.only == "5" && temporary {
			continue
		}
		for _, phrase := range r.phrases {
			if contains(text, phrase) {
				return r, true
			}
		}
	}
	return row{}, false
}

// contains reports whether the parts of a phrase, separated by "…", stand in a text
// in that order.
func contains(text, phrase string) bool {
	for part := range strings.SplitSeq(phrase, "…") {
		_, after, ok := strings.Cut(text, part)
		if !ok {
			return false
		}
		text = after
	}
	return true
}

var (
	// The code of a second and further line, with what ends the one before it.
	continuedAgain = regexp.MustCompile(` [245]\d\d-(?:[245]\.\d{1,3}\.\d{1,3} )?`)

	address = regexp.MustCompile(`<?[^\s<>@,;:"()]*@[^\s<>@,;:"()]+>?`)
	quoted  = regexp.MustCompile(`"[^"]*"@\S+`)
	link    = regexp.MustCompile(`https?://([^/\s]+)\S*`)
	ipv4    = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b`)
	ipv6    = regexp.MustCompile(`\b(?:[0-9a-fA-F]{1,4}:){3,}[0-9a-fA-F:.]*`)
	mark    = regexp.MustCompile(`\b(?:[A-Za-z0-9_-]*\d[A-Za-z0-9_-]*[-._]){2,}[A-Za-z0-9._-]*|\b[A-Za-z0-9+/_-]{24,}={0,2}`)
)

// maxShown is how much of a receiver's words is kept.
const maxShown = 200

// Anonymous returns the words of a receiver so that they may be kept and shown:
// one line, cut short, without addresses, host addresses, the path of a link, and
// the marks by which servers find their own logs. What is alike becomes equal.
func Anonymous(text string) string {
	text = continuedAgain.ReplaceAllString(oneLine(text), " ")
	text = quoted.ReplaceAllString(text, "<address>")
	text = address.ReplaceAllString(text, "<address>")
	text = link.ReplaceAllString(text, "https://$1/…")
	text = ipv6.ReplaceAllString(text, "<ip>")
	text = ipv4.ReplaceAllString(text, "<ip>")
	text = mark.ReplaceAllStringFunc(text, func(word string) string {
		if EnhancedCode(word) != "" || !strings.ContainsAny(word, "0123456789") {
			return word
		}
		return "<id>"
	})
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r == 0xfffd {
			return -1
		}
		return r
	}, text)
	if len(text) > maxShown {
		cut := maxShown
		for cut > 0 && text[cut]&0xc0 == 0x80 { // not within a character
			cut--
		}
		text = text[:cut] + "…"
	}
	return text
}
