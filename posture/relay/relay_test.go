package relay

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a mail server that answers as it is told, and keeps what it heard. What is
// not told is as usual.
type server struct {
	banner, ehlo, helo, mail, rset string
	post                           string // about its postmaster; "": as rcpt says
	rcpt                           func(mail, rcpt string) string
	slow                           time.Duration // before it greets
	limit                          int           // recipients of a session; 0: any number
	parting                        string        // what it says beyond the limit

	addr string
	mu   sync.Mutex
	said []string
}

func start(t *testing.T, rcpt func(mail, rcpt string) string) *server {
	t.Helper()
	s := &server{rcpt: rcpt}
	s.listen(t)
	return s
}

func (s *server) listen(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s.addr = l.Addr().String()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
}

func (s *server) talk(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	time.Sleep(s.slow)
	if s.banner == "-" {
		return
	}
	fmt.Fprint(conn, cmp.Or(s.banner, "220-mail.own.test\r\n220 ESMTP\r\n"))
	mail, recipients := "", 0
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
			reply = cmp.Or(s.ehlo, "250-mail.own.test\r\n250 HELP")
		case strings.HasPrefix(line, "HELO"):
			reply = cmp.Or(s.helo, "250 mail.own.test")
		case verb == "MAIL FROM":
			mail = arg
			reply = cmp.Or(s.mail, reply)
		case verb == "RCPT TO":
			if recipients++; s.limit > 0 && recipients > s.limit {
				fmt.Fprint(conn, s.parting)
				return
			}
			if arg == "<postmaster@own.test>" && s.post != "" {
				reply = s.post
			} else if reply = s.rcpt(mail, arg); reply == "" {
				return
			}
		case line == "RSET":
			reply = cmp.Or(s.rset, reply)
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
	s.post = "250 ok"
	r := Probe(t.Context(), s.options())
	if r.Trouble != "" || r.Count(Refused) != len(r.Attempts) || len(r.Attempts) < 30 {
		t.Errorf("%v %+v", r.Trouble, r)
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
		case strings.HasPrefix(line, "EHLO"), strings.HasPrefix(line, "HELO"), line == "RSET", line == "QUIT", arg == "<postmaster@own.test>":
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
		r := Probe(t.Context(), s.options())
		if r.Trouble != "" || r.Count(Accepted) != 1 {
			t.Errorf("%s: %s, %d accepted", form, r.Trouble, r.Count(Accepted))
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

// TestUnusual: servers that are not as one thinks. What they say tells that they relay, or
// do not, or it is not known; a refusal for another reason is not taken for the answer.
func TestUnusual(t *testing.T) {
	refuse := func(_, _ string) string { return "554 5.7.1 <me@elsewhere.test>: Relay access denied" }
	always := func(reply string) func(string, string) string {
		return func(_, _ string) string { return reply }
	}
	for name, c := range map[string]struct {
		server *server
		want   Outcome // of all forms
	}{
		"takes its postmaster, and refuses": {&server{rcpt: func(_, r string) string {
			if r == "<postmaster@own.test>" {
				return "250 ok"
			}
			return "554 5.7.1 no"
		}}, Refused},
		"refuses us, for whatever":  {&server{rcpt: always("554 5.7.1 Client host rejected")}, Undecided},
		"a blocklist":               {&server{mail: "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.example"}, Undecided},
		"wants a login":             {&server{mail: "530 5.7.0 Authentication required"}, Refused},
		"refuses the recipient":     {&server{rcpt: func(_, r string) string { return "550 5.7.1 " + r + ": denied" }, post: "550 5.1.1 no such user"}, Refused},
		"greylists":                 {&server{rcpt: always("450 4.7.1 greylisted, try again in 5 minutes")}, Deferred},
		"too many of them":          {&server{rcpt: always("452 4.5.3 too many recipients")}, Deferred},
		"counts, and hangs up":      {&server{rcpt: refuse, post: "250 ok", limit: 3}, Refused},
		"counts, and says 421":      {&server{rcpt: refuse, post: "250 ok", limit: 3, parting: "421 4.7.0 too many errors\r\n"}, Refused},
		"hangs up at once":          {&server{rcpt: always("")}, Failed},
		"says 421 at once":          {&server{rcpt: always("421 4.7.0 try later")}, Deferred},
		"talks nonsense":            {&server{rcpt: always("hello")}, Failed},
		"replies in many lines":     {&server{rcpt: always("554-5.7.1 one\r\n554-5.7.1 two\r\n554 5.7.1 three"), post: "250-fine\r\n250 yes"}, Refused},
		"codes that differ":         {&server{rcpt: always("250-ok\r\n554 no")}, Failed},
		"says more than was asked":  {&server{mail: "250 ok\r\n250 ok", rcpt: refuse}, Failed},
		"an endless reply":          {&server{rcpt: always(strings.Repeat("250-on and on\r\n", 200) + "250 end")}, Failed},
		"a long line":               {&server{rcpt: always("250 " + strings.Repeat("x", 10000))}, Failed},
		"knows no EHLO":             {&server{ehlo: "502 5.5.1 what?", rcpt: refuse, post: "250 ok"}, Refused},
		"a slow banner":             {&server{slow: 300 * time.Millisecond, rcpt: refuse, post: "250 ok"}, Refused},
		"a banner of many lines":    {&server{banner: strings.Repeat("220-welcome\r\n", 30) + "220 ESMTP\r\n", rcpt: refuse, post: "250 ok"}, Refused},
		"accepts after RSET failed": {&server{rset: "502 5.5.1 no RSET", rcpt: always("250 ok")}, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.server
			s.listen(t)
			r := Probe(t.Context(), s.options())
			if r.Trouble != "" || len(r.Attempts) < 30 || r.Count(c.want) != len(r.Attempts) {
				t.Errorf("%d of %d forms are %s; %s, control %+v, %+v", r.Count(c.want), len(r.Attempts), c.want, r.Trouble, r.Control, r.Attempts[:min(3, len(r.Attempts))])
			}
			s.polite(t)
		})
	}
}

// TestNoSession: servers that let nobody in. That is no proof of anything.
func TestNoSession(t *testing.T) {
	for name, c := range map[string]struct {
		server *server
		says   string
	}{
		"no service":   {&server{banner: "554 5.3.2 no SMTP service here\r\n"}, "greets with 554"},
		"busy":         {&server{banner: "421 4.3.2 busy\r\n"}, "greets with 421"},
		"closes":       {&server{banner: "-"}, "closed the connection"},
		"says nothing": {&server{slow: 10 * time.Second}, "timeout"},
		"something":    {&server{banner: "SSH-2.0-OpenSSH\r\n"}, "none of SMTP"},
		"no hello":     {&server{ehlo: "502 no", helo: "502 no"}, "EHLO and HELO"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.server
			s.listen(t)
			o := s.options()
			o.Timeout = 300 * time.Millisecond
			if r := Probe(t.Context(), o); len(r.Attempts) != 0 || !strings.Contains(r.Trouble, c.says) {
				t.Errorf("%q, %d forms; want %q", r.Trouble, len(r.Attempts), c.says)
			}
		})
	}
	if r := Probe(t.Context(), Options{Target: "127.0.0.1:1", Recipient: "me@elsewhere.test"}); r.Trouble == "" {
		t.Error("nobody listens, and that is no trouble")
	}
}

// TestTimeIsUp: what was found until then is told, and the rest is not known.
func TestTimeIsUp(t *testing.T) {
	s := start(t, func(mail, _ string) string {
		if mail == "<>" {
			time.Sleep(time.Second)
		}
		return "250 ok"
	})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	r := Probe(ctx, s.options())
	if r.Count(Accepted) != 1 || r.Count(Failed) != len(r.Attempts)-1 || !strings.Contains(r.Trouble, "time was up") {
		t.Errorf("%d accepted, %d of %d failed, %s", r.Count(Accepted), r.Count(Failed), len(r.Attempts), r.Trouble)
	}
}

// TestAnyMailbox: a server that takes any mailbox of its own domain has said nothing by
// taking one.
func TestAnyMailbox(t *testing.T) {
	s := start(t, func(_, r string) string {
		if strings.HasSuffix(r, "@own.test>") {
			return "250 ok"
		}
		return "550 no"
	})
	if r := Probe(t.Context(), s.options()); r.Count(Accepted) != 0 || r.Count(Undecided) == 0 {
		t.Errorf("%+v", r)
	}
}

// TestBorrowedName: a server that calls itself by somebody else's name gets no address there.
func TestBorrowedName(t *testing.T) {
	s := &server{ehlo: "250-mx.victim.example\r\n250 HELP", rcpt: func(_, _ string) string { return "550 no" }}
	s.listen(t)
	Probe(t.Context(), s.options())
	s.polite(t)
	if said := strings.Join(s.said, "\n"); strings.Contains(said, "victim") {
		t.Error(said)
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
