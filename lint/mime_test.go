package lint

import (
	"strings"
	"testing"
)

func TestAnEmptyInnerMultipartIsOnlyWarnedOf(t *testing.T) {
	const inner = "--b\r\nContent-Type: multipart/related; boundary=i\r\n"
	tests := map[string]string{
		inner + "\r\n--b--\r\n":                                   "warn",
		inner + "\r\n\r\n\r\n--b--\r\n":                           "warn",
		inner + "--b--\r\n":                                       "warn",
		inner + "\r\ntext\r\n--b--\r\n":                           "reject",
		inner + "\r\n--i--\r\n--b--\r\n":                          "reject",
		"--b\r\nContent-Type: multipart/related\r\n\r\n--b--\r\n": "reject",
	}
	for body, want := range tests {
		m := fromAnn()
		header := plainHeader + "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
		if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, header, body, whole); err != nil {
			t.Fatal(err)
		}
		if len(m.Findings) != 1 || m.Findings[0].Rule != "M01" || m.Findings[0].Action != want {
			t.Errorf("%q: %+v, want %s", body, m.Findings, want)
		}
	}
}

func TestACRAtTheEndOfTheBodyIsNoPartOfTheLine(t *testing.T) {
	for fields, body := range map[string]string{
		"": strings.Repeat("x", maxLine),
		"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n": strings.Repeat("QUJD", maxEncodedLine/4),
	} {
		m := fromAnn()
		if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, plainHeader+fields, body+"\r", whole); err != nil {
			t.Fatal(err)
		}
		wantRules(t, m, []string{"H20"})
	}
}

func TestAPlainTextThatIsHTML(t *testing.T) {
	tests := map[string]bool{
		"\ufeff<html>": true, "<!DOCTYPE HTML PUBLIC": true, "<body>": true, "<BODY bgcolor=white>": true, "<head><title>x": true,
		"<div class=\"a\">": true, "<p>": true, "<table>": true, "<br>x": true, "<br/>": true, "<br />": true, "<!-- a -->": true, "<?xml version=": true,
		"<ann@example.org> wrote:": false, "<p@example.org> wrote:": false, "<paul> a=b": false, "<div": false, "<body of text>": false, "<": false, "< p>": false, "": false, "<b>x": false,
	}
	for line, want := range tests {
		m := fromAnn()
		fields := "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
		if _, err := run(newLint(t, ruleOptions("")).Collecting(), m, plainHeader+fields, "\r\n"+line+"\r\nx\r\n", whole); err != nil {
			t.Fatal(err)
		}
		if got := len(m.Findings) == 1 && m.Findings[0].Rule == "M22"; got != want || !want && len(m.Findings) > 0 {
			t.Errorf("%q: %+v", line, m.Findings)
		}
	}
}
