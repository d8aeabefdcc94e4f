package access

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pratique/message"
)

func newAccess(t *testing.T, edit func(*Options)) *Access {
	t.Helper()
	opts := DefaultOptions()
	edit(&opts)
	a, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func client(addr string) message.Client {
	c := message.Client{}
	if addr != "" {
		c.Addr = netip.MustParseAddr(addr)
	}
	return c
}

func TestAdmit(t *testing.T) {
	mixed := []string{"10.0.0.0/8", "!10.1.0.0/16", "10.1.2.0/24", "!10.1.2.9", "2001:db8::/32", "!2001:db8:bad::/48", "127.0.0.1"}
	tests := []struct {
		name     string
		networks []string
		loginsNo bool // authenticated = false
		client   message.Client
		admitted bool
	}{
		{name: "listed", networks: mixed, client: client("10.9.9.9"), admitted: true},
		{name: "listed, IPv4-mapped", networks: mixed, client: client("::ffff:10.9.9.9"), admitted: true},
		{name: "not listed", networks: mixed, client: client("192.0.2.7")},
		{name: "not listed, IPv4-mapped", networks: mixed, client: client("::ffff:192.0.2.7")},
		{name: "excluded by a longer prefix", networks: mixed, client: client("10.1.3.1")},
		{name: "listed by a longer prefix again", networks: mixed, client: client("10.1.2.1"), admitted: true},
		{name: "excluded as one address", networks: mixed, client: client("10.1.2.9")},
		{name: "IPv6", networks: mixed, client: client("2001:db8::1"), admitted: true},
		{name: "IPv6 with a zone", networks: mixed, client: client("2001:db8::1%eth0"), admitted: true},
		{name: "IPv6 excluded", networks: mixed, client: client("2001:db8:bad::1")},
		{name: "IPv6 not listed", networks: mixed, client: client("2001:db9::1")},
		{name: "all IPv6 is not all IPv4", networks: []string{"::/0"}, client: client("192.0.2.7")},
		{name: "all IPv4 is not all IPv6", networks: []string{"0.0.0.0/0"}, client: client("2001:db8::1")},
		{name: "unparsable address", networks: []string{"0.0.0.0/0", "::/0"}, client: client("")},
		{name: "unparsable address with a login", networks: mixed, client: message.Client{Login: "shop"}, admitted: true},
		{name: "unparsable address with a login that does not count", networks: mixed, loginsNo: true, client: message.Client{Login: "shop"}},
		{name: "login from elsewhere", networks: mixed, client: message.Client{Addr: netip.MustParseAddr("192.0.2.7"), Login: "shop"}, admitted: true},
		{name: "login from an excluded network", networks: mixed, client: message.Client{Addr: netip.MustParseAddr("10.1.3.1"), Login: "shop"}, admitted: true},
		{name: "login that does not count", networks: mixed, loginsNo: true, client: message.Client{Addr: netip.MustParseAddr("192.0.2.7"), Login: "shop"}},
		{name: "sendmail(1) as Postfix presents it", networks: mixed, client: message.Client{Addr: netip.MustParseAddr("127.0.0.1"), Local: true}, admitted: true},
		{name: "local without an address", networks: mixed, client: message.Client{Local: true}, admitted: true},
		{name: "local, only ::1 is listed", networks: []string{"::1"}, client: message.Client{Addr: netip.MustParseAddr("127.0.0.1"), Local: true}, admitted: true},
		{name: "local, no loopback is listed", networks: []string{"10.0.0.0/8"}, client: message.Client{Addr: netip.MustParseAddr("127.0.0.1"), Local: true}},
		{name: "said to be local, but from elsewhere", networks: mixed, client: message.Client{Addr: netip.MustParseAddr("192.0.2.7"), Local: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAccess(t, func(o *Options) { o.Networks, o.Authenticated = tt.networks, !tt.loginsNo })
			m := &message.Message{Client: tt.client, Sender: "info@example.org"}
			err := a.Admit(context.Background(), m)
			if tt.admitted != (err == nil) {
				t.Fatalf("Admit = %v, want admitted %v", err, tt.admitted)
			}
			var refusal *message.Refusal
			if err != nil && (!errors.As(err, &refusal) || refusal.Code != 550 || refusal.Enhanced != "5.7.1") {
				t.Fatalf("Admit = %v, want 550 5.7.1", err)
			}
			if err == nil && (len(m.Notes) != 1 || m.Notes[0].Key != "admitted") {
				t.Fatalf("the record does not say what admitted it: %v", m.Notes)
			}
		})
	}
}

func TestUnlisted(t *testing.T) {
	m := func() *message.Message {
		return &message.Message{Client: client("192.0.2.7"), Sender: "info@example.org"}
	}
	for word, want := range map[string]string{
		"reject":   "550 5.7.1 access: client 192.0.2.7 may not send here",
		"tempfail": "450 4.7.1 access: client 192.0.2.7 may not send here",
	} {
		a := newAccess(t, func(o *Options) { o.Unlisted = word })
		if err := a.Admit(context.Background(), m()); err == nil || err.Error() != want {
			t.Errorf("unlisted = %s: %v, want %s", word, err, want)
		}
	}
	a := newAccess(t, func(o *Options) { o.Unlisted = "pass" })
	if err := a.Admit(context.Background(), m()); !errors.Is(err, message.ErrPass) {
		t.Errorf("unlisted = pass: %v", err)
	}
}

// TestRefusalIsOneASCIILine: what a client sent must not shape the reply.
func TestRefusalIsOneASCIILine(t *testing.T) {
	a := newAccess(t, func(o *Options) {
		o.Senders = []SenderRule{{Networks: []string{"10.0.0.0/8"}, Allow: []string{"example.org"}}}
	})
	nasty := "x\r\n250 ok\x00\u202e\xff" + strings.Repeat("y", 5000) + "@example.com"
	for _, m := range []*message.Message{
		{Client: message.Client{Addr: netip.MustParseAddr("10.0.0.1"), Login: nasty}, Sender: nasty},
		{Client: message.Client{Addr: netip.MustParseAddr("10.0.0.1")}, Sender: nasty},
	} {
		err := a.Admit(context.Background(), m)
		if err == nil {
			t.Fatal("admitted")
		}
		if len(err.Error()) > 1000 {
			t.Errorf("the refusal has %d octets", len(err.Error()))
		}
		for _, c := range []byte(err.Error()) {
			if c < ' ' || c > '~' {
				t.Fatalf("the refusal holds %q: %q", c, err)
			}
		}
	}
}

func TestProblems(t *testing.T) {
	opts := Options{
		Networks: []string{"10.0.0.0/8", "bad", "!10.0.0.0/8", "10.1.2.3/24"},
		Unlisted: "drop",
		Senders: []SenderRule{
			{Allow: []string{"example.org"}},
			{Networks: []string{"10.0.0.0/8", "!10.1.0.0/16", "worse"}, Logins: []string{"a", ""}, Allow: []string{"@example.org", "a b.example"}},
			{Logins: []string{"shop"}},
		},
	}
	var got []string
	opts.Problems(func(key, problem string) {
		if problem == "" {
			t.Errorf("%s: no text", key)
		}
		got = append(got, key)
	})
	want := []string{
		"networks[1]", "networks[2]", "networks[3]", "unlisted",
		"senders[0]",
		"senders[1].networks[1]", "senders[1].networks[2]", "senders[1].logins[1]", "senders[1].allow[0]", "senders[1].allow[1]",
		"senders[2].allow",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("problems of\n%v\nwant\n%v", got, want)
	}
	if _, err := New(opts); err == nil || strings.Count(err.Error(), "\n") != len(want)-1 {
		t.Errorf("New tells %v", err)
	}
	DefaultOptions().Problems(func(key, problem string) { t.Errorf("the defaults have a problem: %s: %s", key, problem) })
}

func TestProblemNobodyCouldSend(t *testing.T) {
	for _, networks := range [][]string{nil, {"!10.0.0.0/8"}} {
		for _, authenticated := range []bool{false, true} {
			problems := 0
			Options{Networks: networks, Authenticated: authenticated, Unlisted: "reject"}.Problems(func(string, string) { problems++ })
			if want := map[bool]int{false: 1, true: 0}[authenticated]; problems != want {
				t.Errorf("networks %v, authenticated %v: %d problems, want %d", networks, authenticated, problems, want)
			}
		}
	}
}

func BenchmarkAdmit(b *testing.B) {
	opts := DefaultOptions()
	opts.Senders = []SenderRule{{Networks: []string{"10.1.0.0/16"}, Allow: []string{"*.example.org", "example.com"}}}
	a, err := New(opts)
	if err != nil {
		b.Fatal(err)
	}
	c := client("10.1.2.3")
	b.ReportAllocs()
	for b.Loop() {
		m := message.Message{Client: c, Sender: "info@mail.example.org"}
		if err := a.Admit(context.Background(), &m); err != nil {
			b.Fatal(err)
		}
	}
}
