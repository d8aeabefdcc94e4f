package arf

import (
	"fmt"
	"os"
	"path/filepath"
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

func TestParse(t *testing.T) {
	for name, want := range map[string]string{
		"yahoo":        `abuse true "Yahoo!-Mail-Feedback/2.0" 192.0.2.10 bounces@example.org [redacted@yahoo.com] shop@example.org <m1@example.org> [abcdef123456 4jcB5J3KD5z1TL3N] 1 [fbl@example.org]`,
		"headers_only": `fraud true "Some/1.0" 2001:db8::1 news+b=example.net@example.org [a@example.net b@example.net] news@example.org <n1@example.org> [] 5 [fbl+cust7@example.org fbl@example.org]`,
		"jmrp":         `abuse true "Microsoft JMRP" invalid IP news@example.org [user@hotmail.com] news@example.org <n2@example.org> [] 1 [fbl@example.org]`,
		"auth_failure": `auth-failure false "Some/1.0" 203.0.113.9  [] ceo@example.org <forged@evil.example> [] 1 [ruf@example.org]`,
		"none_letter":  "",
	} {
		got := ""
		if r := Parse(parts.Read(read(t, name))); r != nil {
			got = fmt.Sprintf("%s %v %q %v %s %v %s %s %v %d %v", r.Type, r.Complaint(), r.UserAgent, r.Source, r.Sender, r.Rcpt, r.From, r.MessageID, r.QueueIDs, r.Incidents, r.SentTo)
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"yahoo", "headers_only", "jmrp", "auth_failure", "none_letter"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		if r := Parse(parts.Read(message)); r != nil && (r.Incidents < 1 || r.Incidents > maxIncidents || r.Type == "" || len(r.Rcpt) > maxAddresses) {
			t.Errorf("%+v", r)
		}
	})
}
