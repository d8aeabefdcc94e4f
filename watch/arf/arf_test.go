package arf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/watch/parts"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	message, err := os.ReadFile(filepath.Join("testdata", name+".eml"))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

// first returns the first complaint of a message, nil if there is none.
func first(message []byte) *Report {
	if all := Parse(parts.Read(message)); len(all) > 0 {
		return all[0]
	}
	return nil
}

func TestParse(t *testing.T) {
	for name, want := range map[string]string{
		"yahoo":        `abuse true "Yahoo!-Mail-Feedback/2.0" 192.0.2.10 bounces@example.org [redacted@yahoo.com] shop@example.org <m1@example.org> [abcdef123456 4jcB5J3KD5z1TL3N] 1`,
		"headers_only": `fraud true "Some/1.0" 2001:db8::1 news+b=example.net@example.org [a@example.net b@example.net] news@example.org <n1@example.org> [] 5`,
		"jmrp":         `abuse true "Microsoft JMRP" invalid IP news@example.org [user@hotmail.com] news@example.org <n2@example.org> [] 1`,
		"auth_failure": `auth-failure false "Some/1.0" 203.0.113.9  [] ceo@example.org <forged@evil.example> [] 1`,
		"none_letter":  "",
	} {
		got := ""
		if r := first(read(t, name)); r != nil {
			got = fmt.Sprintf("%s %v %q %v %s %v %s %s %v %d", r.Type, r.Complaint(), r.UserAgent, r.Source, r.Sender, r.Rcpt, r.From, r.MessageID, r.QueueIDs, r.Incidents)
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}

// Fields as receivers write them, and parts as they label them.
func TestForms(t *testing.T) {
	report := func(kind, fields, originalKind string) string {
		return "To: fbl@example.org\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\nContent-Type: " + kind + "\n\n" + fields +
			"\n--b\nContent-Type: " + originalKind + "\n\nMessage-ID: <m1@example.org>\nFrom: News <news@example.org>\n\ntext\n--b--\n"
	}
	const usual = "message/feedback-report"
	for name, c := range map[string]struct{ message, want string }{
		"comments":        {report(usual, "feedback-type: Abuse (a complaint)\nSource-IP: [IPv6:2001:db8::1]\n", "message/rfc822"), "abuse true 2001:db8::1  [] <m1@example.org> 1"},
		"an address":      {report(usual, "Feedback-Type: abuse\nOriginal-Mail-From: <>\nOriginal-Rcpt-To: undisclosed recipient <redacted@example.net\nSource-IP: [192.0.2.1] (mail.example.org)\nIncidents: 3 (today)\n", "text/plain"), "abuse true 192.0.2.1  [redacted@example.net] <m1@example.org> 3"},
		"no type":         {report(usual, "User-Agent: x\nIncidents: -4\nSource-IP: nowhere\n", "text/rfc822-headers"), "other true invalid IP  [] <m1@example.org> 1"},
		"no spam":         {report(usual, "Feedback-Type: NOT-SPAM\n", "message/rfc822"), "not-spam false invalid IP  [] <m1@example.org> 1"},
		"virus":           {report(usual, "Feedback-Type: virus\nIncidents: 99999999999999999999\n", "message/rfc822"), "virus true invalid IP  [] <m1@example.org> 1"},
		"mislabelled":     {report("text/plain", "Version: 1\nFeedback-Type: fraud\nOriginal-Mail-From: a@example.org\n", "application/octet-stream"), "fraud true invalid IP a@example.org [] <m1@example.org> 1"},
		"nothing":         {report(usual, "", "message/rfc822"), "other true invalid IP  [] <m1@example.org> 1"},
		"Amazon SES":      {"To: fbl@example.org\n\n" + `{"notificationType":"Complaint","complaint":{"complainedRecipients":[{"emailAddress":"a@example.net"}],"complaintFeedbackType":"abuse"},"mail":{"source":"news@example.org","commonHeaders":{"messageId":"<m1@example.org>"}}}`, "abuse true invalid IP news@example.org [a@example.net] <m1@example.org> 1"},
		"SES, of another": {"A: b\n\n" + `{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@example.net"}]}}`, ""},
		"a delivery":      {"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nFeedback-Type: abuse\n--b--\n", ""},
	} {
		got := ""
		if r := first([]byte(c.message)); r != nil {
			got = fmt.Sprintf("%s %v %v %s %v %s %d", r.Type, r.Complaint(), r.Source, r.Sender, r.Rcpt, r.MessageID, r.Incidents)
		}
		if got != c.want {
			t.Errorf("%s\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestSeveral(t *testing.T) {
	one := "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n--b\nContent-Type: message/rfc822\n\nMessage-ID: <m%d@example.org>\n\n--b\n"
	side := "Content-Type: multipart/mixed; boundary=b\n\n--b\n" + fmt.Sprintf(one, 1) + fmt.Sprintf(one, 2)
	below := "Content-Type: multipart/mixed; boundary=a\n\n--a\n" + side + "--a\n" + strings.ReplaceAll(side, "--b", "--b ") + "--a--\n"
	for message, want := range map[string]string{side: "m1 m2", below: "m1 m2 m1 m2"} {
		var got []string
		for _, r := range Parse(parts.Read([]byte(message))) {
			got = append(got, strings.Trim(r.MessageID, "<>")[:2])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"yahoo", "headers_only", "jmrp", "auth_failure", "none_letter"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if r := first(message); r != nil && (r.Incidents < 1 || r.Incidents > maxIncidents || r.Type == "" || len(r.Rcpt) > maxAddresses) {
			t.Errorf("%+v", r)
		}
	})
}
