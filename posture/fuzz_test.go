package posture

import (
	"bufio"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"pratique/posture/lookup"
)

// FuzzPolicy: whatever a server sends as a policy of MTA-STS, it is judged.
func FuzzPolicy(f *testing.F) {
	f.Add("version: STSv1\r\nmode: enforce\r\nmx: *.example.org\r\nmax_age: 604800\r\n")
	f.Add("version: STSv1\nmode: on\nmax_age: -1\n\x00\n:")
	f.Fuzz(func(t *testing.T, body string) {
		p, problems := parsePolicy(body)
		if len(problems) == 0 && (p.maxAge < 0 || p.mode != "none" && len(p.mx) == 0) {
			t.Errorf("%q is taken for %+v", body, p)
		}
		for _, pattern := range p.mx {
			covers(pattern, "mail.example.org")
		}
	})
}

// FuzzRecords: whatever stands in the DNS, it is read, and what is to be published is a record.
func FuzzRecords(f *testing.F) {
	f.Add("v=STSv1; id=1;")
	f.Add("v=TLSRPTv1; rua=mailto:a@b.test,https://b.test; x; x=1; x=2")
	f.Fuzz(func(t *testing.T, text string) {
		for _, version := range []string{"STSv1", "TLSRPTv1", "BIMI1"} {
			_, f := single(Finding{Code: "x"}, "x.test", version, []lookup.Text{{text}}, nil, nil)
			if f.Status == OK {
				t.Errorf("%q is called well before it was looked at", text)
			}
		}
		reportURIs(text)
		if line := txtLine("x.test", text); text != "" {
			if _, err := dns.NewRR(line); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
		for _, c := range plain(text) {
			if c < ' ' || c == 0x7f {
				t.Errorf("%q steers the terminal", plain(text))
			}
		}
	})
}

// FuzzReply: a server that talks nonsense ends the session, and no more.
func FuzzReply(f *testing.F) {
	f.Add("220-a\r\n220 b\r\n")
	f.Add("2\n250")
	f.Fuzz(func(t *testing.T, text string) {
		if lines, err := replyOf(bufio.NewReader(strings.NewReader(text)), "220"); err == nil && !strings.HasPrefix(text, "220") {
			t.Errorf("%q is read as %q", text, lines)
		}
	})
}
