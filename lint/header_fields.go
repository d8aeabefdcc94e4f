package lint

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"strings"
	"time"
	"unicode/utf8"
)

// Rules on single fields and on how often they stand.

// dateLayout is date-time of RFC 5322 3.3.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 -0700"

// Limits of a receiver (Gmail message limits), in characters.
const (
	maxMessageID = 500
	maxSubject   = 998
)

// maxHops is the number of Received fields at which Gmail sees a loop.
const maxHops = 50

func dateMissing(h *header) {
	if h.has("Date") {
		return
	}
	h.mend("Date", "Date", "", func() (string, error) {
		date := h.lint.env.Clock().Format(dateLayout)
		h.m.Header.Append("Date", " "+date)
		return "added " + date, nil
	})
}

// How far a Date may be from now. Receivers sort what is beyond that as spam.
const (
	maxAhead = 24 * time.Hour
	maxAge   = 7 * 24 * time.Hour
)

// dateImplausible does not ask for the age of a stored message.
func dateImplausible(h *header) {
	now := h.lint.env.Clock()
	for i := range h.fields {
		if !h.fields[i].Is("Date") || h.refused(i) {
			continue
		}
		value := h.fields[i].Unfolded()
		date, err := parseDate(value)
		switch {
		case err != nil:
			h.foundAt(i, err.Error()+": "+shown(value))
		case date.Sub(now) > maxAhead:
			h.foundAt(i, fmt.Sprintf("%s ahead: %s", hours(date.Sub(now)), shown(value)))
		case now.Sub(date) > maxAge && !h.lint.collecting:
			h.foundAt(i, fmt.Sprintf("%s ago: %s", hours(now.Sub(date)), shown(value)))
		}
	}
}

var (
	errNoDate  = errors.New("not a date")
	errWeekday = errors.New("a date of another day of the week")
)

// firstYear is the first one that a date may be of (RFC 5322 3.3).
const firstYear = 1900

// parseDate reads a date, which net/mail does but for two things that RFC 5322 3.3 says:
// no white space has to follow the day of the week, and that day has to be the true one.
func parseDate(value string) (time.Time, error) {
	day, rest, named := strings.Cut(strings.TrimSpace(value), ",")
	if named {
		value = day + ", " + strings.TrimLeft(rest, " \t")
	}
	date, err := mail.ParseDate(value)
	switch {
	case err != nil || date.Year() < firstYear:
		return date, errNoDate
	case named && !strings.EqualFold(strings.TrimSpace(day), date.Format("Mon")):
		return date, errWeekday
	}
	return date, nil
}

func hours(d time.Duration) string { return fmt.Sprintf("%d hours", d/time.Hour) }

// onceOnly are the fields that may stand once (RFC 5322 3.6); From has a rule of its own.
var onceOnly = [...]string{"Date", "Subject", "To", "Cc", "Reply-To", "Sender", "Message-ID", "In-Reply-To", "References"}

func repeated(h *header) {
	for _, name := range onceOnly {
		if i := h.second(name); i >= 0 {
			h.foundAt(i, shown(h.fields[i].Unfolded()))
		}
	}
}

func messageIDMissing(h *header) {
	if h.has("Message-ID") {
		return
	}
	h.mend("Message-ID", "Message-ID", "", func() (string, error) {
		left := make([]byte, 16)
		if _, err := io.ReadFull(h.lint.env.Random, left); err != nil {
			return "", err
		}
		id := "<" + hex.EncodeToString(left) + "@" + h.lint.env.Hostname + ">"
		h.m.Header.Append("Message-ID", " "+id)
		return "added " + id, nil
	})
}

func messageIDMalformed(h *header) {
	for i := range h.fields {
		if !h.fields[i].Is("Message-ID") || h.refused(i) {
			continue
		}
		value := h.fields[i].Unfolded()
		if problem := messageIDProblem(value); problem != "" {
			h.foundAt(i, problem+": "+shown(value))
		}
	}
}

// messageIDProblem judges a Message-ID (RFC 5322 3.6.4) by what receivers hold it
// to: one <left@right> without white space, with comments around it. The
// characters on both sides are not judged further: real mailers use most of them.
func messageIDProblem(value string) string {
	id, err := withoutComments(value)
	if err != nil {
		return err.Error()
	}
	switch {
	case id == "":
		return "empty"
	case strings.ContainsAny(id, " \t"):
		return "white space"
	case len(id) < 2 || id[0] != '<' || id[len(id)-1] != '>':
		return "not in angle brackets"
	}
	id = id[1 : len(id)-1]
	if strings.ContainsAny(id, "<>") || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7F }) {
		return "illegal characters"
	}
	left, right := id, ""
	if at := atSign(id); at >= 0 {
		left, right = id[:at], id[at+1:]
	}
	switch {
	case left == "" || right == "":
		return "not of the form <left@right>"
	case strings.Contains(right, "@"):
		return "more than one @"
	}
	return ""
}

// atSign returns the index of the first "@" outside a quoted string, or -1. A
// quote that has no end is an ordinary character.
func atSign(s string) int {
	quotes := true // until one has no end
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && quotes:
			if n, err := enclosed(s[i:], '"', errOpenQuote); err == nil {
				i += n - 1
			} else {
				quotes = false
			}
		case s[i] == '@':
			return i
		}
	}
	return -1
}

// withoutComments removes the comments and the white space around what stands in angle brackets.
func withoutComments(s string) (string, error) {
	s, err := skipComments(s)
	if err != nil {
		return "", err
	}
	end := strings.IndexByte(s, '>') + 1
	rest, err := skipComments(s[end:])
	if err != nil {
		return "", err
	}
	if end > 0 && rest == "" {
		s = s[:end]
	}
	return s, nil
}

// skipComments removes comments and white space from the start of s.
func skipComments(s string) (string, error) {
	for {
		s = strings.TrimLeft(s, " \t")
		if !strings.HasPrefix(s, "(") {
			return s, nil
		}
		n := commentLength(s)
		if n < 0 {
			return "", errOpenComment
		}
		s = s[n:]
	}
}

func messageIDLong(h *header) { h.long("Message-ID", maxMessageID) }
func subjectLong(h *header)   { h.long("Subject", maxSubject) }

func (h *header) long(name string, most int) {
	for i := range h.fields {
		if !h.fields[i].Is(name) {
			continue
		}
		if n := utf8.RuneCountInString(h.fields[i].Unfolded()); n > most {
			h.foundAt(i, fmt.Sprintf("%d characters, at most %d", n, most))
		}
	}
}

func replyToNothing(h *header) {
	i := h.first("Subject")
	if i < 0 || h.has("In-Reply-To") || h.has("References") {
		return
	}
	subject := decodedWords(h.fields[i].Unfolded())
	if before, _, ok := strings.Cut(subject, ":"); ok && replyPrefix(before) {
		h.foundAt(i, shown(subject))
	}
}

// replyPrefix recognizes what mail programs put before the colon of a subject that is
// answered or forwarded: "Re", "RE " as in French, "Re[2]", "Fwd", "Fw".
func replyPrefix(s string) bool {
	s = strings.TrimSpace(s)
	if name, count, ok := strings.Cut(s, "["); ok && strings.Trim(count, "0123456789") == "]" {
		s = name
	}
	switch strings.ToLower(s) {
	case "re", "fwd", "fw":
		return true
	}
	return false
}

// replyFields mark automatic replies, besides Auto-Submitted.
var replyFields = [...]string{"X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Auto-Reply"}

// replySubjects begin the subjects of automatic replies: RFC 3834 3.1.5 wants
// "Auto:", and mail programs have their own.
var replySubjects = [...]string{"auto:", "autoreply:", "auto-reply:", "auto reply:", "automatic reply:", "out of office:", "out of office autoreply:", "automatische antwort:", "abwesenheitsnotiz:", "réponse automatique", "respuesta automática:"}

// unmarkedReply is about mail loops. The envelope of a stored message is not known.
func unmarkedReply(h *header) {
	submitted := ""
	if i := h.first("Auto-Submitted"); i >= 0 {
		submitted = strings.ToLower(stripComments(h.fields[i].Unfolded()))
	}
	if i := h.automaticReply(); i >= 0 && (submitted == "" || submitted == "no") {
		h.foundAt(i, "no Auto-Submitted: auto-replied")
		return
	}
	if strings.HasPrefix(submitted, "auto-replied") && h.m.Sender != "" && !h.lint.collecting {
		h.found("envelope", "auto-replied with the sender "+shown(h.m.Sender))
	}
}

// automaticReply returns the index in h.fields of what shows that the message is one, or -1.
func (h *header) automaticReply() int {
	for _, name := range replyFields {
		if i := h.first(name); i >= 0 && !strings.EqualFold(h.fields[i].Unfolded(), "no") {
			return i
		}
	}
	if i := h.first("Precedence"); i >= 0 && strings.EqualFold(h.fields[i].Unfolded(), "auto_reply") {
		return i
	}
	if i := h.first("Subject"); i >= 0 {
		subject := strings.ToLower(decodedWords(h.fields[i].Unfolded()))
		for _, prefix := range replySubjects {
			if strings.HasPrefix(subject, prefix) {
				return i
			}
		}
	}
	return -1
}

func tooManyHops(h *header) {
	n := 0
	for i := range h.fields {
		if h.fields[i].Is("Received") {
			n++
		}
	}
	if n >= maxHops {
		h.found("Received", fmt.Sprintf("%d fields", n))
	}
}

// mimeFields are those of RFC 2045 and RFC 2183; a message that has one must have MIME-Version.
var mimeFields = [...]string{"Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Content-Description"}

func mimeVersion(h *header) {
	i := h.first("MIME-Version")
	if i < 0 {
		h.mimeVersionMissing()
		return
	}
	value := h.fields[i].Unfolded()
	if strings.ReplaceAll(stripComments(value), " ", "") == "1.0" {
		return
	}
	h.mend("MIME-Version", h.place(i), shown(value), func() (string, error) {
		for index := range h.m.Header.Named("MIME-Version") {
			h.m.Header.Replace(index, " 1.0")
			break
		}
		return "replaced by 1.0", nil
	})
}

func (h *header) mimeVersionMissing() {
	for _, name := range mimeFields {
		if i := h.first(name); i >= 0 {
			h.mend("MIME-Version", "MIME-Version", "there is "+h.place(i), func() (string, error) {
				h.m.Header.Append("MIME-Version", " 1.0")
				return "added 1.0", nil
			})
			return
		}
	}
}
