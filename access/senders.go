package access

import (
	"fmt"
	"io"
	"mime"
	"net/mail"
	"slices"
	"strings"

	"pratique/message"
)

// senderRules finds the rules that bind a client.
type senderRules struct {
	networks prefixTable[[]*senderRule]
	logins   map[string][]*senderRule
}

// senderRule is one [[access.senders]] table.
type senderRule struct {
	key   string // "access.senders[0]"
	allow senderSet
}

// newSenderRules takes rules without problems.
func newSenderRules(rules []SenderRule) senderRules {
	s := senderRules{logins: map[string][]*senderRule{}}
	for i, r := range rules {
		rule := &senderRule{key: fmt.Sprintf("access.senders[%d]", i), allow: newSenderSet(r.Allow)}
		for _, text := range r.Networks {
			n, _ := parseNetwork(text)
			s.networks.add(n.prefix, append(s.networks.entries[n.prefix], rule))
		}
		for _, login := range r.Logins {
			s.logins[login] = append(s.logins[login], rule)
		}
	}
	return s
}

// binding is what binds one client: it may use what one of the rules allows.
type binding struct {
	rules  []*senderRule // none: it may use nothing
	action string        // of A09
}

// bindingOf returns the rules that apply to a client, or nil if it is free.
func (s *senderRules) bindingOf(c message.Client) *binding {
	rules := slices.Clone(s.logins[c.Login])
	hosts := addresses(c)
	for _, addr := range hosts {
		found, _ := s.networks.lookup(addr)
		for _, rule := range found {
			if !slices.Contains(rules, rule) {
				rules = append(rules, rule)
			}
		}
	}
	// With an address that can't be parsed nobody can say that no network rule
	// applies, so such a client may use what its login may, and nothing else.
	hidden := len(hosts) == 0 && len(s.networks.entries) > 0
	if len(rules) == 0 && !hidden {
		return nil
	}
	return &binding{rules: rules}
}

// permit returns nil if the client of m may use addr as its sender, or else what refuse says.
func (b *binding) permit(m *message.Message, where, addr string) error {
	if b == nil || b.allows(addr) {
		return nil
	}
	return b.refuse(m, where, printable(addr), describe(m.Client)+" may not use the sender "+printable(addr))
}

func (b *binding) allows(addr string) bool {
	a := parseAddress(addr)
	for _, rule := range b.rules {
		if rule.allow.has(a) {
			return true
		}
	}
	return false
}

// ruleA09 is the id of the rule in refusals and findings.
const ruleA09 = "A09"

// refuse puts on record what is not permitted, and returns the refusal, or nil if the
// action is another one.
func (b *binding) refuse(m *message.Message, where, detail, text string) error {
	m.Report(message.Finding{Check: Name, Rule: ruleA09, Action: b.action, Where: where, Detail: detail})
	m.Note(Name, "bound by", b.String())
	if b.action != actionReject {
		return nil
	}
	return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: ruleA09 + " " + text}
}

// String names the rules by their keys in the configuration.
func (b *binding) String() string {
	if len(b.rules) == 0 {
		return "an address that can't be parsed"
	}
	keys := make([]string, len(b.rules))
	for i, r := range b.rules {
		keys[i] = r.key
	}
	return strings.Join(keys, ", ")
}

// fromInspector holds every address of every From field against a binding.
type fromInspector struct {
	m       *message.Message
	binding *binding
}

func (f *fromInspector) Header() error {
	fields := 0
	for _, field := range f.m.Header.Named("From") {
		fields++
		where := fmt.Sprintf("From[%d]", fields)
		value := field.Unfolded()
		list, err := parseFrom(value)
		if err != nil || len(list) == 0 {
			if err := f.binding.refuse(f.m, where, printable(value),
				describe(f.m.Client)+" is held to its permitted senders, and the From field can't be parsed"); err != nil {
				return err
			}
		}
		for _, from := range list {
			if err := f.binding.permit(f.m, where, from.Address); err != nil {
				return err
			}
		}
	}
	if fields == 0 {
		return f.binding.refuse(f.m, "From", "", describe(f.m.Client)+" is held to its permitted senders, and there is no From field")
	}
	return nil
}

func (f *fromInspector) Write(p []byte) (int, error) { return len(p), nil }
func (f *fromInspector) End() error                  { return nil }
func (f *fromInspector) Close() error                { return nil }

// parseFrom reads the addresses of a From field, groups resolved (RFC 5322 3.4,
// RFC 6854). Display names don't matter here, so any charset will do in them.
func parseFrom(value string) ([]*mail.Address, error) {
	parser := mail.AddressParser{WordDecoder: &mime.WordDecoder{
		CharsetReader: func(_ string, input io.Reader) (io.Reader, error) { return input, nil },
	}}
	return parser.ParseList(value)
}
