package journal

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// Headline says in one line what became of the message.
func (r *Record) Headline() string {
	by := ""
	if r.DecidedBy != "" {
		by = " by " + r.DecidedBy
	}
	switch r.Verdict {
	case verdictAccepted:
		return "accepted" + r.signedBy()
	case Held:
		return "accepted, and held in the queue of the MTA: " + r.Reason
	case Passed:
		return "let pass untouched" + by + ", neither looked at nor signed"
	case Discarded:
		return "accepted, and thrown away" + by + ": " + r.Reason
	case Refused, Tempfailed:
		text := "refused" + by
		if r.Verdict == Tempfailed {
			text = "deferred" + by
		}
		if r.Reply != nil {
			text += ": " + r.Reply.String()
		}
		return text
	case "aborted":
		return "given up by the MTA before an answer: " + r.Reason
	case "lost":
		return "lost with the connection to the MTA before an answer: " + r.Reason
	}
	return r.Verdict
}

func (r *Record) signedBy() string {
	if r.Unsigned != nil {
		return ", not signed (" + r.Unsigned.Reason + ")"
	}
	var domains []string
	for _, s := range r.Signatures {
		if len(domains) == 0 || domains[len(domains)-1] != s.Domain {
			domains = append(domains, s.Domain)
		}
	}
	if domains == nil {
		return ""
	}
	return ", signed by " + strings.Join(domains, ", ")
}

// Summary is the message in one line: when, which, who to whom, and what became of it.
func (r *Record) Summary(in *time.Location) string {
	id := r.QueueID
	if id == "" {
		id = "(no queue id)"
	}
	return fmt.Sprintf("%s  %s  %s  %s -> %s  %s", r.Time.In(in).Format(time.DateTime), id, r.Client.String(), r.sender(), r.toWhom(), r.Headline())
}

// String names a client, by its address, and its login.
func (c Client) String() string {
	who := or(c.Addr, c.Name, "(unknown)")
	if c.Local {
		who = "(local)"
	}
	if c.Login != "" {
		who += " as " + c.Login
	}
	return who
}

func or(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

func (r *Record) sender() string { return "<" + r.Sender + ">" }

func (r *Record) toWhom() string {
	if r.Recipients == 0 {
		return "nobody yet"
	}
	if r.Recipients == 1 && len(r.Domains) == 1 {
		return "1 at " + or(r.Domains[0].Name, "(no domain)")
	}
	text, listed := fmt.Sprintf("%d at ", r.Recipients), 0
	for i, d := range first(r.Domains, 3) {
		if i > 0 {
			text += ", "
		}
		text += or(d.Name, "(no domain)")
		listed++
	}
	if more := len(r.Domains) - listed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// WriteStory writes all that is known of the message, in words for its postmaster:
// what became of it in the first line, and what to do at the end, where something is
// amiss. Times are those of a place.
func (r *Record) WriteStory(w io.Writer, in *time.Location) error {
	if _, err := fmt.Fprintf(w, "%s was %s\n\n", or(r.QueueID, "A message without a queue id"), r.Headline()); err != nil {
		return err
	}
	return r.WriteDetails(w, in)
}

// WriteDetails is WriteStory without its first line.
func (r *Record) WriteDetails(w io.Writer, in *time.Location) error {
	var b bytes.Buffer
	r.writeEnvelope(&b, in)
	if len(r.Checks) > 0 {
		b.WriteString("\nWhat the checks said, in their order:\n")
	}
	for _, c := range r.Checks {
		r.writeCheck(&b, c)
	}
	b.WriteByte('\n')
	r.writeResult(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// line writes a name and what belongs to it, further lines indented.
func line(b *bytes.Buffer, name string, texts ...string) {
	for i, text := range texts {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(b, "%-11s %s\n", name, text)
	}
}

func (r *Record) writeEnvelope(b *bytes.Buffer, in *time.Location) {
	line(b, "when", fmt.Sprintf("%s, %s after MAIL", r.Time.In(in).Format("Mon 2 Jan 2006 15:04:05.000 MST"), spent(r.Took)))
	if r.MessageID != "" {
		line(b, "Message-ID", "<"+r.MessageID+">")
	}
	if r.Subject != "" {
		line(b, "Subject", r.Subject)
	}
	line(b, "client", r.Client.describe())
	sender := r.sender()
	if r.Sender == "" {
		sender += " (the null sender: a bounce or a notice)"
	}
	line(b, "sender", sender)
	line(b, "recipients", r.recipients()...)
	line(b, "size", fmt.Sprintf("%d octets", r.Size))
}

func (c Client) describe() string {
	parts := []string{or(c.Addr, "(unknown address)")}
	if c.Local {
		parts[0] = "this host itself, not by SMTP"
	}
	for _, p := range []struct{ name, text string }{{"", c.Name}, {"HELO ", c.Helo}, {"login ", c.Login}, {"", c.TLS}} {
		if p.text != "" {
			parts = append(parts, p.name+p.text)
		}
	}
	if c.TLS == "" && !c.Local {
		parts = append(parts, "no TLS")
	}
	return strings.Join(parts, ", ")
}

func (r *Record) recipients() []string {
	if r.Recipients == 0 {
		return []string{"none yet"}
	}
	var in []string
	for _, d := range r.Domains {
		in = append(in, fmt.Sprintf("%d at %s", d.Recipients, or(d.Name, "(no domain)")))
	}
	return append([]string{fmt.Sprintf("%d: %s", r.Recipients, strings.Join(in, ", "))}, r.Addresses...)
}

func (r *Record) writeCheck(b *bytes.Buffer, c Check) {
	took := ""
	if c.Verdict != Unreached && c.Verdict != Skipped {
		took = spent(c.Took)
	}
	lines := r.reasons(&c)
	switch {
	case c.Verdict == Unreached:
		lines = []string{"the message was answered before"}
	case c.Verdict == Skipped && len(lines) == 0:
		lines = []string{"not set up, or not for this message"}
	case len(lines) == 0:
		lines = []string{""}
	}
	for i, text := range lines {
		if i == 0 {
			fmt.Fprintf(b, "%s\n", strings.TrimRight(fmt.Sprintf("  %-11s %-10s %9s  %s", c.Name, c.Verdict, took, text), " "))
		} else {
			fmt.Fprintf(b, "%36s%s\n", "", text)
		}
	}
}

// spent writes how long something took, to be compared at a glance.
func spent(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
	case d < 10*time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func (r *Record) writeResult(b *bytes.Buffer) {
	line(b, "changed", r.Fixes...)
	for i, s := range r.Signatures {
		name := "signed"
		if i > 0 {
			name = ""
		}
		line(b, name, s.String())
	}
	if r.Unsigned != nil {
		line(b, "not signed", r.Unsigned.Reason+": "+r.Unsigned.Text)
	}
	for _, f := range r.Failures {
		line(b, "failure", fmt.Sprintf("%s broke at %s, and on_error = %q decided: %s", f.Check, f.Stage, f.Policy, f.Error))
	}
	if r.Reply != nil {
		line(b, "reply", r.Reply.String())
	} else {
		line(b, "reply", "no objection: the MTA answered the client itself")
	}
	line(b, "what to do", r.Hints()...)
}
