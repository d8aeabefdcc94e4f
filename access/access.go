// Package access decides who may send: client networks, SASL logins and the
// senders that each may use. It knows nothing of relaying or of recipients; what
// it can't parse it does not allow.
package access

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"pratique/message"
)

// Name is the name of the gate and of the check.
const Name = "access"

// Access is the gate at MAIL and the check of From. It never changes after New
// and is safe for concurrent use.
//
// Who may send:
//   - A client whose address the longest matching network of Options.Networks
//     admits.
//   - A client with a SASL login, if Options.Authenticated, whatever its address
//     is, also one that is excluded by "!" or could not be parsed: the login is
//     what vouches for it.
//   - Mail that is not from SMTP (message.Client.Local), if 127.0.0.1 or ::1 may
//     send. Postfix presents it as coming from 127.0.0.1.
//
// Everyone else meets Options.Unlisted. An address that could not be parsed is
// in no network.
//
// What a client may use as its sender: the rules of Options.Senders that apply
// to it are those with the longest matching network among all rules, and those
// with its login; together they name all that it may use. A client to which no
// rule applies is free. The null sender is always permitted in the envelope, and
// the From of a bounce that the MTA itself generated is not held against rules.
type Access struct {
	networks      prefixTable[network]
	authenticated bool
	unlisted      string
	senders       senderRules
	action        string // of a sender that is not permitted
}

// New returns the access control for these options, or an error that tells all their problems.
func New(opts Options) (*Access, error) {
	var problems []error
	opts.Problems(func(key, problem string) {
		problems = append(problems, fmt.Errorf("access.%s: %s", key, problem))
	})
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	a := &Access{authenticated: opts.Authenticated, unlisted: opts.Unlisted, senders: newSenderRules(opts.Senders), action: actionReject}
	for _, text := range opts.Networks {
		// The options have no problems, so each parses.
		n, _ := parseNetwork(text)
		a.networks.add(n.prefix, n)
	}
	return a, nil
}

// Acting returns an Access that does something else about a sender that is not
// permitted (rule A09) than to refuse it: "warn" and "observe" put it on record under
// that name and let the message go on, "off" does not look.
func (a *Access) Acting(action string) *Access {
	b := *a
	b.action = action
	return &b
}

// The actions of A09. What is none of them is put on record, as "warn" and "observe" are.
const (
	actionReject = "reject"
	actionOff    = "off"
)

// binding returns what binds a client, nil if it is free.
func (a *Access) binding(c message.Client) *binding {
	if a.action == actionOff {
		return nil
	}
	b := a.senders.bindingOf(c)
	if b != nil {
		b.action = a.action
	}
	return b
}

// Admit answers at MAIL: nil, a *message.Refusal, or message.ErrPass.
func (a *Access) Admit(_ context.Context, m *message.Message) error {
	by, ok := a.admittedBy(m.Client)
	if !ok {
		return a.refuseUnlisted(m)
	}
	m.Note(Name, "admitted", by)
	if m.Sender == "" {
		return nil
	}
	return a.binding(m.Client).permit(m, "MAIL", m.Sender)
}

// admittedBy tells what lets a client send.
func (a *Access) admittedBy(c message.Client) (string, bool) {
	for _, addr := range addresses(c) {
		if n, ok := a.networks.lookup(addr); ok && !n.excluded {
			return "network " + n.text, true
		}
	}
	if a.authenticated && c.Login != "" {
		return "login " + c.Login, true
	}
	return "", false
}

func (a *Access) refuseUnlisted(m *message.Message) error {
	refusal := &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "access: " + describe(m.Client) + " may not send here"}
	switch a.unlisted {
	case unlistedPass:
		m.Note(Name, "unlisted", describe(m.Client))
		return message.ErrPass
	case unlistedTempfail:
		refusal.Code, refusal.Enhanced = 450, "4.7.1"
	}
	return refusal
}

// addresses returns the addresses by which a client is judged: its own, or both
// loopback addresses of a host that sends its own mail. None: it is in no network.
func addresses(c message.Client) []netip.Addr {
	addr := c.Addr.Unmap().WithZone("")
	switch {
	case c.Local && (!addr.IsValid() || addr.IsLoopback()):
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	case addr.IsValid():
		return []netip.Addr{addr}
	}
	return nil
}

// describe names a client as it and its administrator know it.
func describe(c message.Client) string {
	who := "client with an unknown address"
	switch {
	case c.Local:
		who = "this host"
	case c.Addr.IsValid():
		who = "client " + c.Addr.Unmap().String()
	}
	if c.Login != "" {
		who += " with login " + printable(c.Login)
	}
	return who
}

// printable quotes what a client sent for a reply or a record: ASCII, cut short.
func printable(s string) string {
	const longest = 100
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "..."
	}
	return fmt.Sprintf("%+q", s)
}

// Name names the check.
func (a *Access) Name() string { return Name }

// Begin returns an inspector that holds every From address against the sender
// rules, or nil if none applies to the client.
func (a *Access) Begin(_ context.Context, m *message.Message) (message.Inspector, error) {
	if m.LocalBounce() {
		return nil, nil
	}
	b := a.binding(m.Client)
	if b == nil {
		return nil, nil
	}
	return &fromInspector{m: m, binding: b}, nil
}
