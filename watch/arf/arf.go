// Package arf reads complaints of recipients in the Abuse Reporting Format
// (RFC 5965, with RFC 6591 and RFC 9477), and those of Microsoft's JMRP, which have
// a form of their own.
package arf

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"pratique/watch/parts"
	"pratique/watch/ses"
)

// Report is one complaint.
type Report struct {
	Type      string // abuse, fraud, virus, not-spam, auth-failure, opt-out or other (RFC 5965 7.3)
	UserAgent string // who reports
	Source    netip.Addr
	Sender    string   // Original-Mail-From, without angle brackets
	Rcpt      []string // Original-Rcpt-To, often blacked out
	From      string   // address of the From of the message that it is about
	MessageID string   // of that message, with angle brackets, "" if it is not told
	QueueIDs  []string // by which servers named that message in its Received fields, newest first
	Incidents int      // how many complaints this stands for, at least 1
}

// Complaint reports whether a recipient complained, rather than a program that
// tells of a failed authentication, or a person who calls it no spam.
func (r *Report) Complaint() bool {
	switch r.Type {
	case "not-spam", "auth-failure", "dmarc":
		return false
	}
	return true
}

// Parse reads all complaints of a message: some receivers collect them. It returns none
// if the message is no complaint.
func Parse(message *parts.Part) []*Report {
	all := find(message, nil)
	if len(all) == 0 {
		all = fromSES(message)
	}
	if len(all) == 0 {
		all = jmrp(message)
	}
	return all
}

const (
	maxAddresses = 100
	maxReports   = 100 // of one message
)

var addresses = regexp.MustCompile(`[^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253}`)

// find appends the outermost reports below a part to those that were found. A message
// that a report returns may hold a report, too, which is about another message.
func find(p *parts.Part, found []*Report) []*Report {
	here := false
	for i, child := range p.Parts {
		if !isFields(child, p) {
			continue
		}
		here = true
		if len(found) < maxReports {
			r := fromFields(child)
			r.original(p.Parts[i+1:], p)
			found = append(found, r)
		}
	}
	if here {
		return found
	}
	for _, child := range p.Parts {
		found = find(child, found)
	}
	return found
}

// isFields knows the part with the fields of a report by its type; in what is said to
// be a report, by the field that it must have (RFC 5965 3.1), whatever its type.
func isFields(p, report *parts.Part) bool {
	if p.Type == "message/feedback-report" {
		return true
	}
	if !strings.EqualFold(report.Params["report-type"], "feedback-report") || p.Type != "text/plain" && p.Type != "application/octet-stream" {
		return false
	}
	text := p.Decoded()
	return feedbackType.Match(text[:min(len(text), 4<<10)])
}

var feedbackType = regexp.MustCompile(`(?im)^Feedback-Type[ \t]*:`)

// fromFields reads the fields of RFC 5965 3.
func fromFields(p *parts.Part) *Report {
	r := &Report{Incidents: 1, Type: "other"}
	groups := parts.Groups(p.Decoded(), 1)
	if len(groups) == 0 {
		return r
	}
	h := groups[0]
	if kind := firstWord.FindString(strings.ToLower(h.Get("Feedback-Type"))); kind != "" {
		r.Type = kind
	}
	r.UserAgent = h.Get("User-Agent")
	r.Sender = bare(h.Get("Original-Mail-From"))
	for _, value := range h.All("Original-Rcpt-To") {
		if len(r.Rcpt) < maxAddresses {
			r.Rcpt = append(r.Rcpt, bare(value))
		}
	}
	r.Source = source(h.Get("Source-IP"))
	if n, err := strconv.Atoi(digits.FindString(h.Get("Incidents"))); err == nil && n > 1 {
		r.Incidents = min(n, maxIncidents)
	}
	return r
}

// digits is a number without what may stand behind it.
var digits = regexp.MustCompile(`^[0-9]{1,9}\b`)

// firstWord is a type without the comment that may stand behind it.
var firstWord = regexp.MustCompile(`[a-z0-9-]{1,40}`)

// source reads an address, also in the form of RFC 5321 4.1.3; the zero Addr if it is none.
func source(text string) netip.Addr {
	text, _, _ = strings.Cut(strings.TrimSpace(text), " ") // a comment may follow
	text = strings.Trim(text, "[]")
	if len(text) > 5 && strings.EqualFold(text[:5], "IPv6:") {
		text = text[5:]
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// maxIncidents bounds what one report may claim.
const maxIncidents = 1000

// bare returns the address in a field, or what else is there.
func bare(field string) string {
	if address := addresses.FindString(field); address != "" {
		return address
	}
	field = strings.TrimSpace(field)
	if len(field) > len(kindRFC822) && strings.EqualFold(field[:len(kindRFC822)], kindRFC822) {
		field = strings.TrimSpace(field[len(kindRFC822):])
	}
	return strings.Trim(field, "<>")
}

const kindRFC822 = "rfc822;"

// original takes what the message that is returned tells: the first one behind the
// fields, or one before them.
func (r *Report) original(behind []*parts.Part, report *parts.Part) {
	for _, list := range [][]*parts.Part{behind, report.Parts} {
		for _, child := range list {
			if isFields(child, report) {
				break // what follows belongs to the next report
			}
			if h := headerIn(child); h != nil {
				r.header(h)
				return
			}
		}
	}
}

// headerIn returns the header of a message that a part holds, whole or only its header.
func headerIn(p *parts.Part) parts.Header {
	switch p.Type {
	case "message/rfc822", "message/global":
		if len(p.Parts) > 0 {
			return p.Parts[0].Header
		}
	case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822-header", "text/rfc822":
		return parts.ParseHeader(p.Decoded())
	case "text/plain", "application/octet-stream": // mislabelled
		if h := parts.ParseHeader(p.Decoded()); h.Get("Message-ID") != "" {
			return h
		}
	}
	return nil
}

func (r *Report) header(h parts.Header) {
	r.MessageID = messageID.FindString(h.Get("Message-ID"))
	r.From = addresses.FindString(h.Get("From"))
	r.QueueIDs = h.ReceivedIDs()
	if r.Sender == "" {
		r.Sender = bare(h.Get("Return-Path"))
	}
}

var messageID = regexp.MustCompile(`<[^<>\s]{1,300}>`)

// jmrp reads a report of Microsoft's Junk Mail Reporting Program: the message as an
// attachment, with the recipient in a field of its own.
func jmrp(message *parts.Part) []*Report {
	for _, child := range message.Parts {
		if child.Type != "message/rfc822" || len(child.Parts) == 0 {
			continue
		}
		h := child.Parts[0].Header
		if rcpt := h.Get("X-HmXmrOriginalRecipient"); rcpt != "" {
			r := &Report{Type: "abuse", UserAgent: "Microsoft JMRP", Incidents: 1, Rcpt: []string{bare(rcpt)}}
			r.header(h)
			return []*Report{r}
		}
	}
	return nil
}

// fromSES reads the notification of a complaint by Amazon SES.
func fromSES(message *parts.Part) []*Report {
	n := ses.Read(message)
	if n == nil || len(n.Complaint.Recipients) == 0 {
		return nil
	}
	r := &Report{Type: "abuse", UserAgent: n.Complaint.UserAgent, Incidents: 1, Sender: bare(n.Mail.Sender),
		From: addresses.FindString(strings.Join(n.Mail.Common.From, ",")), MessageID: messageID.FindString(n.MessageID())}
	if kind := firstWord.FindString(strings.ToLower(n.Complaint.Kind)); kind != "" {
		r.Type = kind
	}
	for _, to := range n.Complaint.Recipients[:min(len(n.Complaint.Recipients), maxAddresses)] {
		r.Rcpt = append(r.Rcpt, bare(to.Address))
	}
	return []*Report{r}
}
