package signing

import (
	"errors"
	"slices"
	"strings"
)

// checkReasonHeader takes names of fields that mean nothing to anybody else: what
// a client put into a message under that name is thrown away.
func checkReasonHeader(name string) error {
	if name == "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-"); !ok || rest == "" {
		return errors.New("does not begin with \"X-\"; a field of our own is wanted, such as \"X-Pratique-Unsigned\"")
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !isLetterDigit(r) && r != '-' }) || len(name) > columns {
		return errors.New("is no name of a field: letters, digits and \"-\", not too many of them")
	}
	return nil
}

// dropReasons removes what came with the message under the name of our field.
func (i *inspector) dropReasons() {
	name := i.signer.opts.ReasonHeader
	if name == "" {
		return
	}
	var forged []int
	for at := range i.m.Header.Named(name) {
		forged = append(forged, at)
	}
	for _, at := range slices.Backward(forged) { // a removal may move those below it
		i.m.Header.Remove(at)
	}
}

// giveReason says in the header of a message why it leaves unsigned.
func (i *inspector) giveReason(r Reason) {
	if name := i.signer.opts.ReasonHeader; name != "" {
		i.m.Header.Prepend(name, " "+string(r))
	}
}

// failed prepares the message for the case that on_error lets it leave. A refusal
// takes no edits with it.
func (i *inspector) failed(err error) error {
	i.giveReason(reasonOf(err))
	return err
}
