package lint

import (
	"strings"
	"testing"
)

func TestAddressesOfAFieldThatIsTooLargeAreNotParsed(t *testing.T) {
	large := "From: " + strings.Repeat("a@b.example,\r\n ", 3000) + "a@b.example\r\n"
	for action, want := range map[string][]string{"reject": {"H23"}, "off": {"H03"}} {
		opts := DefaultOptions()
		opts.Rules = map[string]string{"H23": action}
		m := fromAnn()
		header := strings.Replace(plainHeader, "From: ann@example.org\r\n", large, 1)
		if _, err := run(newLint(t, opts).Collecting(), m, header, "x", whole); err != nil {
			t.Fatal(err)
		}
		wantRules(t, m, want)
	}
}

func TestStoredMessagesShowSMTPUTF8(t *testing.T) {
	tests := map[string]bool{
		"Received: from a by b (Postfix) with UTF8SMTPS id 4; x\r\n":            true,
		"Received: from a\r\n by b with\r\n\tutf8esmtpsa id 4; x\r\n":           true,
		"Received: from a by b\r\n With UTF8LMTP id 4; x\r\n":                   true,
		"Received: from a by b with ESMTPS id utf8; x\r\n":                      false,
		"Received: from utf8.example.org by b with ESMTPS id 4; x\r\n":          false,
		"MIME-Version: 1.0\r\nContent-Type: message/global-delivery-status\r\n": true,
	}
	for fields, want := range tests {
		m := fromAnn()
		if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, fields+plainHeader+"Subject: Grüße\r\n", "x", whole); err != nil {
			t.Fatal(err)
		}
		if got := len(m.Findings) == 0; got != want {
			t.Errorf("%q: %+v", fields, m.Findings)
		}
	}
}

func TestAFieldWithABareOctetIsJudgedByItAlone(t *testing.T) {
	for _, field := range []string{"Message-ID: <a@example.org>\r\r\n", "From: a@example.org\r, b@example.org\r\n", "Reply-To: x\x00\r\n"} {
		for action, want := range map[string]int{"reject": 1, "off": 1, "warn": 2} {
			opts := DefaultOptions()
			opts.Rules = map[string]string{"H20": action, "H10": "off", "H01": "off", "H09": "off", "H02": "off"}
			m := fromAnn()
			header := "To: bob@example.net\r\nDate: Mon, 02 Jun 2025 10:00:00 +0200\r\n"
			if !strings.HasPrefix(field, "From") {
				header += "From: ann@example.org\r\n"
			}
			if _, err := run(newLint(t, opts).Collecting(), m, header+field, "x", whole); err != nil {
				t.Fatal(err)
			}
			if len(m.Findings) != want || (m.Findings[0].Rule == "H20") != (action == "reject") && action != "warn" {
				t.Errorf("%q, H20 %s: %+v", field, action, m.Findings)
			}
		}
	}
}

func TestOverflowedHeaderIsJudgedBySizeAlone(t *testing.T) {
	m := fromAnn()
	m.Header.MaxFields = 2
	if _, err := run(newLint(t, DefaultOptions()).Collecting(), m, "X-A: b\r\nX-A: b\r\n"+plainHeader+"Content-Type: multipart/mixed\r\n", "\xff\r\n", whole); err != nil {
		t.Fatal(err)
	}
	if len(m.Findings) != 1 || m.Findings[0].Rule != "H23" || !strings.HasPrefix(m.Findings[0].Detail, "more than ") {
		t.Errorf("%+v", m.Findings)
	}
}
