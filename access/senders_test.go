package access

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pratique/message"
)

func TestAllow(t *testing.T) {
	tests := []struct {
		allow   []string
		permits []string
		not     []string
	}{
		{
			[]string{"example.org"},
			[]string{"info@example.org", "INFO@Example.ORG", "info@example.org.", `"a b"@example.org`, `"a@evil.example"@example.org`},
			[]string{"", "example.org", "info@mail.example.org", "info@badexample.org", "info@example.org.evil.example", "info@example.org@evil.example", "info@", "@", "info@.example.org"},
		},
		{
			[]string{"*.example.org"},
			[]string{"info@mail.example.org", "info@a.b.c.example.org", "info@MAIL.example.org"},
			[]string{"info@example.org", "info@badexample.org", "info@mail.example.com", "info@.example.org", "info@org"},
		},
		{
			[]string{"info@example.org"},
			[]string{"info@example.org", "Info@EXAMPLE.org"},
			[]string{"info2@example.org", "info@mail.example.org", "info", "info+x@example.org", "\u0130nfo@example.org"},
		},
		{[]string{"kay@example.org"}, []string{"KAY@example.org"}, []string{"\u212aay@example.org"}},
		{
			[]string{"bücher.example"},
			[]string{"a@bücher.example", "a@BÜCHER.example", "a@xn--bcher-kva.example", "a@XN--BCHER-KVA.Example"},
			[]string{"a@bucher.example", "a@xn--bcher-kva.com", "a@b\xffcher.example"},
		},
		{[]string{"xn--bcher-kva.example"}, []string{"a@bücher.example"}, []string{"a@bücher.org"}},
		{[]string{"*"}, []string{"a@example.org", "a", "a@[192.0.2.1]", "\xff"}, nil},
		{[]string{"localhost", "a.example"}, []string{"root@localhost", "root@a.example"}, []string{"root@b.example", "root@[127.0.0.1]"}},
	}
	for _, tt := range tests {
		for _, entry := range tt.allow {
			if _, err := parseAllow(entry); err != nil {
				t.Fatal(err)
			}
		}
		b := &binding{rules: []*senderRule{{allow: newSenderSet(tt.allow)}}}
		for _, sender := range tt.permits {
			if !b.allows(sender) {
				t.Errorf("%v does not permit %q", tt.allow, sender)
			}
		}
		for _, sender := range tt.not {
			if b.allows(sender) {
				t.Errorf("%v permits %q", tt.allow, sender)
			}
		}
	}
}

func TestParseAllowRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "empty",
		"@example.org":                  `write "example.org"`,
		"info@*.example.org":            "stands only for",
		"*@example.org":                 "stands only for",
		"info@":                         "empty",
		"*.":                            "empty",
		"**":                            "has no '*'",
		"*example.org":                  "has no '*'",
		"mail.*.org":                    "has no '*'",
		"example..org":                  "empty",
		"example.org.":                  "empty",
		"exam ple.org":                  "has no ' '",
		"[192.0.2.1]":                   "has no '['",
		strings.Repeat("a", 64):         "longer than 63",
		strings.Repeat("ü", 60):         "longer than 63",
		strings.Repeat("ü", 6400):       "longer than 63",
		strings.Repeat("a.", 127) + "b": "longer than 253",
		"b\xffcher.example":             "not UTF-8",
	} {
		if a, err := parseAllow(text); err == nil {
			t.Errorf("parseAllow(%q) = %v, want an error", text, a)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("parseAllow(%q): %q, want it to hold %q", text, err, want)
		}
	}
}

// TestDomainsCompareAsALabels writes one domain in the ways that clients do:
// U-label, upper case, decomposed, A-label (RFC 5891 4, samples of RFC 3492 7.1).
func TestDomainsCompareAsALabels(t *testing.T) {
	for text, want := range map[string]string{
		"bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example",
		"bu\u0308cher.example": "xn--bcher-kva.example", "xn--bcher-kva.example": "xn--bcher-kva.example",
		"почемужеонинеговорятпорусски": "xn--b1abfaaepdrnnbgefbadotcwatmq2g4l",
		"他们为什么不说中文":                    "xn--ihqwcrb4cv8a8dqg056pqjye",
		"straße.example":               "xn--strae-oqa.example", // not ss: IDNA 2008
	} {
		if got, err := canonicalDomain(text); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"a\U0010ffff.example", "\u0308a.example", strings.Repeat("ü", 63) + ".example"} {
		if got, err := canonicalDomain(text); err == nil {
			t.Errorf("%q: %q, want an error", text, got)
		}
	}
}

// bound has rules of every sort.
func bound(t *testing.T) *Access {
	return newAccess(t, func(o *Options) {
		o.Senders = []SenderRule{
			{Networks: []string{"10.0.0.0/8"}, Allow: []string{"corp.example"}},
			{Networks: []string{"10.1.0.0/16"}, Allow: []string{"shop.example"}},
			{Networks: []string{"10.1.0.0/16", "127.0.0.1"}, Logins: []string{"both"}, Allow: []string{"info@extra.example"}},
			{Logins: []string{"shop"}, Allow: []string{"login.example"}},
			{Networks: []string{"10.2.2.2"}, Allow: []string{"*"}},
		}
	})
}

func TestBinding(t *testing.T) {
	tests := []struct {
		name, addr, login string
		local             bool
		permits, not      []string
	}{
		{name: "no rule", addr: "192.168.0.1", permits: []string{"a@anything.example", ""}},
		{name: "login without a rule", addr: "192.0.2.1", login: "other", permits: []string{"a@anything.example"}},
		{name: "logins compare exactly", addr: "192.0.2.1", login: "Shop", permits: []string{"a@anything.example"}},
		{name: "network", addr: "10.9.9.9", permits: []string{"a@corp.example", ""}, not: []string{"a@shop.example", "root"}},
		{name: "network, IPv4-mapped", addr: "::ffff:10.9.9.9", permits: []string{"a@corp.example"}, not: []string{"a@shop.example"}},
		{
			name: "the longest network decides, in all rules that have it", addr: "10.1.9.9",
			permits: []string{"a@shop.example", "info@extra.example"}, not: []string{"a@corp.example", "a@extra.example"},
		},
		{name: "login", addr: "192.0.2.1", login: "shop", permits: []string{"a@login.example", ""}, not: []string{"a@corp.example"}},
		{name: "login and network together", addr: "10.9.9.9", login: "shop", permits: []string{"a@login.example", "a@corp.example"}, not: []string{"a@shop.example"}},
		{name: "left free", addr: "10.2.2.2", permits: []string{"a@anything.example"}},
		{name: "the host itself", addr: "127.0.0.1", local: true, permits: []string{"info@extra.example", ""}, not: []string{"a@corp.example"}},
		{name: "the host itself, unknown address", local: true, permits: []string{"info@extra.example", ""}, not: []string{"a@corp.example"}},
		{name: "unknown address, login with a rule", login: "shop", permits: []string{"a@login.example", ""}, not: []string{"a@corp.example"}},
		{name: "unknown address, login without a rule", login: "other", permits: []string{""}, not: []string{"a@corp.example", "a@anything.example"}},
	}
	a := bound(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := client(tt.addr)
			c.Login, c.Local = tt.login, tt.local
			for _, sender := range tt.permits {
				if err := a.Admit(context.Background(), &message.Message{Client: c, Sender: sender}); err != nil {
					t.Errorf("sender %q: %v", sender, err)
				}
			}
			for _, sender := range tt.not {
				m := &message.Message{Client: c, Sender: sender}
				requireA09(t, m, a.Admit(context.Background(), m), "MAIL")
			}
		})
	}
}

// requireA09 demands a refusal that is on record with the rules behind it.
func requireA09(t *testing.T, m *message.Message, err error, where string) {
	t.Helper()
	var refusal *message.Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("%q was not refused: %v", m.Sender, err)
	}
	if refusal.Code != 550 || refusal.Enhanced != "5.7.1" || !strings.HasPrefix(refusal.Text, "A09 ") {
		t.Errorf("refused with %v", refusal)
	}
	if len(m.Findings) != 1 || m.Findings[0].Rule != "A09" || m.Findings[0].Where != where {
		t.Errorf("findings %v, want A09 at %s", m.Findings, where)
	}
	if last := m.Notes[len(m.Notes)-1]; last.Key != "bound by" || last.Text == "" {
		t.Errorf("notes %v", m.Notes)
	}
}

func TestRefusalNamesWhoAndWhatAndTheRecordWhy(t *testing.T) {
	c := client("10.9.9.9")
	c.Login = "shop"
	m := &message.Message{Client: c, Sender: "ceo@bank.example"}
	err := bound(t).Admit(context.Background(), m)
	const want = `550 5.7.1 A09 client 10.9.9.9 with login "shop" may not use the sender "ceo@bank.example"`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if got := m.Notes[len(m.Notes)-1].Text; got != "access.senders[3], access.senders[0]" {
		t.Errorf("bound by %s", got)
	}
}

func play(a *Access, m *message.Message, header string) error {
	return message.Play(context.Background(), a, m, strings.NewReader(header+"\r\n\r\nbody\r\n"), io.Discard)
}

func TestFromBinding(t *testing.T) {
	tests := []struct {
		name, header string
		where        string // "": permitted
	}{
		{name: "plain", header: "From: a@corp.example"},
		{name: "display name", header: `From: "Bank" <a@corp.example>`},
		{name: "the name looks like an address", header: `From: "ceo@bank.example" <a@corp.example>`},
		{name: "folded", header: "From: Corp\r\n <a@corp.example>"},
		{name: "several addresses", header: "From: a@corp.example, B <b@corp.example>"},
		{name: "encoded-word in a charset that Go lacks", header: "From: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?= <a@corp.example>"},
		{name: "white space before the colon", header: "To: x@example.com\r\nFrom : a@bank.example", where: "From[1]"},
		{name: "other case", header: "FROM: a@bank.example", where: "From[1]"},
		{name: "another domain", header: "From: a@bank.example", where: "From[1]"},
		{name: "the permitted one is a comment", header: "From: a@bank.example (a@corp.example)", where: "From[1]"},
		{name: "the permitted one is the name", header: `From: "a@corp.example" <a@bank.example>`, where: "From[1]"},
		{name: "second address", header: "From: a@corp.example, b@bank.example", where: "From[1]"},
		{name: "in a group", header: "From: staff: a@corp.example, b@bank.example;", where: "From[1]"},
		{name: "second field", header: "From: a@corp.example\r\nTo: x@example.com\r\nFrom: a@bank.example", where: "From[2]"},
		{name: "empty", header: "From:", where: "From[1]"},
		{name: "empty group", header: "From: staff:;", where: "From[1]"},
		{name: "no domain", header: "From: root", where: "From[1]"},
		{name: "unparsable", header: "From: a@corp.example <", where: "From[1]"},
		{name: "bare CR", header: "From: a@corp.example,\r b@bank.example", where: "From[1]"},
		{name: "missing", header: "To: x@example.com", where: "From"},
	}
	a := bound(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := &message.Message{Client: client("10.9.9.9"), Sender: "a@corp.example"}
			err := play(a, m, tt.header)
			if tt.where != "" {
				requireA09(t, m, err, tt.where)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFromIsFree(t *testing.T) {
	for name, m := range map[string]*message.Message{
		"without a rule":          {Client: client("192.168.0.1"), Sender: "a@anything.example"},
		"for a bounce of the MTA": {Client: message.Client{Addr: netip.MustParseAddr("127.0.0.1"), Local: true}},
	} {
		if err := play(bound(t), m, "From: MAILER-DAEMON@host.example"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFromIsBoundUnderANullSender: the null sender is no way around the rules.
func TestFromIsBoundUnderANullSender(t *testing.T) {
	m := &message.Message{Client: client("10.9.9.9")}
	requireA09(t, m, play(bound(t), m, "From: a@bank.example"), "From[1]")
}

// TestOtherActions: what is not refused is on record all the same, at every place.
func TestOtherActions(t *testing.T) {
	for _, action := range []string{"warn", "observe"} {
		a := bound(t).Acting(action)
		m := &message.Message{Client: client("10.9.9.9"), Sender: "ceo@bank.example"}
		if err := a.Admit(context.Background(), m); err != nil {
			t.Errorf("%s: %v", action, err)
		}
		if err := play(a, m, "From: a@bank.example, b@bank.example\r\nFrom: c@corp.example <"); err != nil {
			t.Errorf("%s: %v", action, err)
		}
		var where []string
		for _, f := range m.Findings {
			if f.Rule != "A09" || f.Action != action {
				t.Errorf("%s: %+v", action, f)
			}
			where = append(where, f.Where)
		}
		if want := []string{"MAIL", "From[1]", "From[1]", "From[2]"}; !slices.Equal(where, want) {
			t.Errorf("%s: found at %v, want %v", action, where, want)
		}
	}
	m := &message.Message{Client: client("10.9.9.9"), Sender: "ceo@bank.example"}
	a := bound(t).Acting("off")
	if err := errors.Join(a.Admit(context.Background(), m), play(a, m, "From: a@bank.example")); err != nil || len(m.Findings) > 0 {
		t.Errorf("off: %v, %v", err, m.Findings)
	}
	requireA09(t, m, bound(t).Admit(context.Background(), m), "MAIL") // the first one is as it was
}

// FuzzSender: whatever the sender looks like, it is permitted only if its domain is.
func FuzzSender(f *testing.F) {
	for _, seed := range []string{"info@example.org", "INFO@Example.ORG.", "info@mail.example.org", "info@example.org@evil.example", "@a,@b:info@example.org", "info@xn--example.org", "info@\xff.example.org", "info@ex\u212ample.org"} {
		f.Add(seed)
	}
	b := &binding{rules: []*senderRule{{allow: newSenderSet([]string{"example.org", "*.mail.example.org"})}}}
	f.Fuzz(func(t *testing.T, sender string) {
		if !b.allows(sender) {
			return
		}
		domain := message.Domain(sender)
		if domain != "example.org" && !strings.HasSuffix(domain, ".mail.example.org") {
			t.Fatalf("%q is permitted", sender)
		}
	})
}
