package watch

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func zipped(t *testing.T, data []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("report.xml")
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What a message is, whatever it says that its parts are, and whatever else is in it.
func TestUnderstand(t *testing.T) {
	const feedback = `<?xml version="1.0"?><feedback><report_metadata><org_name>r</org_name><report_id>1</report_id></report_metadata></feedback>`
	const tls = `{"organization-name":"r","report-id":"1","policies":[{}]}`
	attached := func(kind string, data []byte) string {
		return "Content-Type: multipart/mixed; boundary=a\n\n--a\n\nhello\n--a\nContent-Type: " + kind + "\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(data) + "\n--a--\n"
	}
	status := func(returned string) string {
		return "From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; boundary=s\n\n--s\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" +
			"Final-Recipient: rfc822; a@example.net\nAction: failed\nStatus: 5.1.1\n\n--s\nContent-Type: message/rfc822\n\n" + returned + "--s--\n"
	}
	complaint := "--c\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nOriginal-Rcpt-To: a@example.net\n\n"
	s := &Store{key: make([]byte, keySize), now: time.Now}
	for name, c := range map[string]struct {
		message, form, problem string
		events                 int
	}{
		"zip":                     {attached("application/octet-stream", zipped(t, []byte(feedback))), "dmarc", "", 0},
		"zip said to be gzip":     {attached("application/gzip", zipped(t, []byte(feedback))), "dmarc", "", 0},
		"plain, no type":          {attached("application/octet-stream", []byte("\xef\xbb\xbf"+feedback)), "dmarc", "", 0},
		"TLS report, no type":     {attached("application/octet-stream", []byte(tls)), "tlsrpt", "", 0},
		"TLS report, as text":     {"Content-Type: text/plain\n\n" + tls, "tlsrpt", "", 0},
		"an archive in another":   {attached("application/zip", zipped(t, zipped(t, []byte(feedback)))), "none", "stays closed", 0},
		"an invoice":              {attached("application/zip", zipped(t, []byte("<invoice/>"))), "none", "holds no report", 0},
		"a letter":                {"Subject: x\n\nhello\n", "none", "", 0},
		"a report came back":      {status(attached("application/zip", zipped(t, []byte(feedback)))), "dsn", "", 1},
		"two complaints":          {"Content-Type: multipart/mixed; boundary=c\n\n" + complaint + complaint + "--c--\n", "arf", "", 2},
		"no complaint, then one":  {"Content-Type: multipart/mixed; boundary=c\n\n" + strings.Replace(complaint, "abuse", "not-spam", 1) + complaint + "--c--\n", "arf", "", 1},
		"the opposite of one":     {"Content-Type: multipart/mixed; boundary=c\n\n" + strings.Replace(complaint, "abuse", "not-spam", 1) + "--c--\n", "arf-not-spam", "", 0},
		"failed authentication":   {"Content-Type: multipart/mixed; boundary=c\n\n" + strings.Replace(complaint, "abuse", "auth-failure", 1) + "--c--\n", "arf-auth-failure", "", 0},
		"a bounce by Amazon":      {"A: b\n\n" + `{"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@example.net"}]}}`, "ses", "", 1},
		"a delivery by Amazon":    {"A: b\n\n" + `{"notificationType":"Delivery"}`, "none", "", 0},
		"damaged, but not at all": {attached("application/zip", append(zipped(t, []byte(feedback)), "rubbish"...)), "dmarc", "", 0},
	} {
		got := s.understand([]byte(c.message))
		if got.form != c.form || len(got.events) != c.events || (got.problem == "") != (c.problem == "") || !strings.Contains(got.problem, c.problem) {
			t.Errorf("%s: %s with %d events, problem %q", name, got.form, len(got.events), got.problem)
		}
	}
}
