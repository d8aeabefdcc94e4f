package mta

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

func TestRoutes(t *testing.T) {
	for _, c := range []struct{ name, main, master, want string }{
		{"one", "myhostname = Mail.Example.org\n", "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n -o syslog_name=postfix/$service_name\n", "smtp/unix* mail.example.org [] 4 6"},
		{"its name", "myhostname = host.example.org\nsmtp_helo_name = out.$mydomain\nmydomain=example.org\ninet_protocols = ipv4\n",
			"smtp unix - - n - - smtp\n", "smtp/unix* out.example.org [] 4"},
		{"by service", "myhostname = m.example.org\nsmtp_bind_address = 192.0.2.1\nsmtp_bind_address6 = 2001:db8::1\n",
			"bulk unix - - n - - smtp -o smtp_helo_name=bulk.example.org -o { smtp_bind_address = 192.0.2.2 }\nsmtp unix - - n - - smtp\n" +
				"same unix - - n - - smtp -o smtp_tls_security_level=encrypt\nv4 unix - - n - - smtp -o inet_protocols=ipv4\n",
			"smtp/unix* m.example.org [192.0.2.1 2001:db8::1] 4 6; bulk/unix bulk.example.org [192.0.2.2 2001:db8::1] 4 6; v4/unix m.example.org [192.0.2.1] 4"},
		{"another default", "myhostname = m.example.org\ndefault_transport = out:\n", "smtp unix - - n - - smtp -o smtp_helo_name=old.example.org\nout unix - - n - - smtp\n",
			"out/unix* m.example.org [] 4 6; smtp/unix old.example.org [] 4 6"},
		{"the one interface", "myhostname = m.example.org\ninet_interfaces = 192.0.2.9, 127.0.0.1\n", "smtp unix - - n - - smtp\n", "smtp/unix* m.example.org [] 4 6"},
		{"one interface alone", "myhostname = m.example.org\ninet_interfaces = 192.0.2.9, [2001:db8::9]\n", "smtp unix - - n - - smtp\n", "smtp/unix* m.example.org [192.0.2.9 2001:db8::9] 4 6"},
		{"any address", "myhostname = m.example.org\nsmtp_bind_address = 0.0.0.0\n", "smtp unix - - n - - smtp\n", "smtp/unix* m.example.org [] 4 6"},
		{"to a filter", "myhostname = m.example.org\ncontent_filter = scan:[127.0.0.1]:10024\n", "smtp inet n - n - - smtpd\nscan unix - - n - - smtp -o smtp_helo_name=localhost\nsmtp unix - - n - - smtp\n",
			"smtp/unix* m.example.org [] 4 6"},
		{"nothing", "", "smtp inet n - n - - smtpd\n", ""},
	} {
		p, err := ParsePostfix([]byte(c.main), []byte(c.master))
		if err != nil {
			t.Fatal(err)
		}
		if got := written(p.Routes()); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
}

func written(routes []Route) string {
	var list []string
	for _, r := range routes {
		text := r.Service
		if r.Default {
			text += "*"
		}
		text += fmt.Sprintf(" %s %v", r.Helo, r.Bound)
		if r.IPv4 {
			text += " 4"
		}
		if r.IPv6 {
			text += " 6"
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// The name of each service is the one that the real Postfix computes.
func TestRoutesAgreeWithPostconf(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	dir := t.TempDir()
	makeFixture(t, dir, fixture{postconf: [][]string{{"-X", "myhostname"}, set("mydomain=example.net"), {"-M", "bulk/unix=bulk unix - - y - - smtp"}, in("bulk/unix/smtp_helo_name=bulk.$mydomain")}})
	p, err := LoadPostfix(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	usual := strings.ToLower(strings.TrimSpace(runPostconf(t, dir, "-x", "-h", "smtp_helo_name")))
	if routes := p.Routes(); len(routes) != 2 || routes[0].Helo != usual || routes[1].Helo != "bulk.example.net" {
		t.Errorf("%s, postconf says %s", written(routes), usual)
	}
}
