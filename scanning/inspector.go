package scanning

import (
	"bytes"
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
	scan    *scan  // nil before it has begun
	filling *chunk // not yet handed on
	size    int64  // octets so far, with the mark
	verdict verdict
	settled bool // the verdict has been applied to the message; what comes now is not looked at

	cache   *cache   // nil: the scan begins with the header
	content *content // for the cache
	early   *chunk   // the first chunk, while the scan waits for what the cache says
	header  int64    // octets before the body in it
}

// ruleInfected is the rule of the finding that reports malware; its detail is the name.
const ruleInfected = "infected"

var emptyLine = []byte("\r\n")

// mailMark goes before each message, so that clamd takes it for mail whatever field is
// the first one, and looks into it: in what it takes for text it finds nothing that is
// encoded, such as by uuencode. An MTA puts its own Received on top, and does not show it
// to milters. The line of an mbox, "From ", has clamd begin another message at each such
// line of the body, and lose sight of the boundaries.
var mailMark = []byte("Received: by pratique\r\n")

// Header begins the scan with the header as it stands, which is after what the
// checks before this one changed. It does not wait for clamd: an MTA may allow
// less time for an answer here than at the end of the message (Sendmail: 10 s).
//
// With a cache the scan begins once the message is too long for it, or at its end.
func (i *inspector) Header() error {
	if i.cache == nil {
		i.begin()
	} else {
		i.content = newContent(&i.m.Header)
	}
	if _, err := i.Write(mailMark); err != nil {
		return err
	}
	if _, err := i.m.Header.WriteTo(i); err != nil {
		return err
	}
	_, err := i.Write(emptyLine)
	i.header = i.size
	return err
}

// Write hands a copy of p on. It waits if clamd is more than a few chunks behind.
func (i *inspector) Write(p []byte) (int, error) {
	if i.settled {
		return len(p), nil
	}
	i.size += int64(len(p))
	if i.size > i.scanner.opts.MaxSize {
		i.stop()
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
	if i.scan == nil && i.early == nil && !i.filling.last {
		i.early, i.filling = i.filling, nil
		return true
	}
	i.begin()
	taken := i.scan.take(i.filling)
	if taken {
		i.filling = nil
	}
	return taken
}

// begin begins the scan, if it waits, with what there is of the message.
func (i *inspector) begin() {
	if i.scan != nil {
		return
	}
	i.scan = i.scanner.begin(i.ctx)
	if i.early != nil && i.scan.take(i.early) {
		i.early = nil
	}
}

// End tells clamd that this was all, waits for the verdict and applies it. If the same
// content was clean before, clamd does not hear of it.
func (i *inspector) End() error {
	if i.settled {
		return nil
	}
	if i.scan == nil {
		return i.endEarly()
	}
	return i.endScan()
}

func (i *inspector) endScan() error {
	i.filling.last = true // the empty line alone makes sure that there is a chunk
	i.handOn()
	return i.settle(i.scan.outcome())
}

// endEarly ends a message of which all is at hand.
func (i *inspector) endEarly() error {
	seen, ok := i.content.digest(i.body())
	if !ok {
		return i.endScan()
	}
	known, epoch := i.cache.clean(seen)
	if known {
		i.m.Note(checkName, "cached", "the same content was clean before")
		return i.settle(answer{verdict: clean}, nil)
	}
	err := i.endScan()
	if i.verdict == clean {
		i.cache.remember(seen, epoch)
	}
	return err
}

// body returns the body of a message of which all is at hand.
func (i *inspector) body() []byte {
	all := i.filling.data()
	if i.early != nil {
		all = bytes.Join([][]byte{i.early.data(), all}, nil)
	}
	return all[i.header:]
}

// Close ends the scan, however far it came, and returns when nothing of it is left.
func (i *inspector) Close() error {
	i.stop()
	if i.filling != nil {
		i.scanner.recycle(i.filling)
		i.filling = nil
	}
	return nil
}

// stop ends the scan, and forgets what waits for one.
func (i *inspector) stop() {
	if i.scan != nil {
		i.scan.close()
	}
	if i.early != nil {
		i.scanner.recycle(i.early)
		i.early = nil
	}
}

// settle applies a verdict to the message by the policies of the options.
func (i *inspector) settle(a answer, err error) error {
	i.settled = true
	if err != nil {
		return fmt.Errorf("scan with clamd at %s: %w", i.scanner.clamd, err)
	}
	i.verdict = a.verdict
	if i.scan != nil && i.scan.tries > 1 {
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
