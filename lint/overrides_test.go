package lint

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pratique/message"
)

// htmlOnly breaks M13, and H16.
const htmlOnly = "Subject: Re: hello\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n"

// actionsOf returns what became of H16 and M13 in a message.
func actionsOf(m *message.Message) map[string]string {
	actions := map[string]string{}
	for _, f := range m.Findings {
		actions[f.Rule] = f.Action
	}
	return actions
}

func TestOverrides(t *testing.T) {
	opts := DefaultOptions()
	opts.Rules = map[string]string{"H16": "observe"}
	opts.Overrides = []Override{
		{Senders: []string{"news@example.org"}, Networks: []string{"10.0.0.0/8"}, Rules: map[string]string{"M13": "off", "H16": "warn"}},
		{Senders: []string{"news@example.org", "*.example.net"}, Rules: map[string]string{"M13": "observe"}},
		{Logins: []string{"shop"}, Rules: map[string]string{"M13": "reject"}},
		{Networks: []string{"192.0.2.7", "::1"}, Rules: map[string]string{"H16": "off"}},
	}
	inside, outside := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("198.51.100.1")
	tests := []struct {
		name   string
		sender string
		from   string
		client message.Client
		want   map[string]string
	}{
		{"none", "ann@example.org", "ann@example.org", message.Client{Addr: inside}, map[string]string{"H16": "observe", "M13": "warn"}},
		{"all lists cover it", "news@example.org", "ann@example.org", message.Client{Addr: inside}, map[string]string{"H16": "warn"}},
		{"one of them does not", "NEWS@example.org", "ann@example.org", message.Client{Addr: outside}, map[string]string{"H16": "observe", "M13": "observe"}},
		{"From", "bounces@example.com", "Ann <ann@mail.example.net>", message.Client{Addr: outside}, map[string]string{"H16": "observe", "M13": "observe"}},
		{"the first one decides", "news@example.org", "news@example.org", message.Client{Addr: outside, Login: "shop"}, map[string]string{"H16": "observe", "M13": "observe"}},
		{"login", "ann@example.org", "ann@example.org", message.Client{Addr: outside, Login: "shop"}, map[string]string{"H16": "observe", "M13": "reject"}},
		{"another login", "ann@example.org", "ann@example.org", message.Client{Addr: outside, Login: "Shop"}, map[string]string{"H16": "observe", "M13": "warn"}},
		{"address", "ann@example.org", "ann@example.org", message.Client{Addr: netip.MustParseAddr("::ffff:192.0.2.7")}, map[string]string{"M13": "warn"}},
		{"local", "ann@example.org", "ann@example.org", message.Client{Local: true}, map[string]string{"M13": "warn"}},
		{"unknown address", "ann@example.org", "ann@example.org", message.Client{}, map[string]string{"H16": "observe", "M13": "warn"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts.Rules["A05"] = "off"
			m := &message.Message{Sender: tt.sender, Client: tt.client}
			header := strings.Replace(plainHeader, "ann@example.org", tt.from, 1) + htmlOnly
			_, refusal := answer(t, opts, m, header, "<p>x</p>\r\n")
			if got := actionsOf(m); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if (refusal != nil) != (tt.want["M13"] == "reject") {
				t.Errorf("refusal %v", refusal)
			}
		})
	}
}

// TestAnOverrideSwitchesOnWhatIsOff is of the rules that need something kept ready for them.
func TestAnOverrideSwitchesOnWhatIsOff(t *testing.T) {
	opts := DefaultOptions()
	opts.Bulk, opts.Clients = []string{"example.org"}, []string{"outlook"}
	opts.Rules, opts.Overrides = map[string]string{}, []Override{{Senders: []string{"ann@example.org"}, Rules: map[string]string{"L06": "warn", "T07": "warn", "M12": "warn"}}}
	for _, rule := range Rules() {
		opts.Rules[rule.ID] = "off"
	}
	fields := "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	for sender, want := range map[string][]string{"ann@example.org": {"L06", "M12", "T07"}, "bob@example.org": nil} {
		m := &message.Message{Sender: sender}
		header := strings.Replace(plainHeader, "ann@example.org", sender, 1) + fields
		answer(t, opts, m, header, "<video src=3Dx></video><p>K=F6ln</p>\r\n")
		wantRules(t, m, want)
	}
}

func TestOverridesHoldForStoredMessages(t *testing.T) {
	opts := DefaultOptions()
	opts.Overrides = []Override{{Senders: []string{"ann@example.org"}, Rules: map[string]string{"M13": "reject"}}}
	m := fromAnn()
	if _, err := run(newLint(t, opts).Collecting(), m, plainHeader+htmlOnly, "<p>x</p>", whole); err != nil {
		t.Fatal(err)
	}
	if ActionOf(m.Findings) != "reject" {
		t.Errorf("%+v", m.Findings)
	}
}
