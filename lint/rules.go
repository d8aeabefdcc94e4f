package lint

import "slices"

// Action is what a finding of a rule does to the message.
type Action string

// The actions of a rule.
const (
	Reject  Action = "reject"  // refuse the message, for good
	Warn    Action = "warn"    // record and accept
	Fix     Action = "fix"     // mend, record what was changed, accept
	Observe Action = "observe" // evaluate and count only
	Off     Action = "off"     // do not evaluate
)

// reply is the SMTP answer to a message that a rule rejects. A greater one is worse.
type reply uint8

const (
	badForm     reply = iota // 550 5.6.0, message content (RFC 3463 3.7)
	tooBig                   // 552 5.3.4, too big for the system (RFC 3463 3.4)
	blockedType              // 552 5.7.0, as Gmail answers blocked attachments
	badHeader                // 550 5.7.1, as Gmail answers header faults
)

func (r reply) codes() (code int, enhanced string) {
	switch r {
	case tooBig:
		return 552, "5.3.4"
	case blockedType:
		return 552, "5.7.0"
	case badHeader:
		return 550, "5.7.1"
	default:
		return 550, "5.6.0"
	}
}

// Rule is one row of the catalogue.
type Rule struct {
	ID          string
	Name        string // a few words, as a refusal says it
	Description string // one sentence
	Source      string
	Default     Action
	Answer      string // what a big receiver says to such a message, "" if not known
	Fixes       bool   // the action fix is possible

	reply  reply
	dns    bool // the rule asks the DNS
	told   bool // it has no function: where a fix is made, what it says is found
	gate   bool // it has no function: access judges by it, at MAIL and at From
	octets bool // the rule looks at every octet of encoded data or text
	// inner: the rule is as strict inside a forwarded message (message/rfc822)
	// as outside. Rules of mere form are not: the forwarder did not write it
	// and must not mend it, so there they warn at most.
	inner bool

	document bool // it looks at what documents of html keep for it

	header func(*header)      // once, when the header of the message is complete
	part   func(*body, *part) // when the header of an entity is complete, the message's own first
	ended  func(*body, *part) // when an entity has ended, inner ones first
	end    func(*body)        // once, at the end of the message
}

const (
	gmailHeader = "Gmail answers 550 5.7.1"
	bothHeader  = "Gmail answers 550 5.7.1, Yahoo 554 as not RFC compliant"
	gmailSize   = "Gmail answers 552 5.3.4"
	gmailLimits = "Gmail message limits"
)

// Rules returns the catalogue, in the order of the ids.
func Rules() []Rule { return table() }

// table is the catalogue. It is a function because the rules' functions look
// things up in it; a Lint calls it once.
func table() []Rule {
	return slices.Concat(authRules(), headerRules(), listRules(), mimeRules(), htmlRules())
}

func headerRules() []Rule {
	return []Rule{
		{ID: "H01", Name: "no From field", Description: "The message has no From field.",
			Source: "RFC 5322 3.6", Default: Reject, Answer: bothHeader, reply: badHeader, header: fromMissing},
		{ID: "H02", Name: "several From fields", Description: "The message has more than one From field.",
			Source: "RFC 5322 3.6", Default: Reject, Answer: bothHeader, reply: badHeader, header: fromRepeated},
		{ID: "H03", Name: "several addresses in From", Description: "The From field holds more than one address.",
			Source: "Gmail sender guidelines", Default: Reject, Answer: gmailHeader, reply: badHeader, header: fromSeveral},
		{ID: "H04", Name: "From is no address", Description: "The From field can't be parsed, or its address has no domain.",
			Source: "RFC 5322 3.4", Default: Reject, Answer: gmailHeader, reply: badHeader, header: fromUnparsable},
		{ID: "H05", Name: "From domain is malformed", Description: "The domain of the From address is not of valid syntax, the rules for internationalized names included.",
			Source: "RFC 5321 4.1.2, RFC 5890 2.3.2", Default: Reject, Answer: gmailHeader, reply: badHeader, header: fromDomain},
		{ID: "H06", Name: "From domain does not exist", Description: "The domain of the From address has no zone, no mail exchanger and no address in the DNS.",
			Source: "RFC 5321 2.3.5; Yahoo looks for its SOA record", Default: Warn, reply: badHeader, dns: true, end: fromUnknown},
		{ID: "H07", Name: "no Date field", Description: "The message has no Date field.",
			Source: "RFC 5322 3.6", Default: Fix, Fixes: true, header: dateMissing},
		{ID: "H08", Name: "implausible Date", Description: "The Date field is no date, names the wrong day of the week, or is more than 24 hours ahead or more than 7 days old.",
			Source: "RFC 5322 3.3, 3.6.1", Default: Warn, header: dateImplausible},
		{ID: "H09", Name: "field repeated", Description: "A field that may stand once only is repeated.",
			Source: "RFC 5322 3.6", Default: Reject, Answer: bothHeader, reply: badHeader, header: repeated},
		{ID: "H10", Name: "no Message-ID field", Description: "The message has no Message-ID field.",
			Source: "RFC 5322 3.6.4", Default: Fix, Answer: gmailHeader, Fixes: true, reply: badHeader, header: messageIDMissing},
		{ID: "H11", Name: "Message-ID malformed", Description: "The Message-ID is not of the form <left@right>, or holds white space.",
			Source: "RFC 5322 3.6.4", Default: Reject, Answer: gmailHeader, reply: badHeader, header: messageIDMalformed},
		{ID: "H12", Name: "Message-ID too long", Description: "The Message-ID has more than 500 characters.",
			Source: gmailLimits, Default: Reject, Answer: gmailHeader, reply: badHeader, header: messageIDLong},
		{ID: "H13", Name: "Message-ID of a private name", Description: "The right side of the Message-ID is localhost, a private name or address, or a name without a dot: it is not unique, and tells of the network.",
			Source: "RFC 5322 3.6.4, RFC 6761 6.3, RFC 6762 3", Default: Warn, header: messageIDPrivate},
		{ID: "H14", Name: "Message-ID reused", Description: "The Message-ID was sent before, with another sender, subject or date.",
			Source: "RFC 5322 3.6.4", Default: Warn, Answer: "Gmail answers 4.7.28", reply: badHeader, header: messageIDReused},
		{ID: "H15", Name: "Subject too long", Description: "The Subject has more than 998 characters.",
			Source: gmailLimits, Default: Reject, Answer: gmailHeader, reply: badHeader, header: subjectLong},
		{ID: "H16", Name: "reply to nothing", Description: "The Subject begins with Re: or Fwd:, but there is neither In-Reply-To nor References.",
			Source: "Google sender guidelines", Default: Warn, header: replyToNothing},
		{ID: "H17", Name: "raw 8-bit octets in the header", Description: "A header field holds octets above 127 although the message is not sent with SMTPUTF8, or octets that are not UTF-8.",
			Source: "RFC 5322 2.2, RFC 6532 3", Default: Reject, Answer: gmailHeader, reply: badHeader, header: rawOctets},
		{ID: "H18", Name: "encoded-word where none may be", Description: "An encoded-word stands in Message-ID, in Date or in an address.",
			Source: "RFC 2047 5", Default: Reject, Answer: gmailHeader, reply: badHeader, header: encodedWordMisplaced},
		{ID: "H19", Name: "encoded-word malformed", Description: "An encoded-word of the Subject or an address field has no end, no charset, no valid data, or more than 75 characters.",
			Source: "RFC 2047 2, 4", Default: Warn, header: encodedWordMalformed},
		{ID: "H20", Name: "bare CR, bare LF or NUL", Description: "A line end is not CRLF, or an octet is NUL: receivers disagree on where lines and messages end.",
			Source: "RFC 5321 2.3.8, 4.1.1.4", Default: Reject, reply: badForm, inner: true, header: bareInHeader, ended: bareInBody},
		{ID: "H21", Name: "illegal field name", Description: "A field name is empty, is followed by white space, or holds characters that no name may have, or a line of the header is no field.",
			Source: "RFC 5322 2.2", Default: Reject, reply: badForm, header: fieldName},
		{ID: "H22", Name: "header line too long", Description: "A line of the header has more than 998 octets.",
			Source: "RFC 5322 2.1.1", Default: Reject, reply: badForm, header: headerLine},
		{ID: "H23", Name: "header too large", Description: "The header has more than 500 KB or 5000 fields, or a field (To, Cc and References apart) more than 32 KB, or a field name more than 1 KB.",
			Source: gmailLimits, Default: Reject, Answer: gmailSize, reply: tooBig, header: headerSize},
		{ID: "H24", Name: "no recipient field", Description: "The message has none of To, Cc and Bcc.",
			Source: "RFC 5322 3.6", Default: Warn, header: noRecipients},
		{ID: "H25", Name: "Bcc field", Description: "The message shows its blind recipients.",
			Source: "RFC 5322 3.6.3", Default: Fix, Fixes: true, header: bccPresent},
		{ID: "H26", Name: "Return-Path field", Description: "The message has a Return-Path field, which only the final delivery may add.",
			Source: "RFC 5321 4.4", Default: Fix, Fixes: true, header: returnPathPresent},
		{ID: "H27", Name: "Reply-To is no address list", Description: "The Reply-To field can't be parsed.",
			Source: "RFC 5322 3.6.2", Default: Warn, header: replyToUnparsable},
		{ID: "H28", Name: "several From addresses without Sender", Description: "The From field holds more than one address and there is no Sender field (where H03 is off).",
			Source: "RFC 5322 3.6.2", Default: Reject, reply: badHeader, header: senderMissing},
		{ID: "H29", Name: "From at Gmail", Description: "The From address is at gmail.com or googlemail.com, and the message does not come from Google.",
			Source: "Google sender guidelines", Default: Reject, reply: badHeader, header: fromGmail},
		{ID: "H30", Name: "display name is another address", Description: "The display name of From holds an address of another organization's domain.",
			Source: "Google sender guidelines", Default: Warn, header: nameOfAnother},
		{ID: "H31", Name: "display name is decorated", Description: "The display name of From holds emoji, or ends in a number in brackets like the count of a conversation.",
			Source: "Google sender guidelines", Default: Warn, header: nameDecorated},
		{ID: "H32", Name: "too many hops", Description: "The message has 50 or more Received fields.",
			Source: "RFC 5321 6.3", Default: Reject, Answer: "Gmail answers 554 5.4.6", reply: badForm, header: tooManyHops},
		{ID: "H33", Name: "address of the submitter", Description: "A Received field shows a private address or that of the client who logged in, or a field of web mail such as X-Originating-IP names its user's; fixing removes the latter.",
			Source: "information leak; RFC 5321 4.4", Default: Warn, Fixes: true, header: addressLeak},
		{ID: "H34", Name: "trace of a tool", Description: "A field tells of scripts, accounts or paths on the server, such as X-PHP-Originating-Script or an X-Mailer with a path.",
			Source: "information leak", Default: Warn, Fixes: true, header: toolLeak},
		{ID: "H35", Name: "automatic reply without its marks", Description: "An automatic reply has no Auto-Submitted field, or is sent with an envelope sender that further replies go to.",
			Source: "RFC 3834 3.1.7, 3.3, 5", Default: Warn, header: unmarkedReply},
	}
}

func listRules() []Rule {
	return []Rule{
		{ID: "L01", Name: "no List-Unsubscribe", Description: "Bulk mail (bulk) has no List-Unsubscribe field.",
			Source: "Google and Yahoo sender guidelines", Default: Reject, reply: badHeader, header: unsubscribeMissing},
		{ID: "L02", Name: "no one-click unsubscribe", Description: "Bulk mail (bulk) has no https URI in List-Unsubscribe, or no List-Unsubscribe-Post: List-Unsubscribe=One-Click.",
			Source: "RFC 8058 3.1", Default: Reject, reply: badHeader, header: oneClickMissing},
		{ID: "L03", Name: "List-Unsubscribe-Post alone or wrong", Description: "There is a List-Unsubscribe-Post field without List-Unsubscribe or an https URI in it, or with another value than List-Unsubscribe=One-Click.",
			Source: "RFC 8058 3.1, 4", Default: Warn, header: postAlone},
		{ID: "L04", Name: "list field malformed", Description: "A List field has no URI in angle brackets, or stands twice.",
			Source: "RFC 2369 2, 3", Default: Warn, header: listURIs},
		{ID: "L05", Name: "unsubscribe fields not covered", Description: "The message has List-Unsubscribe fields and leaves unsigned: receivers then ignore one-click.",
			Source: "RFC 8058 4", Default: Warn, reply: badHeader, header: oneClickNotCovered},
		{ID: "L06", Name: "no unsubscribe link in the body", Description: "Bulk mail (bulk) does not show how to unsubscribe.",
			Source: "Google and Yahoo sender guidelines", Default: Warn, document: true, end: noUnsubscribeLink},
		{ID: "L07", Name: "List-Id malformed", Description: "The List-Id field is not a phrase and an id in angle brackets that looks like a domain name, or stands twice.",
			Source: "RFC 2919 3", Default: Warn, header: listIDMalformed},
		{ID: "L08", Name: "no CFBL-Address", Description: "Bulk mail (bulk) does not say where complaints about it are wanted.",
			Source: "RFC 9477 3.1", Default: Off, header: feedbackMissing},
	}
}

func mimeRules() []Rule {
	return []Rule{
		{ID: "M01", Name: "multipart without its boundary", Description: "A multipart has no boundary parameter, or its boundary never appears.",
			Source: "RFC 2046 5.1.1", Default: Reject, reply: badForm, ended: boundaryMissing},
		{ID: "M02", Name: "illegal boundary", Description: "A boundary has more than 70 characters, or characters that no boundary may have.",
			Source: "RFC 2046 5.1.1", Default: Warn, part: boundaryIllegal},
		{ID: "M03", Name: "closing boundary missing", Description: "A multipart has no closing boundary.",
			Source: "RFC 2046 5.1.1", Default: Warn, ended: boundaryUnclosed},
		{ID: "M04", Name: "no MIME-Version: 1.0", Description: "The message has MIME fields but no valid MIME-Version field.",
			Source: "RFC 2045 4", Default: Fix, Fixes: true, header: mimeVersion},
		{ID: "M05", Name: "MIME field repeated", Description: "Content-Type or Content-Transfer-Encoding is repeated in one entity.",
			Source: "RFC 2045 3", Default: Reject, Answer: "Yahoo answers 554 as not RFC compliant", reply: badForm, part: mimeRepeated},
		{ID: "M06", Name: "encoded composite", Description: "A multipart or message/* entity is quoted-printable or base64.",
			Source: "RFC 2045 6.4", Default: Reject, reply: badForm, part: encodedComposite},
		{ID: "M07", Name: "invalid encoded data", Description: "Data that is declared base64 or quoted-printable is none.",
			Source: "RFC 2045 6.7, 6.8", Default: Warn, octets: true, ended: dataInvalid},
		{ID: "M08", Name: "encoded line too long", Description: "A line of base64 or quoted-printable data has more than 76 characters.",
			Source: "RFC 2045 6.7, 6.8", Default: Warn, ended: encodedLine},
		{ID: "M09", Name: "body line too long", Description: "A line of the body has more than 998 octets; MTAs break it after signing, so the signature dies.",
			Source: "RFC 5322 2.1.1", Default: Reject, reply: badForm, inner: true, ended: bodyLine},
		{ID: "M10", Name: "8-bit octets in a 7bit part", Description: "A part that is declared 7bit, or not at all, or in an encoding that nobody knows, holds octets above 127.",
			Source: "RFC 2045 2.7, 6.2", Default: Reject, reply: badForm, ended: eightBit},
		{ID: "M11", Name: "8-bit body", Description: "A part holds octets above 127 as they are: for a next hop without 8BITMIME the MTA converts it after signing.",
			Source: "RFC 6376 5.3, RFC 6152 3", Default: Warn, ended: bodyEightBit},
		{ID: "M12", Name: "text does not fit its charset", Description: "A text part holds octets that are not of its declared charset, or above 127 where none is declared.",
			Source: "RFC 2046 4.1.2", Default: Warn, octets: true, ended: charsetWrong},
		{ID: "M13", Name: "html without plain text", Description: "A text/html part has no text/plain alternative.",
			Source: "RFC 2046 5.1.4", Default: Warn, part: htmlAlone, ended: htmlOnlyAlternative},
		{ID: "M14", Name: "html before plain text", Description: "In a multipart/alternative, text/html stands before text/plain; the last one is the preferred one.",
			Source: "RFC 2046 5.1.4", Default: Warn, ended: alternativeOrder},
		{ID: "M15", Name: "cid: reference or inline part without the other", Description: "The html refers by cid: to a part that is not there, or an inline part beside it has a Content-ID that nothing refers to.",
			Source: "RFC 2387, RFC 2392 2", Default: Warn, document: true, end: danglingReferences},
		{ID: "M16", Name: "cid: image outside multipart/related", Description: "An image that the html refers to by cid: is in no multipart/related.",
			Source: "RFC 2387 1", Default: Warn, document: true, end: unrelatedImages},
		{ID: "M17", Name: "plain text far from the html", Description: "The text/plain alternative is empty, or says something else than the html.",
			Source: "RFC 2046 5.1.4", Default: Warn, document: true, ended: alternativesDiffer},
		{ID: "M18", Name: "too many or too deep parts", Description: "Parts are nested deeper than 20, there are more than 500, a part's header is over 64 KiB, or one of its fields has more than 64 parameters.",
			Source: "what a parser can bear", Default: Reject, reply: badForm, inner: true, part: structureSize},
		{ID: "M19", Name: "blocked attachment type", Description: "An attachment, or a file in a zip archive, has a name that big receivers block.",
			Source: "Gmail, file types blocked", Default: Reject, Answer: "Gmail answers 552 5.7.0", reply: blockedType, inner: true, part: blockedName, ended: blockedInZip},
		{ID: "M20", Name: "message too big", Description: "The encoded size of the message is over the limit (max_size).",
			Source: gmailLimits, Default: Reject, Answer: gmailSize, reply: tooBig, end: messageSize},
		{ID: "M21", Name: "raw 8-bit octets in a file name", Description: "A file name parameter holds octets above 127 rather than the encoding of RFC 2231.",
			Source: "RFC 2231 4", Default: Warn, part: rawFileName},
		{ID: "M22", Name: "Content-Type does not fit the body", Description: "The declared type is not what the body is: text that holds MIME parts or html, or a multipart that lacks the parts its type calls for.",
			Source: "RFC 2046 4.1.3, 5.1; RFC 1847 2", Default: Warn, ended: typeMismatch},
	}
}

func htmlRules() []Rule {
	return []Rule{
		{ID: "T01", Name: "html too large", Description: "A text/html part has more than 102 KB, which is where Gmail clips it.",
			Source: "measured by senders", Default: Warn, document: true, ended: documentSize},
		{ID: "T02", Name: "html that is stripped", Description: "The html holds script, iframe, form, object, embed or event attributes, which mail programs take out.",
			Source: "what mail programs show", Default: Warn, document: true, ended: strippedElements},
		{ID: "T03", Name: "img without alt or width", Description: "An img has no alt attribute, or one that is loaded from elsewhere has no width.",
			Source: "HTML 4.8.4.4, accessibility", Default: Warn, document: true, ended: imageAttributes},
		{ID: "T04", Name: "link text names another domain", Description: "The text of a link is a URL or a domain, and the link leads to another one.",
			Source: "phishing pattern", Default: Warn, document: true, ended: misleadingLinks},
		{ID: "T05", Name: "link of a kind that deceives", Description: "A link is javascript: or data:, has a domain for its user name, or a URL has an IP address for its host.",
			Source: "phishing pattern", Default: Reject, document: true, reply: badHeader, ended: deceivingLinks},
		{ID: "T06", Name: "hidden text", Description: "The html holds more text that is not shown than a preheader has: over 150 characters at once, or 600 in all.",
			Source: "Google sender guidelines", Default: Warn, document: true, ended: hiddenTexts},
		{ID: "T07", Name: "not shown by some mail clients", Description: "The html uses features of html or CSS that a mail client of the configuration (clients) lacks.",
			Source: "Can I email (caniemail.com)", Default: Warn, document: true, ended: unsupported},
		{ID: "T08", Name: "images in data: URIs", Description: "The html holds images as data: URIs, which many mail programs do not show.",
			Source: "what mail programs show", Default: Warn, document: true, ended: embeddedImages},
	}
}

func authRules() []Rule {
	return []Rule{
		{ID: "A01", Name: "leaves unsigned", Description: "There is no key for the From domain, or it can't be used, so the message leaves without a signature.",
			Source: "RFC 6376 5.1", Default: Warn, Answer: "Gmail answers 4.7.30 to bulk mail", reply: badHeader, header: leavesUnsigned},
		{ID: "A02", Name: "weak key", Description: "A key that signs the message has less than 2,048 bits, or more than verifiers need to take.",
			Source: "RFC 8301 3.2", Default: Warn, reply: badHeader, header: weakKeys},
		{ID: "A03", Name: "key not published", Description: "The record of a key that signs the message is missing, revoked, or of another key.",
			Source: "RFC 6376 3.6", Default: Warn, reply: badHeader, header: unpublishedKeys},
		{ID: "A04", Name: "signature not aligned", Description: "The message is signed by a domain of another organization than that of From.",
			Source: "RFC 9989 4.4", Default: Warn, Answer: "Gmail answers 4.7.32 to bulk mail", reply: badHeader, header: signatureNotAligned},
		{ID: "A05", Name: "envelope sender not aligned", Description: "The envelope sender is of another organization than the From address.",
			Source: "RFC 9989 4.10.2, Google sender guidelines", Default: Warn, header: senderNotAligned},
		{ID: "A06", Name: "SPF does not cover our addresses", Description: "The SPF record of the envelope sender's domain does not permit the addresses that mail leaves from (egress).",
			Source: "RFC 7208 4", Default: Warn, Answer: "Gmail answers 4.7.27", reply: badHeader, dns: true, end: spfUncovered},
		{ID: "A07", Name: "SPF can't be evaluated", Description: "The SPF record of the envelope sender's domain needs more than 10 look-ups or 2 void ones, is malformed, or there are several.",
			Source: "RFC 7208 4.6.4", Default: Warn, reply: badHeader, dns: true, end: spfBroken},
		{ID: "A08", Name: "no DMARC record", Description: "No DMARC record covers the domain of the From address.",
			Source: "RFC 9989 4", Default: Warn, Answer: "Gmail answers 4.7.40, Outlook 550 5.7.515", reply: badHeader, dns: true, end: noDMARC},
		{ID: "A09", Name: "sender not permitted", Description: "The client, by its network or its login, may not use this envelope sender or this From address ([[access.senders]]).",
			Source: "policy of the site; RFC 6409 6.1", Default: Reject, reply: badHeader, gate: true},
		{ID: "A10", Name: "fix not applied", Description: "A field was not mended, because the signature of someone else covers it.",
			Source: "RFC 6376 5.4", Default: Warn, told: true},
	}
}
