package lint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"pratique/message"
)

const plainHeader = "From: ann@example.org\r\nTo: bob@example.net\r\nDate: Mon, 02 Jun 2025 10:00:00 +0200\r\nMessage-ID: <a@example.org>\r\n"

// run takes a message through l with an envelope, as a session does, and returns
// the answer and the stage of it.
func run(l *Lint, m *message.Message, header, body string, cuts func(left int) int) (stage message.Stage, err error) {
	for _, f := range fieldsOf(header) {
		m.Header.Receive(f)
	}
	inspector, err := l.Begin(context.Background(), m)
	if err != nil {
		return message.StageBegin, err
	}
	defer inspector.Close()
	if err := inspector.Header(); err != nil {
		return message.StageHeader, err
	}
	for len(body) > 0 {
		n := min(max(cuts(len(body)), 1), len(body))
		if _, err := inspector.Write([]byte(body[:n])); err != nil {
			return message.StageBody, err
		}
		body = body[n:]
	}
	return message.StageEnd, inspector.End()
}

func answer(t *testing.T, opts Options, m *message.Message, header, body string) (message.Stage, *message.Refusal) {
	t.Helper()
	stage, err := run(newLint(t, opts), m, header, body, whole)
	var refusal *message.Refusal
	if err != nil && !errors.As(err, &refusal) {
		t.Fatal(err)
	}
	return stage, refusal
}

func fromAnn() *message.Message { return &message.Message{Sender: "ann@example.org"} }

func TestHeaderRefusal(t *testing.T) {
	header := strings.Replace(plainHeader, "ann@example.org", "ann@example.org, bob@example.net", 1) + "Subject: Gr\xfc\xdfe\r\n"
	stage, refusal := answer(t, DefaultOptions(), fromAnn(), header, "x")
	if stage != message.StageHeader || refusal == nil {
		t.Fatalf("%v at %v", refusal, stage)
	}
	want := "550 5.7.1 H03 several addresses in From: From[1], 2 addresses: \"ann@example.org, bob@example.net\" (Gmail answers 550 5.7.1)\n" +
		"H17 raw 8-bit octets in the header: Subject[1], not UTF-8: \"Gr\\xfc\\xdfe\" (Gmail answers 550 5.7.1)"
	if refusal.Error() != want {
		t.Errorf("got\n%s\nwant\n%s", refusal, want)
	}
}

func TestBodyRefusal(t *testing.T) {
	tests := []struct {
		name, fields, body string
		code               int
		enhanced, text     string
	}{
		{"form", "", strings.Repeat("x", 999) + "\r\n", 550, "5.6.0", "M09 body line too long: body line 1, over 998 octets"},
		{"blocked type", "MIME-Version: 1.0\r\nContent-Type: x/y; name=a.exe\r\n", "x", 552, "5.7.0", `M19 blocked attachment type: body, "a.exe" (Gmail answers 552 5.7.0)`},
		{"size", "", strings.Repeat("x\r\n", 1000), 552, "5.3.4", "M20 message too big: message, 3114 octets, at most 1000 (Gmail answers 552 5.3.4)"},
		{"place", "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\nx\r\n--b\r\n\r\nx\r\nGr\xfc\xdfe\r\n\xff\r\n--b--\r\n", 550, "5.6.0", "M10 8-bit octets in a 7bit part: 2 line 7, no Content-Transfer-Encoding, 2 lines"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			opts := DefaultOptions()
			if tt.name == "size" {
				opts.MaxSize = 1000
			}
			_, refusal := answer(t, opts, fromAnn(), plainHeader+tt.fields, tt.body)
			want := &message.Refusal{Code: tt.code, Enhanced: tt.enhanced, Text: tt.text}
			if !reflect.DeepEqual(refusal, want) {
				t.Errorf("got %v, want %v", refusal, want)
			}
		})
	}
}

func TestRefusalIsBounded(t *testing.T) {
	long := strings.Repeat("x", 2000)
	header := strings.Repeat("X-"+long+" : \xff\r\n", 20) + strings.Repeat("From: "+long+"\r\n", 9) + "Date: x\r\nDate: x\r\nMessage-ID: " + long + "\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n"
	m := fromAnn()
	_, refusal := answer(t, DefaultOptions(), m, header, "")
	lines := strings.Split(refusal.Text, "\n")
	if len(lines) != maxReplyLines {
		t.Errorf("%d lines", len(lines))
	}
	rejected := 0
	for _, f := range m.Findings {
		if f.Action == "reject" {
			rejected++
		}
	}
	if want := fmt.Sprintf("(and %d more)", rejected-maxReplyLines); !strings.HasSuffix(refusal.Text, want) {
		t.Errorf("the reply ends in %q, want %s", lines[len(lines)-1], want)
	}
	for _, line := range lines {
		if len(line) > maxReplyLine || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
}

func TestFindingsArePrintableAndShort(t *testing.T) {
	odd := "\x01\xff" + strings.Repeat("x", 5000)
	for _, fields := range []string{
		"Content-Type: multipart/" + odd + "\r\n",
		"Content-Type: text/" + odd + "\r\n",
		"Content-Type: multipart/mixed; boundary=" + odd + "\r\n",
		"Content-Type: message/" + odd + "\r\nContent-Transfer-Encoding: base64\r\n",
		"Content-Type: a/b; name=\"" + odd + ".exe\"\r\n",
		"MIME-Version: " + odd + "\r\nX" + odd + ": x\r\nSubject: re:" + odd + "\r\nReply-To: " + odd + "\r\nReply-To: " + odd + "\r\n",
	} {
		m := fromAnn()
		if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, plainHeader+fields, "--b\r\nContent-Type: text/plain\r\n\r\n"+odd, whole); err != nil {
			t.Fatal(err)
		}
		if len(m.Findings) < 2 {
			t.Errorf("%.60q: %+v", fields, m.Findings)
		}
		for _, f := range m.Findings {
			if text := f.Where + f.Detail; len(text) > 6*maxValue || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Errorf("%+v", f)
			}
		}
	}
}

func TestWorstFindingGivesTheCodes(t *testing.T) {
	header := strings.Replace(plainHeader, "From: ann@example.org\r\n", "", 1) + "X-A : b\r\n"
	_, refusal := answer(t, DefaultOptions(), fromAnn(), header, "")
	if refusal == nil || refusal.Enhanced != "5.7.1" || !strings.HasPrefix(refusal.Text, "H01 ") || !strings.Contains(refusal.Text, "\nH21 ") {
		t.Errorf("%v", refusal)
	}
}

func TestBouncesAreNotRefused(t *testing.T) {
	m := &message.Message{}
	_, refusal := answer(t, DefaultOptions(), m, "Bcc: x\r\n", strings.Repeat("x", 999)+"\xff\x00")
	if refusal != nil {
		t.Errorf("%v", refusal)
	}
	actions := map[string]string{}
	for _, f := range m.Findings {
		actions[f.Rule] = f.Action
	}
	want := map[string]string{"H01": "warn", "H07": "fix", "H10": "fix", "H20": "warn", "H25": "fix", "M09": "warn", "M10": "warn"}
	if !reflect.DeepEqual(actions, want) {
		t.Errorf("%v, want %v", actions, want)
	}
}

func TestFixes(t *testing.T) {
	tests := []struct {
		name, header, want string
	}{
		{"nothing to fix", plainHeader, plainHeader},
		{"Date", "From: ann@example.org\r\nTo: x@y.org\r\nMessage-ID: <a@b.org>\r\n",
			"From: ann@example.org\r\nTo: x@y.org\r\nMessage-ID: <a@b.org>\r\nDate: Mon, 02 Jun 2025 12:00:00 +0000\r\n"},
		{"Message-ID", "From: ann@example.org\r\nTo: x@y.org\r\nDate: Mon, 02 Jun 2025 10:00:00 +0200\r\n",
			"From: ann@example.org\r\nTo: x@y.org\r\nDate: Mon, 02 Jun 2025 10:00:00 +0200\r\nMessage-ID: <00000000000000000000000000000000@mail.example.org>\r\n"},
		{"Bcc and Return-Path", plainHeader + "bcc: x\r\nReturn-Path: <>\r\nX-A: b\r\nBCC: y\r\n", plainHeader + "X-A: b\r\n"},
		{"MIME-Version", plainHeader + "Content-Type: text/plain\r\n", plainHeader + "Content-Type: text/plain\r\nMIME-Version: 1.0\r\n"},
		{"wrong MIME-Version", plainHeader + "Mime-Version: 2.0\r\n", plainHeader + "Mime-Version: 1.0\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := fromAnn()
			if _, refusal := answer(t, DefaultOptions(), m, tt.header, "x\r\n"); refusal != nil {
				t.Fatal(refusal)
			}
			var got bytes.Buffer
			m.Header.WriteTo(&got)
			if got.String() != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got.String(), tt.want)
			}
			for _, f := range m.Findings {
				if f.Action != "fix" || !strings.Contains(f.Detail, "added") && f.Detail != "removed" && !strings.Contains(f.Detail, "replaced") {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestLeaksAreRemovedOnlyWhereAsked(t *testing.T) {
	leaks := "X-Originating-IP: [198.51.100.7]\r\nX-PHP-Originating-Script: 33:a.php\r\nX-Mailer: /home/shop/a.php\r\n"
	received := "Received: from pc ([10.0.0.5])\r\n\tby mail.example.org; Mon, 02 Jun 2025 10:00:00 +0200\r\n"
	opts := DefaultOptions()
	opts.Rules = map[string]string{"H33": "fix", "H34": "fix"}
	m := fromAnn()
	if _, refusal := answer(t, opts, m, received+leaks+plainHeader, "x"); refusal != nil {
		t.Fatal(refusal)
	}
	var left bytes.Buffer
	m.Header.WriteTo(&left)
	if want := received + plainHeader; left.String() != want {
		t.Errorf("left\n%s\nwant\n%s", left.String(), want)
	}
	var got []string
	for _, f := range m.Findings {
		got = append(got, f.Rule+" "+f.Action+" "+f.Where)
	}
	want := []string{"H33 fix X-Originating-IP[1]", "H33 warn Received[1]", "H34 fix X-PHP-Originating-Script[1]", "H34 fix X-Mailer[1]"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestWhatOnlyMessagesUnderWayShow is of rules that know the client, the envelope and the time.
func TestWhatOnlyMessagesUnderWayShow(t *testing.T) {
	received := "Received: from pc ([198.51.100.7])\r\n\tby mail.example.org; Mon, 02 Jun 2025 10:00:00 +0200\r\n"
	submitter := message.Client{Addr: netip.MustParseAddr("198.51.100.7"), Login: "ann"}
	old := strings.Replace(plainHeader, "02 Jun", "26 May", 1)
	replied := plainHeader + "Auto-Submitted: auto-replied\r\n"
	for _, tt := range []struct {
		name, header, rule string
		m                  *message.Message
	}{
		{"old date", old, "H08", fromAnn()},
		{"submitter's address", received + plainHeader, "H33", &message.Message{Sender: "ann@example.org", Client: submitter}},
		{"reply with a sender", replied, "H35", fromAnn()},
		{"reply without one", replied, "", &message.Message{}},
		{"host's address", received + plainHeader, "", &message.Message{Sender: "ann@example.org", Client: message.Client{Addr: submitter.Addr}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, refusal := answer(t, DefaultOptions(), tt.m, tt.header, "x"); refusal != nil {
				t.Fatal(refusal)
			}
			var want []string
			if tt.rule != "" {
				want = []string{tt.rule}
			}
			wantRules(t, tt.m, want)
		})
	}
}

func TestFixesRunOnlyAsConfigured(t *testing.T) {
	for _, action := range []string{"reject", "warn", "observe", "off"} {
		opts := DefaultOptions()
		opts.Rules = map[string]string{"H07": action, "H10": action, "H25": action, "H26": action, "M04": action}
		m := fromAnn()
		_, refusal := answer(t, opts, m, "From: ann@example.org\r\nTo: x@y.org\r\nBcc: x\r\nReturn-Path: <>\r\nContent-Type: text/plain\r\n", "x")
		if len(m.Header.Edits()) != 0 {
			t.Errorf("%s: the header was edited: %v", action, m.Header.Edits())
		}
		if (refusal != nil) != (action == "reject") {
			t.Errorf("%s: %v", action, refusal)
		}
		want := 5
		if action == "off" {
			want = 0
		}
		if len(m.Findings) != want {
			t.Errorf("%s: %d findings, want %d", action, len(m.Findings), want)
		}
		for _, f := range m.Findings {
			if f.Action != action {
				t.Errorf("%s: %+v", action, f)
			}
		}
	}
}

func TestFixesLeaveTheSignaturesOfOthersWhole(t *testing.T) {
	signature := "DKIM-Signature: v=1; d=example.com;\r\n h = from:\r\n  DATE : message-id:bcc; b=x\r\n"
	m := fromAnn()
	answer(t, DefaultOptions(), m, signature+"From: ann@example.org\r\nBcc: x\r\nTo: x@y.org\r\nReturn-Path: <>\r\nContent-Type: text/plain\r\n", "x")
	var names []string
	for _, e := range m.Header.Edits() {
		names = append(names, e.Name)
	}
	if want := []string{"Return-Path", "MIME-Version"}; !reflect.DeepEqual(names, want) {
		t.Errorf("edited %v, want %v", names, want)
	}
	for _, f := range m.Findings {
		if f.Rule != "H07" && f.Rule != "H10" && f.Rule != "H25" {
			continue
		}
		if f.Action != "warn" || !strings.Contains(f.Detail, "DKIM-Signature[1]") || !strings.Contains(f.Detail, "A10") {
			t.Errorf("%+v", f)
		}
	}
}

func TestFailureOfRandomnessIsOurs(t *testing.T) {
	env := testEnv()
	env.Random = strings.NewReader("too short")
	l, err := New(DefaultOptions(), env)
	if err != nil {
		t.Fatal(err)
	}
	_, err = run(l, fromAnn(), "From: ann@example.org\r\nTo: x@y.org\r\nDate: Mon, 02 Jun 2025 10:00:00 +0200\r\n", "x", whole)
	var refusal *message.Refusal
	if err == nil || errors.As(err, &refusal) {
		t.Errorf("err = %v, want one of our own", err)
	}
}

func TestSMTPUTF8(t *testing.T) {
	header := strings.Replace(plainHeader, "ann@", "анна@", 1) + "Subject: Grüße\r\n"
	m := fromAnn()
	if _, refusal := answer(t, DefaultOptions(), m, header, "x"); refusal == nil {
		t.Error("accepted without SMTPUTF8, although there is an envelope to declare it")
	}
	m = fromAnn()
	m.SenderArgs = []string{"BODY=8BITMIME", "SMTPUTF8"}
	if _, refusal := answer(t, DefaultOptions(), m, header, "x"); refusal != nil || len(m.Findings) > 0 {
		t.Errorf("%v %v", refusal, m.Findings)
	}
	m = fromAnn()
	m.SenderArgs = []string{"SMTPUTF8"}
	if _, refusal := answer(t, DefaultOptions(), m, header+"X-A: \xff\r\n", "x"); refusal == nil {
		t.Error("octets that are not UTF-8 were accepted")
	}
}

func TestCollectingRefusesNothing(t *testing.T) {
	m := fromAnn()
	_, err := run(newLint(t, DefaultOptions()).Collecting(), m, "From: a@b.org, c@d.org\r\nTo: x@y.org\r\n", strings.Repeat("x", 999), whole)
	if err != nil {
		t.Fatal(err)
	}
	var rules []string
	for _, f := range m.Findings {
		rules = append(rules, f.Rule+" "+f.Action)
	}
	if want := []string{"H03 reject", "H07 fix", "H10 fix", "M09 reject"}; !reflect.DeepEqual(rules, want) {
		t.Errorf("%v, want %v", rules, want)
	}
	if ActionOf(m.Findings) != "reject" || ActionOf(m.Findings[1:3]) != "accept" {
		t.Errorf("ActionOf: %q, %q", ActionOf(m.Findings), ActionOf(m.Findings[1:3]))
	}
}

func TestFindingsAreBounded(t *testing.T) {
	var body strings.Builder
	for range 400 {
		body.WriteString("--b\r\nContent-Type: text/plain\r\nContent-Type: text/plain; name=a.exe\r\n\r\n\xff\nx\x00\r\n")
	}
	m := fromAnn()
	_, err := run(newLint(t, DefaultOptions()).Collecting(), m, plainHeader+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n", body.String(), whole)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, f := range m.Findings {
		counts[f.Rule]++
	}
	if want := map[string]int{"H20": 3, "M03": 1, "M05": 3, "M10": 3}; !reflect.DeepEqual(counts, want) {
		t.Errorf("%v, want %v", counts, want)
	}
	said := false
	for _, f := range m.Findings {
		said = said || f.Rule == "M10" && strings.Contains(f.Detail, "(and 397 more places)")
	}
	if !said {
		t.Errorf("the rest is not counted: %+v", m.Findings)
	}
}

func TestHardLimitsAreReportedEvenWhereM18IsOff(t *testing.T) {
	opts := DefaultOptions()
	opts.Rules = map[string]string{"M18": "off"}
	for name, body := range map[string]string{
		"depth":  nested(maxDepth + 1),
		"parts":  strings.Repeat("--b0\r\n\r\n", maxParts+1) + "--b0--\r\n",
		"header": "--b0\r\nX-A: " + strings.Repeat("b\r\n c", 20<<10) + "\r\n\r\n--b0--\r\n",
	} {
		m := fromAnn()
		_, refusal := answer(t, opts, m, plainHeader+"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n", body)
		if refusal != nil || len(m.Findings) != 1 || m.Findings[0].Rule != "M18" || m.Findings[0].Action != "warn" {
			t.Errorf("%s: %v, %+v", name, refusal, m.Findings)
		}
	}
}

// nested is the body of a multipart with boundary b0, and so on to a depth.
func nested(depth int) string {
	var b strings.Builder
	for i := range depth {
		fmt.Fprintf(&b, "--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", i, i+1)
	}
	return b.String()
}

func TestRulesOfFormOnlyWarnInsideAForwardedMessage(t *testing.T) {
	forwarded := "From: x\r\nContent-Type: multipart/mixed; boundary=i\r\nContent-Type: text/plain\r\n\r\nGr\xfc\xdfe\r\n"
	m := fromAnn()
	_, refusal := answer(t, DefaultOptions(), m, plainHeader+"MIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n", forwarded)
	if refusal != nil {
		t.Errorf("%v", refusal)
	}
	wantRules(t, m, []string{"M01", "M05"})
}

func TestAnySplitGivesTheSameFindings(t *testing.T) {
	l := newLint(t, DefaultOptions()).Collecting()
	for path, content := range fixtures(t, "rules/*/bad-*.eml", "good/*.eml", "good/libraries/*.eml", "structure/*.eml") {
		header, body, _ := bytes.Cut(content, []byte("\r\n\r\n"))
		header = append(bytes.Clone(header), crlf...)
		if bytes.Count(header, []byte("\n")) != bytes.Count(header, crlf) || len(content) > 300<<10 || !bytes.Contains(header, []byte(":")) {
			continue
		}
		findings := func(cuts func(int) int) []message.Finding {
			m := fromAnn()
			if _, err := run(l, m, string(header), string(body), cuts); err != nil {
				t.Fatal(err)
			}
			return m.Findings
		}
		want := findings(whole)
		random := rand.New(rand.NewPCG(2, uint64(len(content))))
		for name, cuts := range map[string]func(int) int{
			"single octets": func(int) int { return 1 },
			"random":        func(int) int { return random.IntN(200) },
		} {
			if got := findings(cuts); !reflect.DeepEqual(got, want) {
				t.Errorf("%s (%s): %+v, whole: %+v", path, name, got, want)
			}
		}
	}
}

func TestMessageIDsAreBounded(t *testing.T) {
	ids := NewMessageIDs()
	for i := range 3 * maxMessageIDs {
		if ids.reused(fmt.Sprintf("<%d@example.org>", i), "a") {
			t.Fatalf("%d is said to be reused", i)
		}
	}
	if n := len(ids.young) + len(ids.old); n > maxMessageIDs || n < maxMessageIDs/2 {
		t.Errorf("%d are remembered, at most %d", n, maxMessageIDs)
	}
	if !ids.reused(fmt.Sprintf("<%d@example.org>", 3*maxMessageIDs-1), "b") {
		t.Error("the newest one is forgotten")
	}
	if ids.reused("<x@example.org>", "a", "bc"); !ids.reused("<x@example.org>", "ab", "c") {
		t.Error("what differs only where it is cut counts as the same")
	}
}

// TestRulesThatAskTheDNSAreOff holds that nobody is asked for rules that are off.
func TestRulesThatAskTheDNSAreOff(t *testing.T) {
	opts := DefaultOptions()
	opts.Rules = map[string]string{"H06": "off", "A06": "off", "A07": "off", "A08": "off"}
	env := testEnv()
	env.Domains = fakeDomains(func(string, string) DomainFacts { t.Error("asked"); return DomainFacts{} })
	l, err := New(opts, env)
	if err != nil {
		t.Fatal(err)
	}
	m := &message.Message{Sender: "ann@example.org"}
	if err := message.Play(context.Background(), l, m, strings.NewReader("From: ann@example.org\n\n"), nil); err != nil {
		t.Fatal(err)
	}
}
