package tlsrpt

import (
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func example(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParse(t *testing.T) {
	got, err := Parse(example(t))
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		Org: "Company-X", Contact: "sts-reporting@company-x.example", ID: "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
		Begin: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 27, 23, 59, 59, 0, time.UTC),
		Policies: []Policy{
			{"sts", "example.org", []string{"*.mail.example.org"}, 5326, 303, []Failure{
				{"certificate-expired", "mx1.mail.example.org", 100, ""},
				{"starttls-not-supported", "mx2.mail.example.org", 200, "https://reports.company-x.example/report_info?id=5065427c#StarttlsNotSupported"},
				{"validation-failure", "", 3, "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"},
			}},
			{"no-policy-found", "example.com", []string{"mail.example.com"}, 1, 0, nil},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestNone(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", `{"policies":[]}`, `{"policies":"x"}`, strings.Repeat("[", 100000)} {
		if r, err := Parse([]byte(text)); err == nil {
			t.Errorf("%.40q: %+v", text, r)
		}
	}
	r, err := Parse([]byte(`{"policies":[{"summary":{"total-failure-session-count":-5},"failure-details":[{"failed-session-count":-1,"result-type":"` + strings.Repeat("x", 1000) + `"}]}]}`))
	if err != nil || r.Policies[0].Failed != 0 || r.Policies[0].Failures[0].Sessions != 0 || len(r.Policies[0].Failures[0].Result) != maxText {
		t.Errorf("%v, %+v", err, r)
	}
}

// The result types of RFC 8460 4.3, and the members that others add, are kept as they are.
func TestResults(t *testing.T) {
	for _, result := range []string{"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
		"tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid", "new-in-another-rfc"} {
		r, err := Parse([]byte(`{"policies":[{"failure-details":[{"result-type":"` + result + `","failed-session-count":2}]}]}`))
		if err != nil || r.Policies[0].Failures[0] != (Failure{Result: result, Sessions: 2}) {
			t.Errorf("%s: %v, %+v", result, err, r)
		}
	}
}

// One wrong member costs itself.
func TestWrongTypes(t *testing.T) {
	r, err := Parse([]byte("\xef\xbb\xbf" + `{"organization-name":7,"date-range":{"start-datetime":"2026-11-27 00:00:00","end-datetime":"tomorrow"},"report-id":"x",
		"policies":{"policy":{"policy-type":"sts","mx-host":{}},"summary":{"total-successful-session-count":"12","total-failure-session-count":1e300},
		"failure-details":{"result-type":"certificate-expired","failed-session-count":3.0}}}`))
	if err != nil || len(r.Policies) != 1 {
		t.Fatalf("%v, %+v", err, r)
	}
	p := r.Policies[0]
	if r.Org != "" || r.ID != "x" || r.Begin.Day() != 27 || !r.End.IsZero() || p.Succeeded != 12 || p.Failed != 0 || p.MX != nil || p.Failures[0].Sessions != 3 {
		t.Errorf("%+v", r)
	}
}

// What is small as JSON must not become large.
func TestMemory(t *testing.T) {
	for name, data := range map[string]string{
		"policies": `{"policies":[` + strings.Repeat("{},", 2<<20) + `{}]}`,
		"failures": `{"policies":[{"failure-details":[` + strings.Repeat("{},", 2<<20) + `{}]}]}`,
		"hosts":    `{"policies":[{"policy":{"mx-host":[` + strings.Repeat(`"a",`, 2<<20) + `"a"]}}]}`,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := Parse([]byte(data))
		runtime.ReadMemStats(&after)
		if err != nil || len(r.Policies) > maxInList || len(r.Policies[0].Failures) > maxInList || len(r.Policies[0].MX) > maxInList {
			t.Errorf("%s: %v, %d policies", name, err, len(r.Policies))
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 60<<20 {
			t.Errorf("%s took %d MB for %d", name, used>>20, len(data)>>20)
		}
	}
}

func TestRecognise(t *testing.T) {
	for data, want := range map[string]bool{
		"\xef\xbb\xbf {\"policies\":[]}": true, `{"report-id":"x"}`: true, `{"notificationType":"Bounce"}`: false, `text "policies"`: false, "": false,
	} {
		if got := Recognise([]byte(data)); got != want {
			t.Errorf("%q: %v", data, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(example(f))
	f.Add([]byte(`{"policies":[{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := Parse(data); err == nil && len(r.Policies) == 0 {
			t.Error("no policies")
		}
	})
}
