package scanning

import (
	"context"
	"fmt"
	"strconv"

	"pratique/message"
)

// inspector is the message's side of a scan: it copies what comes into chunks,
// hands them to the scan, and says what the verdict means for the message.
type inspector struct {
	scanner *Scanner
	ctx     context.Context // of the message
	m       *message.Message
	scan    *scan  // nil before Header
	filling *chunk // not yet handed on
	size    int64  // octets so far
	settled bool   // the verdict has been applied to the message; what comes now is not looked at
}

// ruleInfected is the rule of the finding that reports malware; its detail is the name.
const ruleInfected = "infected"

var emptyLine = []byte("\r\n")

// Header begins the scan with the header as it stands, which is after what the
// checks before this one changed. It does not wait for clamd: an MTA may allow
// less time for an answer here than at the end of the message (Sendmail: 10 s).
func (i *inspector) Header() error {
	i.scan = i.scanner.begin(i.ctx)
	if _, err := i.m.Header.WriteTo(i); err != nil {
		return err
	}
	_, err := i.Write(emptyLine)
	return err
}

// Write hands a copy of p on. It waits if clamd is more than a few chunks behind.
func (i *inspector) Write(p []byte) (int, error) {
	if i.settled {
		return len(p), nil
	}
	i.size += int64(len(p))
	if i.size > i.scanner.opts.MaxSize {
		i.scan.close()
		return i.written(p, i.settle(answer{verdict: oversize, detail: "larger than max_size"}, nil))
	}
	for rest := p; len(rest) > 0; {
		if i.filling == nil {
			i.filling = i.scanner.chunk()
		}
		rest = rest[i.filling.fill(rest):]
		// A chunk waits until more comes, so that the last one can carry the
		// end of the stream: up to 64 KiB, clamd gets a message in one piece.
		if len(rest) > 0 && !i.handOn() {
			return i.written(p, i.settle(i.scan.outcome()))
		}
	}
	return len(p), nil
}

// written is what Write returns once the message was settled.
func (i *inspector) written(p []byte, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// handOn gives the chunk to the scan, which owns it from then on. It reports
// false if the scan is over and wants no more.
func (i *inspector) handOn() bool {
	taken := i.scan.take(i.filling)
	if taken {
		i.filling = nil
	}
	return taken
}

// End tells clamd that this was all, waits for the verdict and applies it.
func (i *inspector) End() error {
	if i.settled {
		return nil
	}
	i.filling.last = true // the empty line alone makes sure that there is a chunk
	i.handOn()
	return i.settle(i.scan.outcome())
}

// Close ends the scan, however far it came, and returns when nothing of it is left.
func (i *inspector) Close() error {
	if i.scan == nil {
		return nil
	}
	i.scan.close()
	if i.filling != nil {
		i.scanner.recycle(i.filling)
		i.filling = nil
	}
	return nil
}

// settle applies a verdict to the message by the policies of the options.
func (i *inspector) settle(a answer, err error) error {
	i.settled = true
	if err != nil {
		return fmt.Errorf("scan with clamd at %s: %w", i.scanner.clamd, err)
	}
	if i.scan.tries > 1 {
		i.m.Note(checkName, "attempts", strconv.Itoa(i.scan.tries))
	}
	switch a.verdict {
	case clean:
		i.m.Note(checkName, "verdict", "clean")
		return nil
	case infected:
		i.m.Note(checkName, "verdict", "infected with "+a.detail)
		return i.settleInfected(a.detail)
	case oversize:
		i.m.Note(checkName, "verdict", "not scanned: "+a.detail)
		return i.settleOversize()
	default:
		return fmt.Errorf("scan with clamd at %s ended without a verdict", i.scanner.clamd)
	}
}

func (i *inspector) settleInfected(name string) error {
	policy := i.scanner.opts.Infected
	i.m.Report(message.Finding{Check: checkName, Rule: ruleInfected, Action: policy, Detail: name})
	switch policy {
	case hold:
		i.m.Hold("infected with " + name)
		return nil
	case discard:
		return &message.Discard{Reason: "infected with " + name}
	default:
		// RFC 3463 has no code for malware. X.7.1, "message refused" for reasons
		// of security or policy (3.8), is what other scanners say.
		return &message.Refusal{Code: 554, Enhanced: "5.7.1", Text: "message refused: infected with " + name}
	}
}

func (i *inspector) settleOversize() error {
	const text = "message is too large to be scanned"
	// The codes are those of RFC 1870 (6.1) with X.3.4 of RFC 3463 (3.4).
	switch i.scanner.opts.Oversize {
	case accept:
		return nil
	case reject:
		return &message.Refusal{Code: 552, Enhanced: "5.3.4", Text: text}
	default:
		return &message.Refusal{Code: 452, Enhanced: "4.3.4", Text: text}
	}
}
