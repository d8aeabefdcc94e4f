// Package report says to people, and to what runs in their CI, what the rules of
// package lint found in stored messages: as text with the place underlined, as
// SARIF, as JUnit, or as the structure of the message. It judges nothing itself.
package report

import (
	"bytes"

	"pratique/lint"
	"pratique/message"
)

// Letter is one stored message that was judged.
type Letter struct {
	Name      string // as it is to be called: the file, "box.mbox[2]" for the second message of an mbox
	File      string // where it is stored, "-" for standard input
	Number    int    // in an mbox of several, from 1; 0: it is no such
	FirstLine int    // its first line in that file, from 1
	Source    []byte // as it is stored
	Header    *message.Header
	Findings  []message.Finding

	lines [][]byte
	body  int // index in lines of the first line of the body
}

// Action returns "reject" if the message would be refused, else "accept".
func (l *Letter) Action() string { return lint.ActionOf(l.Findings) }

// Worst returns the gravest action of the findings, of reject, warn, fix and observe, or "".
func (l *Letter) Worst() lint.Action {
	for _, action := range []lint.Action{lint.Reject, lint.Warn, lint.Fix, lint.Observe} {
		for _, f := range l.Findings {
			if f.Action == string(action) {
				return action
			}
		}
	}
	return ""
}

// Fails reports whether a message has a finding that is at least as grave as
// action: Reject or Warn.
func (l *Letter) Fails(action lint.Action) bool {
	worst := l.Worst()
	return worst == lint.Reject || action == lint.Warn && worst == lint.Warn
}

// A Writer reports on messages. What Close does not write is written by then.
type Writer interface {
	Letter(l *Letter) error
	Close() error
}

// names returns the names of the rules by their ids.
func names(rules []lint.Rule) map[string]string {
	names := map[string]string{}
	for _, r := range rules {
		names[r.ID] = r.Name
	}
	return names
}

// CRLF reports whether the message is stored with CRLF line ends.
func (l *Letter) CRLF() bool {
	line, _, _ := bytes.Cut(l.Source, []byte("\n"))
	return bytes.HasSuffix(line, []byte("\r"))
}

// split cuts the source into lines, once, and finds the end of the header as
// message.Play does: at an empty line, or at one that is no field.
func (l *Letter) split() {
	if l.lines != nil {
		return
	}
	l.lines = bytes.SplitAfter(l.Source, []byte("\n"))
	for l.body = 0; l.body < len(l.lines); l.body++ {
		line := bytes.TrimRight(l.lines[l.body], "\r\n")
		switch {
		case len(line) == 0:
			l.body++
			return
		case l.body == 0 && bytes.HasPrefix(line, []byte("From ")):
		case line[0] == ' ' || line[0] == '\t':
		case bytes.IndexByte(line, ':') < 0:
			return
		}
	}
}

// bodyText returns the source behind the header.
func (l *Letter) bodyText() []byte {
	l.split()
	return bytes.Join(l.lines[min(l.body, len(l.lines)):], nil)
}

// Outline returns the entities of the message, the message itself first.
func (l *Letter) Outline() []lint.Entity { return lint.Outline(l.Header, l.bodyText()) }
