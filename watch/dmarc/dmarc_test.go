package dmarc

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParse(t *testing.T) {
	begin, end := time.Unix(1795824000, 0).UTC(), time.Unix(1795910399, 0).UTC()
	for name, want := range map[string]*Report{
		"rfc7489.xml": {
			Org: "google.com", Email: "noreply-dmarc-support@google.com", ID: "1234567890123456789", Begin: begin, End: end,
			Policy: Policy{Domain: "example.org", P: "quarantine", SP: "none", ADKIM: "r", ASPF: "s", Percent: 50},
			Records: []Record{
				{Source: netip.MustParseAddr("192.0.2.10"), Count: 1200, Disposition: "none", DKIM: "pass", SPF: "fail", HeaderFrom: "example.org", Envelope: "bounces.example.org",
					Signatures: []Auth{{"example.org", "2026a", "pass"}, {"example.org", "2026e", "neutral"}}, SPFResults: []Auth{{"bounces.example.org", "", "pass"}}},
				{Source: netip.MustParseAddr("2001:db8::bad"), Count: 7, Disposition: "quarantine", DKIM: "fail", SPF: "fail", Overrides: []string{"sampled_out"}, HeaderFrom: "example.org",
					SPFResults: []Auth{{"evil.example", "", "pass"}}},
			}},
		"rfc9990.xml": {
			Org: "Receiver", Email: "reports@receiver.example", ID: "3v98abbp8ya9n3va8yr8oa3ya", Begin: begin, End: end,
			Policy: Policy{Domain: "example.org", P: "reject", SP: "reject", NP: "reject", Percent: 100, Testing: true, DiscoveryMode: "treewalk"},
			Records: []Record{{Source: netip.MustParseAddr("192.0.2.10"), Count: 123, Disposition: "pass", DKIM: "pass", SPF: "pass", HeaderFrom: "example.org", Envelope: "example.org",
				Signatures: []Auth{{"example.org", "abc", "pass"}}}}},
	} {
		got, err := Parse(read(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s\n got %+v\nwant %+v", name, got, want)
		}
	}
}

func TestHostile(t *testing.T) {
	record := "<record><row><source_ip>x</source_ip><count>-1</count></row></record>"
	for name, c := range map[string]struct {
		text string
		err  error // nil: any
	}{
		"billion laughs": {`<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]><feedback>&lol2;</feedback>`, errDeclares},
		"external":       {`<!DOCTYPE feedback SYSTEM "file:///etc/passwd"><feedback/>`, errDeclares},
		"entity":         {`<feedback>&xxe;</feedback>`, nil},
		"deep":           {"<feedback>" + strings.Repeat("<a>", 100000), errDeep},
		"another root":   {"<html/>", errNone},
		"two roots":      {"<feedback/><feedback/>", errNone},
		"no root":        {"", errNone},
		"text":           {"hello", errNone},
		"cut off":        {"<feedback><record>", nil},
		"crossed":        {"<feedback><a><b></a></b></feedback>", nil},
		"not opened":     {"</feedback>", nil},
		"charset":        {`<?xml version="1.0" encoding="utf-7"?><feedback/>`, nil},
	} {
		_, err := Parse([]byte(c.text))
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := Parse([]byte("<feedback>" + strings.Repeat(record, maxRecords+10) + "<report_metadata><org_name>" + strings.Repeat("x", 1<<20) + "</org_name></report_metadata></feedback>"))
	if err != nil || len(r.Records) != maxRecords || r.Dropped != 10 || len(r.Org) > maxText || r.Records[0].Count != 0 || r.Records[0].Source.IsValid() {
		t.Errorf("%v: %d records, %d dropped, %d octets of a name", err, len(r.Records), r.Dropped, len(r.Org))
	}
	latin := `<?xml version="1.0" encoding="ISO-8859-1"?><feedback><report_metadata><org_name>M` + "\xfc" + `ller</org_name></report_metadata></feedback>`
	if r, err := Parse([]byte(latin)); err != nil || r.Org != "Müller" {
		t.Errorf("%v, %+v", err, r)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(read(f, "rfc7489.xml"))
	f.Add(read(f, "rfc9990.xml"))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><feedback>&b;</feedback>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		for _, rec := range r.Records {
			if rec.Count < 0 || len(rec.HeaderFrom) > 2*maxText {
				t.Errorf("%+v", rec)
			}
		}
	})
}
