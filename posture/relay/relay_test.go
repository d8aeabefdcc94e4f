package relay

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a mail server that answers RCPT as it is told, and keeps what it heard.
type server struct {
	addr string
	rcpt func(mail, rcpt string) string
	mu   sync.Mutex
	said []string
}

func start(t *testing.T, rcpt func(mail, rcpt string) string) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &server{addr: l.Addr().String(), rcpt: rcpt}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
	return s
}

func (s *server) talk(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	fmt.Fprint(conn, "220-mail.own.test\r\n220 ESMTP\r\n")
	mail := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.mu.Lock()
		s.said = append(s.said, line)
		s.mu.Unlock()
		reply := "250 ok"
		switch verb, arg, _ := strings.Cut(line, ":"); {
		case strings.HasPrefix(line, "EHLO"):
			reply = "250-mail.own.test\r\n250 HELP"
		case verb == "MAIL FROM":
			mail = arg
		case verb == "RCPT TO":
			if reply = s.rcpt(mail, arg); reply == "" {
				return
			}
		case line == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		}
		fmt.Fprint(conn, reply+"\r\n")
	}
}

func (s *server) options() Options {
	return Options{Target: s.addr, Recipient: "me@elsewhere.test", Sender: "post@own.test", Own: []string{"own.test"}, Helo: "probe.test", Timeout: 5 * time.Second}
}

func TestClosed(t *testing.T) {
	s := start(t, func(_, _ string) string { return "554 5.7.1 relay access denied" })
	r, err := Probe(t.Context(), s.options())
	if err != nil || r.Count(Refused) != len(r.Attempts) || len(r.Attempts) < 30 {
		t.Errorf("%v %+v", err, r)
	}
	s.polite(t)
}

// polite: no other addresses than ours were used, and nothing was ever sent.
func (s *server) polite(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.said {
		verb, arg, _ := strings.Cut(line, ":")
		switch {
		case strings.HasPrefix(line, "EHLO"), line == "RSET", line == "QUIT":
		case verb == "MAIL FROM":
			if !strings.Contains(arg, "own.test") && !strings.Contains(arg, "me@elsewhere.test") && arg != "<>" && !strings.HasPrefix(arg, "<postmaster") {
				t.Errorf("a stranger's address was used: %s", line)
			}
		case verb == "RCPT TO":
			if !strings.Contains(arg, "elsewhere.test") && !strings.Contains(arg, "<no-such-mailbox") || !strings.Contains(arg, "me") && !strings.Contains(arg, "no-such") {
				t.Errorf("a stranger's address was used: %s", line)
			}
		default:
			t.Errorf("%q was said", line)
		}
	}
}

// TestForms: each kind of server that is fooled by one form is found out by it.
func TestForms(t *testing.T) {
	for form, fooled := range map[string]func(mail, rcpt string) bool{
		"plain":                             func(m, r string) bool { return r == "<me@elsewhere.test>" && m == "<post@own.test>" },
		"null sender":                       func(m, r string) bool { return m == "<>" && r == "<me@elsewhere.test>" },
		"sender of its own domain":          func(m, r string) bool { return m == "<postmaster@own.test>" },
		"percent hack":                      func(m, r string) bool { return m != "<>" && r == "<me%elsewhere.test@own.test>" },
		"percent hack without a domain":     func(_, r string) bool { return r == "<me%elsewhere.test>" },
		"bang path":                         func(_, r string) bool { return r == "<elsewhere.test!me@mail.own.test>" },
		"UUCP (bang path)":                  func(_, r string) bool { return r == "<elsewhere.test!me>" },
		"quoted":                            func(_, r string) bool { return r == `<"me@elsewhere.test">` },
		"quoted local part":                 func(_, r string) bool { return r == `<"me@elsewhere.test"@own.test>` },
		"source route":                      func(_, r string) bool { return r == "<@[127.0.0.1]:me@elsewhere.test>" },
		"doubled @":                         func(_, r string) bool { return r == "<me@elsewhere.test@own.test>" },
		"trailing dot":                      func(_, r string) bool { return r == "<me@elsewhere.test.>" },
		"no angle brackets":                 func(_, r string) bool { return r == "me@elsewhere.test" },
		"mixed: bang path and percent hack": func(_, r string) bool { return r == "<own.test!me%elsewhere.test>" },
		"sender at the server's address":    func(m, _ string) bool { return m == "<postmaster@[127.0.0.1]>" },
	} {
		s := start(t, func(mail, rcpt string) string {
			if fooled(mail, rcpt) {
				return "250 2.1.5 ok"
			}
			return "550 5.7.1 no"
		})
		r, err := Probe(t.Context(), s.options())
		if err != nil || r.Count(Accepted) != 1 {
			t.Errorf("%s: %v, %d accepted", form, err, r.Count(Accepted))
			continue
		}
		for _, a := range r.Attempts {
			if a.Outcome == Accepted && a.Form != form {
				t.Errorf("%s was found as %s", form, a.Form)
			}
		}
		s.polite(t)
	}
}

// TestOthers: a server that takes any mailbox, defers, hangs up, or talks nonsense.
func TestOthers(t *testing.T) {
	any := start(t, func(_, r string) string {
		if strings.HasSuffix(r, "@own.test>") {
			return "250 ok"
		}
		return "550 no"
	})
	r, err := Probe(t.Context(), any.options())
	if err != nil || r.Count(Accepted) != 0 || r.Count(Undecided) == 0 {
		t.Errorf("takes any mailbox: %v %+v", err, r)
	}
	greylisting := start(t, func(_, _ string) string { return "450 4.7.1 greylisted" })
	if r, err := Probe(t.Context(), greylisting.options()); err != nil || r.Count(Deferred) != len(r.Attempts) {
		t.Errorf("defers: %v %+v", err, r)
	}
	rude := start(t, func(_, _ string) string { return "" })
	if r, err := Probe(t.Context(), rude.options()); err != nil || r.Count(Failed) != len(r.Attempts) {
		t.Errorf("hangs up: %v %+v", err, r)
	}
	odd := start(t, func(_, _ string) string { return "hello" })
	if r, err := Probe(t.Context(), odd.options()); err != nil || r.Count(Failed) != len(r.Attempts) {
		t.Errorf("talks nonsense: %v %+v", err, r)
	}
	if _, err := Probe(t.Context(), Options{Target: "127.0.0.1:1", Recipient: "me@elsewhere.test"}); err == nil {
		t.Error("nobody listens, and there is no error")
	}
}

func TestCheck(t *testing.T) {
	for o, good := range map[*Options]bool{
		{Target: "mail.own.test:25", Recipient: "me@elsewhere.test", Own: []string{"own.test"}}: true,
		{Target: "mail.own.test", Recipient: "me@elsewhere.test"}:                               false,
		{Target: "mail.own.test:25", Recipient: "me@own.test", Own: []string{"Own.test"}}:       false,
	} {
		if err := o.Check(); (err == nil) != good {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
