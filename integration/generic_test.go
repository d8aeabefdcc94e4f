package integration

import (
	"fmt"
	"testing"

	"pratique/integration/harness"
	"pratique/signing/survival"
)

// What Postfix rewrites at delivery by smtp_generic_maps is foretold.
func TestSurvivalOfRewriting(t *testing.T) {
	opts := survival.DefaultOptions()
	opts.Generic = []string{"root@example.org", "@host.example.org"}
	const rest = "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@example.org>\r\n\r\nhello\r\n"
	letters := map[string]string{
		"none":            "From: sender@example.org\r\nTo: a@example.net\r\n" + rest,
		"From":            "From: Root <root@example.org>\r\nTo: a@example.net\r\n" + rest,
		"upper case":      "From: ROOT@Example.org\r\nTo: a@example.net\r\n" + rest,
		"To":              "From: sender@example.org\r\nTo: a@example.net,\r\n x@host.example.org\r\n" + rest,
		"Reply-To":        "From: sender@example.org\r\nTo: a@example.net\r\nReply-To: root@example.org\r\n" + rest,
		"below":           "From: sender@example.org\r\nTo: a@sub.host.example.org\r\n" + rest,
		"in a name":       "From: \"root@example.org\" <sender@example.org>\r\nTo: a@example.net\r\n" + rest,
		"in the subject":  "From: sender@example.org\r\nTo: a@example.net\r\nComments: root@example.org\r\n" + rest,
		"an unsigned one": "From: sender@example.org\r\nTo: a@example.net\r\nErrors-To: root@example.org\r\n" + rest,
	}
	w := newWorld(t, tables{}, harness.SinkOptions{EightBitMIME: true})
	p := w.postfix(w.overUnix(), "smtp_generic_maps", "inline:{{root@example.org=admin@example.org},{@host.example.org=host@example.org}}")
	for name, text := range letters {
		data := []byte("Subject: " + subjectOf("rewriting "+name) + "\r\n" + fmt.Sprintf(text, subjectOf("rewriting "+name)))
		w.accepts(p.Addr(), mail(data))
		forecast := forecastOf(t, opts, "relaxed/relaxed", data)["8BITMIME"]
		if survives := w.survives(w.sink, "rewriting "+name); survives != forecast {
			t.Errorf("%s: survives %v, the forecast was %v", name, survives, forecast)
		}
	}
}
