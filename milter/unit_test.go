package milter

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/emersion/go-milter"

	"pratique/message"
)

func TestNegotiationTakesNoMoreThanIsOffered(t *testing.T) {
	for _, tc := range []struct {
		version, actions, steps uint32
		full                    bool
		want                    terms
	}{
		{6, 0x1ff, 0x1fffff, false, terms{6, 0x131, wantedSteps}},
		{6, 0x1ff, 0x1fffff, true, terms{6, 0x131, wantedSteps &^ milter.OptNoConnReply}},
		{2, 0x3f, 0x7f, false, terms{2, 0x31, 0}},
		{4, 0x3f, 0x3ff, false, terms{4, 0x31, milter.OptNoUnknown | milter.OptNoHeaderReply}},
		{6, 0x3f, 0x400, false, terms{6, 0x31, milter.OptSkip}},
		{7, 0xffffffff, 0xffffffff, false, terms{6, 0x131, wantedSteps}},
		{3, 0x1, 0, false, terms{3, 0x1, 0}},
	} {
		offer := []byte{0, 0, 0, byte(tc.version)}
		for _, v := range []uint32{tc.actions, tc.steps} {
			offer = append(offer, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
		}
		got, answer, err := negotiate(offer, tc.full, false)
		bodies, _, _ := negotiate(offer, tc.full, true)
		if want := tc.want.actions | milter.OptAction(tc.actions)&milter.OptChangeBody; bodies.actions != want {
			t.Errorf("version %d: actions %x where bodies are replaced, want %x", tc.version, bodies.actions, want)
		}
		if err != nil || got != tc.want {
			t.Errorf("version %d: %+v, want %+v, error %v", tc.version, got, tc.want, err)
		}
		if asks := len(answer) > 12; asks != (tc.actions&0x100 != 0) {
			t.Errorf("version %d: macros asked for: %v", tc.version, asks)
		}
	}
}

func TestClientsOfBothMTAs(t *testing.T) {
	addr := netip.MustParseAddr
	for _, tc := range []struct {
		connect string
		macro   string
		addr    netip.Addr
		local   bool
	}{
		{"c.example\x004\x04\x01192.0.2.1\x00", "", addr("192.0.2.1"), false},
		{"c.example\x006\x04\x012001:db8::1\x00", "", addr("2001:db8::1"), false},
		{"c.example\x006\x04\x01IPv6:2001:db8::1\x00", "", addr("2001:db8::1"), false},
		{"c.example\x006\x04\x01IPv6:::1\x00", "", addr("::1"), false},
		{"c.example\x006\x04\x01::ffff:192.0.2.1\x00", "", addr("192.0.2.1"), false},
		{"c.example\x006\x04\x01fe80::1%eth0\x00", "", addr("fe80::1"), false},
		{"c.example\x004\x04\x01192.0.2.1", "", addr("192.0.2.1"), false},
		{"c.example\x004\x04\x01unknown\x00", "IPv6:2001:db8::1", addr("2001:db8::1"), false},
		{"c.example\x004\x04\x01192.0.2.256\x00", "", netip.Addr{}, false},
		{"unknown\x00U", "unknown", netip.Addr{}, false},
		{"localhost\x004\x00\x00127.0.0.1\x00", "127.0.0.1", addr("127.0.0.1"), true},
		{"localhost\x006\x00\x00::1\x00", "", addr("::1"), true},
		{"localhost\x004\x04\x01127.0.0.1\x00", "", addr("127.0.0.1"), false},
		{"localhost\x004\x00\x00192.0.2.1\x00", "", addr("192.0.2.1"), false},
		{"c.example\x004\x00\x00127.0.0.1\x00", "", addr("127.0.0.1"), false},
		{"localhost\x00U", "", addr("127.0.0.1"), true},
		{"host\x00L\x00\x00/run/x\x00", "", addr("127.0.0.1"), true},
	} {
		p, err := parseConnect([]byte(tc.connect))
		if err != nil {
			t.Errorf("%q: %v", tc.connect, err)
		}
		if c := p.client(macros{clientAddr: tc.macro}); c.Addr != tc.addr || c.Local != tc.local {
			t.Errorf("%q: address %v, local %v", tc.connect, c.Addr, c.Local)
		}
	}
}

func TestPaths(t *testing.T) {
	for in, want := range map[string]string{
		"<a@b>\x00": "a@b", "a@b\x00": "a@b", "<>\x00": "", "\x00": "", "": "", "<a@b>": "a@b",
		"<a@b>\x00SIZE=1\x00SMTPUTF8\x00": "a@b|SIZE=1|SMTPUTF8", "<a@b>\x00\x00X": "a@b|X", "<\"<>\"@b>\x00": `"<>"@b`,
	} {
		addr, args := parsePath([]byte(in))
		if got := strings.Join(append([]string{addr}, args...), "|"); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestRefusalsAreRepliesThatEveryMTATakes(t *testing.T) {
	long := strings.Repeat("word ", 150)
	for _, tc := range []struct {
		in   message.Refusal
		want string
	}{
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "no"}, "550 5.7.1 no"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "a\nb"}, "550-5.7.1 a\r\n550 5.7.1 b"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "\n a \n\n"}, "550 5.7.1 a"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "100% sure"}, "550 5.7.1 100%% sure"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "x\r\n250 ok\x00"}, "550-5.7.1 x\r\n550 5.7.1 250 ok?"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "ü\x1b"}, "550 5.7.1 ??"},
		{message.Refusal{Code: 451, Enhanced: "5.7.1", Text: "x"}, "451 4.0.0 x"},
		{message.Refusal{Code: 451, Enhanced: "4.7", Text: "x"}, "451 4.0.0 x"},
		{message.Refusal{Code: 451, Enhanced: "4.7.1 x", Text: "x"}, "451 4.0.0 x"},
		{message.Refusal{Code: 250, Enhanced: "2.0.0", Text: "x"}, "451 4.0.0 x"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1"}, "550 5.7.1 refused"},
		{message.Refusal{Code: 550, Enhanced: "5.7.1", Text: long}, "550-5.7.1 " + long[:499] + "\r\n550 5.7.1 " + strings.TrimSpace(long[500:])},
	} {
		r := refusalReply(&tc.in)
		if got := strings.TrimSuffix(r.data, "\x00"); got != tc.want || r.code != 'y' || !strings.HasSuffix(r.data, "\x00") {
			t.Errorf("%+v became\n%q, want\n%q", tc.in, r.data, tc.want)
		}
	}
	if r := localReply(&message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "a\nb\n"}); r.data != "550 5.7.1 a; b\x00" {
		t.Errorf("local mail is answered %q", r.data)
	}
	r := refusalReply(&message.Refusal{Code: 550, Enhanced: "5.7.1", Text: strings.Repeat("x", 100_000)})
	lines := strings.Split(strings.TrimSuffix(r.data, "\x00"), "\r\n")
	if len(lines) != maxReplyLines {
		t.Errorf("%d lines", len(lines))
	}
	for i, line := range lines {
		if len(line)+2 > maxReplyLine || line[3] == '-' != (i < len(lines)-1) {
			t.Errorf("line %d has %d octets and begins %q", i, len(line), line[:5])
		}
	}
}
