package milter

import (
	"fmt"
	"strings"

	"github.com/emersion/go-milter"

	"pratique/message"
)

// Reply codes that go-milter has no name for.
const (
	actProgress = 'p' // SMFIR_PROGRESS: restarts the MTA's timer, has no data
)

// reply is what we answer to a command.
type reply struct {
	code byte
	data string
}

var (
	continueReply = reply{code: byte(milter.ActContinue)}
	acceptReply   = reply{code: byte(milter.ActAccept)}
	discardReply  = reply{code: byte(milter.ActDiscard)}
	skipReply     = reply{code: byte(milter.ActSkip)}
	progressReply = reply{code: actProgress}
)

// String is the reply as the log has it.
func (r reply) String() string {
	switch milter.ActionCode(r.code) {
	case milter.ActReplyCode:
		return strings.ReplaceAll(strings.TrimSuffix(r.data, "\x00"), "\r\n", " / ")
	case milter.ActAccept:
		return "accept"
	case milter.ActDiscard:
		return "discard"
	default:
		return string(rune(r.code))
	}
}

const (
	maxReplyLine  = 512 // octets with CRLF (RFC 5321 4.5.3.1.5)
	maxReplyLines = 10
)

// localReply is a refusal of mail that is not from SMTP: one line, because
// Postfix puts it into the bounce as it is, with "__" where its lines meet.
func localReply(r *message.Refusal) reply {
	single := *r
	single.Text = strings.ReplaceAll(strings.TrimSpace(r.Text), "\n", "; ")
	return refusalReply(&single)
}

// refusalReply is a refusal as an SMTP reply of one or more lines, each with
// code and enhanced status code (RFC 2034 4): "550-5.7.1 a", CRLF, "550 5.7.1 b".
// Postfix takes the filter out of service for a reply that is not of this form.
func refusalReply(r *message.Refusal) reply {
	code, enhanced := statusCodes(r)
	lines := replyLines(r.Text, maxReplyLine-len("550-")-len(enhanced)-len(" \r\n"))
	var b strings.Builder
	for i, line := range lines {
		separator, end := "-", "\r\n"
		if i == len(lines)-1 {
			separator, end = " ", "\x00"
		}
		// Sendmail uses the text as a format string, and Postfix undoes the doubling.
		line = strings.ReplaceAll(line, "%", "%%")
		fmt.Fprintf(&b, "%d%s%s %s%s", code, separator, enhanced, line, end)
	}
	return reply{code: byte(milter.ActReplyCode), data: b.String()}
}

// statusCodes returns the codes of a refusal. What is not a refusal's code is a
// temporary failure, and what is not an enhanced code of its class is none in particular.
func statusCodes(r *message.Refusal) (code int, enhanced string) {
	code = r.Code
	if code < 400 || code > 599 {
		code = 451
	}
	class := code / 100
	var c, subject, detail int
	if n, err := fmt.Sscanf(r.Enhanced, "%d.%d.%d", &c, &subject, &detail); n != 3 || err != nil ||
		c != class || r.Enhanced != fmt.Sprintf("%d.%d.%d", c, subject, detail) {
		return code, fmt.Sprintf("%d.0.0", class)
	}
	return code, r.Enhanced
}

// replyLines breaks a text into lines of at most so many octets of printable ASCII.
func replyLines(text string, width int) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(strings.Map(printable, line))
		for len(line) > width && len(lines) < maxReplyLines {
			cut := strings.LastIndexByte(line[:width+1], ' ')
			if cut <= 0 {
				cut = width
			}
			lines = append(lines, line[:cut])
			line = strings.TrimSpace(line[cut:])
		}
		if line != "" {
			lines = append(lines, line)
		}
		if len(lines) >= maxReplyLines {
			return lines[:maxReplyLines]
		}
	}
	if len(lines) == 0 {
		return []string{"refused"}
	}
	return lines
}

func printable(r rune) rune {
	switch {
	case r == '\t' || r == '\r':
		return ' '
	case r < ' ' || r > '~':
		return '?'
	}
	return r
}
