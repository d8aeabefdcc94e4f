package milter

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/emersion/go-milter"
)

const (
	minVersion = 2
	maxVersion = 6 // also for an MTA that offers more: a version above the MTA's offer is an error, a lower one is not
)

const (
	// neededActions are those without which no message could be signed. The
	// insertion of a field counts as its addition.
	neededActions = milter.OptAddHeader
	// wantedActions: a message that needs one that was not offered is answered with a temporary failure.
	wantedActions = neededActions | milter.OptChangeHeader | milter.OptQuarantine | milter.OptSetSymList
	// bodyActions are wanted too where checks replace the body.
	bodyActions = milter.OptChangeBody

	// wantedSteps leaves two replies: to MAIL, where the gates answer, and to the end
	// of the message. One to the end of the header would spare the way from the MTA,
	// which has the whole message by then, to us for the body of a message that is
	// refused there: 0.3 ms of CPU for each MiB. It costs every message a round trip,
	// 10 to 30 µs of CPU here and as much at the MTA, and with one connection a tenth
	// of the rate. SKIP, a reply to a body chunk, is for the same reason of use only to
	// an MTA that does not let those replies be left out.
	wantedSteps = milter.OptNoConnReply | milter.OptNoHeloReply | milter.OptNoRcptReply | milter.OptNoDataReply |
		milter.OptNoUnknown | milter.OptNoUnknownReply | milter.OptNoHeaderReply | milter.OptNoEOHReply | milter.OptNoBodyReply |
		milter.OptSkip | milter.OptHeaderLeadingSpace
)

// terms are what an MTA and we have agreed on.
type terms struct {
	version uint32
	actions milter.OptAction
	steps   milter.OptProtocol
}

// negotiate answers an offer: no more actions and steps than it has, because
// both MTAs refuse to work with a filter that wants more. A full server keeps
// the reply to CONNECT, to turn the MTA away with.
func negotiate(offer []byte, full, bodies bool) (terms, []byte, error) {
	if len(offer) < 12 {
		return terms{}, nil, fmt.Errorf("the MTA's offer has %d octets, not 12", len(offer))
	}
	version := binary.BigEndian.Uint32(offer)
	if version < minVersion {
		return terms{}, nil, fmt.Errorf("the MTA speaks version %d of the milter protocol, %d is the oldest supported", version, minVersion)
	}
	wanted := wantedActions
	if bodies {
		wanted |= bodyActions
	}
	t := terms{
		version: min(version, maxVersion),
		actions: milter.OptAction(binary.BigEndian.Uint32(offer[4:])) & wanted,
		steps:   milter.OptProtocol(binary.BigEndian.Uint32(offer[8:])) & wantedSteps,
	}
	if t.actions&neededActions != neededActions {
		return terms{}, nil, errors.New("the MTA does not let header fields be added, so nothing could be signed")
	}
	if full {
		t.steps &^= milter.OptNoConnReply
	}
	return t, t.answer(), nil
}

// answer encodes what was agreed on, with the macros that we read, at the steps
// at which one MTA or the other has them. At the other steps the MTA's own list
// is left alone; Postfix has the queue id in it, and sends it with each field.
func (t terms) answer() []byte {
	b := binary.BigEndian.AppendUint32(nil, t.version)
	b = binary.BigEndian.AppendUint32(b, uint32(t.actions))
	b = binary.BigEndian.AppendUint32(b, uint32(t.steps))
	if t.actions&milter.OptSetSymList == 0 {
		return b
	}
	ask := func(stage milter.Stage, names string) {
		b = binary.BigEndian.AppendUint32(b, uint32(stage))
		b = append(b, names...)
		b = append(b, 0)
	}
	ask(milter.StageConnect, "{daemon_name} {client_addr}")
	ask(milter.StageMailFrom, "i {auth_authen} {tls_version}")
	ask(milter.StageData, "i") // Postfix: there is no queue id before
	ask(milter.StageEOM, "i")  // where DATA is not sent (versions 2 and 3)
	return b
}

// agreed reports whether a step (or its missing reply, or the leading space of values) was agreed on.
func (t terms) agreed(step milter.OptProtocol) bool { return t.steps&step != 0 }
