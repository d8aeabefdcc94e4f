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
	SentTo    []string // addresses to which the report came
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

// Parse reads a complaint. It returns nil if the message is none.
func Parse(message *parts.Part) *Report {
	report, fields := find(message)
	var r *Report
	if fields != nil {
		r = fromFields(fields)
		r.original(report, fields)
	} else if r = jmrp(message); r == nil {
		return nil
	}
	for _, name := range []string{"Delivered-To", "X-Original-To", "Envelope-To", "To"} {
		for _, value := range message.Header.All(name) {
			r.SentTo = append(r.SentTo, addresses.FindAllString(value, maxAddresses)...)
		}
	}
	return r
}

const maxAddresses = 100

var addresses = regexp.MustCompile(`[^\s<>()\[\]:;@\\,"]{1,64}@[^\s<>()\[\]:;@\\,"']{1,253}`)

// find returns the outermost part that has a feedback report in it, and that report.
func find(p *parts.Part) (report, fields *parts.Part) {
	for _, child := range p.Parts {
		if child.Type == "message/feedback-report" {
			return p, child
		}
	}
	for _, child := range p.Parts {
		if report, fields := find(child); fields != nil {
			return report, fields
		}
	}
	return nil, nil
}

// fromFields reads the fields of RFC 5965 3.
func fromFields(p *parts.Part) *Report {
	r := &Report{Incidents: 1, Type: "other"}
	groups := parts.Groups(p.Decoded(), 1)
	if len(groups) == 0 {
		return r
	}
	h := groups[0]
	if kind := strings.ToLower(strings.TrimSpace(h.Get("Feedback-Type"))); kind != "" {
		r.Type = kind[:min(len(kind), 40)]
	}
	r.UserAgent = h.Get("User-Agent")
	r.Sender = bare(h.Get("Original-Mail-From"))
	for _, value := range h.All("Original-Rcpt-To") {
		if len(r.Rcpt) < maxAddresses {
			r.Rcpt = append(r.Rcpt, bare(value))
		}
	}
	if addr, err := netip.ParseAddr(strings.Trim(strings.TrimPrefix(h.Get("Source-IP"), "IPv6:"), "[]")); err == nil {
		r.Source = addr.Unmap().WithZone("")
	}
	if n, err := strconv.Atoi(h.Get("Incidents")); err == nil && n > 1 {
		r.Incidents = min(n, maxIncidents)
	}
	return r
}

// maxIncidents bounds what one report may claim.
const maxIncidents = 1000

func bare(address string) string {
	address = strings.TrimSpace(address)
	if rest, ok := strings.CutPrefix(strings.ToLower(address), "rfc822;"); ok {
		address = strings.TrimSpace(address[len(address)-len(rest):])
	}
	return strings.Trim(address, "<>")
}

// original takes what the message that is returned tells.
func (r *Report) original(report, fields *parts.Part) {
	for _, child := range report.Parts {
		if child == fields {
			continue
		}
		switch child.Type {
		case "message/rfc822", "message/global":
			if len(child.Parts) > 0 {
				r.header(child.Parts[0].Header)
			}
		case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers", "text/rfc822":
			r.header(parts.ParseHeader(child.Decoded()))
		}
	}
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
func jmrp(message *parts.Part) *Report {
	for _, child := range message.Parts {
		if child.Type != "message/rfc822" || len(child.Parts) == 0 {
			continue
		}
		h := child.Parts[0].Header
		if rcpt := h.Get("X-HmXmrOriginalRecipient"); rcpt != "" {
			r := &Report{Type: "abuse", UserAgent: "Microsoft JMRP", Incidents: 1, Rcpt: []string{bare(rcpt)}}
			r.header(h)
			return r
		}
	}
	return nil
}
