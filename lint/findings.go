package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pratique/message"
)

// Bounds of what is kept and said of one message, whatever is wrong with it.
const (
	maxPlaces     = 3   // findings of one rule at one step; further ones are counted
	maxReplyLines = 5   // lines of a refusal
	maxReplyLine  = 400 // octets; RFC 5321 4.5.3.1.5 allows 512 with code and CRLF
	maxValue      = 60  // octets of an offending value that are shown
)

// findings collects what the rules see at one step, header or body.
type findings struct {
	lint     *Lint
	m        *message.Message
	seen     []int // by rule: places, also those that were not kept
	list     []finding
	nullFrom bool
}

type finding struct {
	rule   int
	action Action
	where  string
	detail string
}

func newFindings(l *Lint, m *message.Message) *findings {
	return &findings{lint: l, m: m, seen: make([]int, len(l.rules)), nullFrom: m.Sender == ""}
}

// add records a finding of a rule with the rule's own action, or with Warn if
// that is the most that may come of it.
func (f *findings) add(rule int, most Action, where, detail string) {
	if f.seen[rule]++; f.seen[rule] > maxPlaces {
		return
	}
	action := f.lint.actions[rule]
	switch {
	case most == Warn && action != Observe:
		action = Warn
	case action == Reject && f.nullFrom:
		action = Warn // a bounce that is refused is mail that is lost
	}
	f.list = append(f.list, finding{rule, action, where, detail})
}

// settle reports what was collected, forgets it, and returns the *message.Refusal
// that it amounts to, or nil.
func (f *findings) settle() error {
	f.countRest()
	var refused []finding
	for _, found := range f.list {
		if found.action == Reject {
			refused = append(refused, found)
		}
		f.m.Report(message.Finding{
			Check: checkName, Rule: f.lint.rules[found.rule].ID, Action: string(found.action),
			Where: found.where, Detail: found.detail,
		})
	}
	f.list = nil
	clear(f.seen)
	if len(refused) == 0 || f.lint.collecting {
		return nil
	}
	return f.refusal(refused)
}

// countRest says on the last kept finding of a rule how many more there were.
func (f *findings) countRest() {
	for i := len(f.list) - 1; i >= 0; i-- {
		found := &f.list[i]
		if rest := f.seen[found.rule] - maxPlaces; rest > 0 {
			found.detail += fmt.Sprintf(" (and %d more places)", rest)
			f.seen[found.rule] = 0
		}
	}
}

// refusal is the reply for these findings, worst first. The worst one gives the codes.
func (f *findings) refusal(refused []finding) *message.Refusal {
	slices.SortStableFunc(refused, func(a, b finding) int {
		return cmp.Compare(f.lint.rules[b.rule].reply, f.lint.rules[a.rule].reply)
	})
	code, enhanced := f.lint.rules[refused[0].rule].reply.codes()
	var lines []string
	for i, found := range refused[:min(len(refused), maxReplyLines)] {
		rest := ""
		if more := len(refused) - maxReplyLines; i == maxReplyLines-1 && more > 0 {
			rest = fmt.Sprintf(" (and %d more)", more)
		}
		lines = append(lines, f.lint.rules[found.rule].line(found, rest))
	}
	return &message.Refusal{Code: code, Enhanced: enhanced, Text: strings.Join(lines, "\n")}
}

// line is what a refused client reads, e.g.
// "H03 more than one address in From: From[1], 2 addresses: a@x.org, b@x.org (Gmail answers 550 5.7.1)".
// The rest stands at its end, however long it is.
func (r *Rule) line(found finding, rest string) string {
	text := r.ID + " " + r.Name + ": " + found.where
	if found.detail != "" {
		text += ", " + found.detail
	}
	if r.Answer != "" {
		rest = " (" + r.Answer + ")" + rest
	}
	return text[:min(len(text), maxReplyLine-len(rest))] + rest
}

// ActionOf returns "reject" if one of the findings would have the message
// refused, otherwise "accept".
func ActionOf(found []message.Finding) string {
	for _, f := range found {
		if f.Check == checkName && f.Action == string(Reject) {
			return "reject"
		}
	}
	return "accept"
}

// shown is a value from the message as a finding shows it: cut short, printable ASCII, quoted.
func shown[T string | []byte](value T) string {
	if len(value) > maxValue {
		return strconv.QuoteToASCII(string(value[:maxValue])) + "..."
	}
	return strconv.QuoteToASCII(string(value))
}
