package signing

import (
	"context"
	"crypto/ed25519"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// goldenKey is an Ed25519 key: its signatures are the same every time.
func goldenKey(t *testing.T) string {
	t.Helper()
	return keyFile(t, ed25519.NewKeyFromSeed([]byte("0123456789abcdef0123456789abcdef")))
}

// The golden files are whole messages as they leave, signed at a fixed time.
func TestGolden(t *testing.T) {
	var many strings.Builder
	for range 12 {
		many.WriteString("List-Unsubscribe: <https://example.org/u>\r\nTo: recipient@example.net\r\n")
	}
	tests := []struct {
		name   string
		change func(*Options)
		letter string
	}{
		{"plain", func(*Options) {}, letter},
		{"simple", func(o *Options) { o.Canonicalization = "simple/simple" }, letter},
		{"identity-and-expiry", func(o *Options) {
			o.Domains[0].Identity = "news@lists.example.org"
			o.Expire = 240 * time.Hour
		}, letter},
		{"list", func(*Options) {}, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Unsubscribe: <https://example.org/u>\r\n" +
			"List-Id: <news.example.org>\r\nFeedback-ID: 1:2:3:4\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n" + letter},
		{"many-fields", func(*Options) {}, many.String() + letter},
		{"no-date", func(*Options) {}, "From: sender@example.org\r\nComments: not signed\r\nReceived: by x\r\n\r\ntext\r\n"},
		{"long-domain", func(o *Options) {
			o.Domains[0].Domain = strings.Repeat("a-rather-long-label.", 8) + "example.org"
		}, strings.ReplaceAll(letter, "@example.org>\r\nTo", "@"+strings.Repeat("a-rather-long-label.", 8)+"example.org>\r\nTo")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := DefaultOptions()
			o.Domains = []Domain{{Domain: "example.org", Keys: []Key{{Selector: "2026e", File: goldenKey(t)}}}}
			tt.change(&o)
			signed, _ := sign(t, identity{opts: o}.signer(t, goRSA{}), tt.letter)
			wantNarrow(t, strings.TrimSuffix(string(signed), tt.letter), o.Domains[0].Domain)
			file := filepath.Join("testdata", "golden", tt.name+".eml")
			if *update {
				if err := os.WriteFile(file, signed, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(signed) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", signed, want)
			}
		})
	}
}

// wantNarrow holds a field to 78 columns, but for a line with a word that is longer.
func wantNarrow(t *testing.T, field, word string) {
	t.Helper()
	for line := range strings.SplitSeq(strings.TrimSuffix(field, "\r\n"), "\r\n") {
		if len(line) > columns && !strings.Contains(line, word) {
			t.Errorf("%d octets: %s", len(line), line)
		}
		if strings.TrimSpace(line) == "" || strings.ContainsAny(line, "\r\n") {
			t.Errorf("an empty or broken line: %q", line)
		}
	}
}

// Whatever the lengths of what is said, no line is longer than 78 octets.
func TestFoldingAtEveryLength(t *testing.T) {
	key := publishedKey{heldKey: &heldKey{algorithm: ed25519SHA256}}
	for length := 1; length <= 63; length++ {
		label := strings.Repeat("d", length)
		e := &entry{domain: label + ".example", identity: "@" + label + ".example"}
		key.selector = label
		st := statement{time: fixedTime, expire: time.Hour, bodyHash: make([]byte, 32)}
		for n := range 30 {
			st.names = append(st.names, strings.Repeat("N", 1+(n*length)%60))
		}
		value := st.unsigned(e, key)
		value.data(strings.Repeat("b", 5*length))
		wantNarrow(t, signatureField+":"+value.String(), "no word is longer")
		if got := tag(value.String(), "h"); got != strings.Join(st.names, ":") {
			t.Errorf("length %d: h=%s", length, got)
		}
		if got := tag(value.String(), "b"); got != strings.Repeat("b", 5*length) {
			t.Errorf("length %d: b=%s", length, got)
		}
	}
}

func TestSignedFields(t *testing.T) {
	tests := []struct{ name, header, want string }{
		{"From alone", "From: a@example.org\r\n", "From:From:Reply-To:Subject:Cc"},
		{"absent Date and Message-ID are not named", "From: a@example.org\r\nTo: b@example.net\r\n", "From:From:Reply-To:Subject:To:To:Cc"},
		{"one-click", "List-Unsubscribe-Post: x\r\nList-unsubscribe: y\r\nFrom: a@example.org\r\n",
			"From:From:Reply-To:Subject:Cc:List-Unsubscribe:List-Unsubscribe-Post"},
		{"never", "Return-Path: <a>\r\nReceived: x\r\nComments: x\r\nKeywords: x\r\nBcc: x\r\nResent-Bcc: x\r\nDKIM-Signature: x\r\n" +
			"Authentication-Results: x\r\nX-Mailer: x\r\nFrom: a@example.org\r\n", "From:From:Reply-To:Subject:Cc"},
		{"resent twice", "Resent-From: b@example.org\r\nResent-From: a@example.org\r\nFROM: a@example.org\r\n",
			"From:From:Reply-To:Subject:Cc:Resent-From:Resent-From"},
	}
	for _, tt := range tests {
		h := received(t, tt.header)
		names, _ := newFieldIndex().signed(h)
		if got := strings.Join(names, ":"); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Of several fields of a name the lowest is signed first (RFC 6376 5.4.2).
func TestSignedFieldsFromTheBottom(t *testing.T) {
	h := received(t, "To: 1\r\nFrom: a@example.org\r\nTo: 2\r\nto : 3\r\n")
	_, fields := newFieldIndex().signed(h)
	var got []string
	for _, f := range fields {
		got = append(got, f.Unfolded())
	}
	if want := "a@example.org 3 2 1"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func received(t *testing.T, header string) *message.Header {
	t.Helper()
	m := &message.Message{}
	if err := message.Play(context.Background(), message.NewChain(), m, strings.NewReader(header+"\r\n"), nil); err != nil {
		t.Fatal(err)
	}
	return &m.Header
}
