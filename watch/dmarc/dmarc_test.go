package dmarc

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
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
		"deep":           {"<feedback>" + strings.Repeat("<a>", 100000), errDeep},
		"another root":   {"<html/>", errNone},
		"no root":        {"", errNone},
		"text":           {"hello", errNone},
		"cut off":        {"<feedback><record>", errCut},
		"ampersands":     {"<feedback><a>" + strings.Repeat("&", maxMended+1) + "</a></feedback>", nil},
		"crossed":        {"<feedback><a><b></a></b></feedback>", nil},
		"not opened":     {"</feedback>", nil},
		"many around":    {strings.Repeat("<a>", maxAround+1) + "<feedback></feedback>", errNone},
		"address, never": {"<feedback><a@b.example>", nil},
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
	odd := func(n string) string { return "<record><row><count>" + n + "</count></row></record>" }
	r, err = Parse([]byte("<feedback><policy_published><pct>-7</pct></policy_published>" + odd("-5") + odd("99999999999999999999") + odd("1e3") + odd(" 12\n") + odd("") + "</feedback>"))
	if err != nil || len(r.Records) != 5 || r.Policy.Percent != 100 {
		t.Fatalf("%v, %+v", err, r)
	}
	for i, want := range []int{0, 0, 0, 12, 0} {
		if r.Records[i].Count != want {
			t.Errorf("count %d is %d", i, r.Records[i].Count)
		}
	}
	latin := `<?xml version="1.0" encoding="ISO-8859-1"?><feedback><report_metadata><org_name>M` + "\xfc" + `ller</org_name></report_metadata></feedback>`
	if r, err := Parse([]byte(latin)); err != nil || r.Org != "Müller" {
		t.Errorf("%v, %+v", err, r)
	}
}

// What is small as XML must not become large.
func TestMemory(t *testing.T) {
	for name, c := range map[string]struct {
		data string
		err  error
	}{
		"attributes":      {"<feedback " + strings.Repeat(`a="" `, 1<<20) + "></feedback>", errLong},
		"quoted brackets": {"<feedback " + strings.Repeat(`a=">" `, 1<<20) + "></feedback>", errLong},
		"text":            {"<feedback>" + strings.Repeat("x", 3<<20) + "</feedback>", errLong},
		"records":         {"<feedback>" + strings.Repeat("<record/>", 1<<18) + "</feedback>", nil},
		"overrides":       {"<feedback><record><row><policy_evaluated>" + strings.Repeat("<reason><type/></reason>", 1<<18) + "</policy_evaluated></row></record></feedback>", nil},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Parse([]byte(c.data))
		runtime.ReadMemStats(&after)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
		if live := after.HeapInuse - min(after.HeapInuse, before.HeapInuse); live > 100<<20 {
			t.Errorf("%s holds %d MB for %d", name, live>>20, len(c.data)>>20)
		}
	}
}

// However it is encoded and wrapped, a report says the same.
func TestCharsets(t *testing.T) {
	const text = `<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><report_metadata><org_name>Müller</org_name><email><a@b.example></email>` +
		`<date_range><begin>2026-11-27T00:00:00Z</begin><end>1795910399</end></date_range></report_metadata></feedback>`
	wide := func(little bool) string {
		var b strings.Builder
		for _, r := range "\ufeff" + text {
			if little {
				b.WriteString(string([]byte{byte(r), byte(r >> 8)}))
			} else {
				b.WriteString(string([]byte{byte(r >> 8), byte(r)}))
			}
		}
		return b.String()
	}
	narrow := strings.ReplaceAll(text, "ü", "\xfc")
	for name, data := range map[string]string{
		"UTF-8": text, "BOM": "\ufeff" + text, "UTF-16LE": wide(true), "UTF-16BE": wide(false), "UTF-16LE without a mark": wide(true)[2:],
		"declared UTF-16": strings.Replace(text, "<feedback", `<?xml version="1.0" encoding="utf-16"?><feedback`, 1),
		"Latin-1":         `<?xml version="1.0" encoding="windows-1252"?>` + narrow, "no UTF-8": `<?xml version="1.0" encoding="UTF-8"?>` + narrow,
		"space before": "\r\n <?xml version=\"1.0\"?>" + text, "wrapped": `<?xml version="1.0"?> <xs:schema xmlns:xs="x">` + text, "rubbish behind": text + "<<<",
		"upper case": strings.NewReplacer("feedback", "FEEDBACK", "org_name", "Org_Name").Replace(text), "prefixed": strings.NewReplacer("<feedback xmlns", "<d:feedback xmlns:d", "</", "</d:", "<report_metadata", "<d:report_metadata",
			"<org_name", "<d:org_name", "<email", "<d:email", "<date_range", "<d:date_range", "<begin", "<d:begin", "<end", "<d:end").Replace(text),
	} {
		r, err := Parse([]byte(data))
		if err != nil || r.Org != "Müller" || r.Email != "<a@b.example>" || r.Begin.Unix() != 1795737600 || r.End.Unix() != 1795910399 {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if !Recognise([]byte(data)) && name != "upper case" && name != "prefixed" {
			t.Errorf("%s is not recognised", name)
		}
	}
}

// What may not stand in XML as it is stands there, above all in names and links.
func TestMended(t *testing.T) {
	for text, want := range map[string]string{
		"Smith & Sons": "Smith & Sons", "a &xxe; b": "a &xxe; b", "A &amp; B&C": "A & B&C", "https://example.net/?a=b&c=d&lt=1": "https://example.net/?a=b&c=d&lt=1",
		"M&uuml;ller &#65;&": "M&uuml;ller A&", "a\x0bb\x00c": "abc", "Some <a@b.example>": "Some <a@b.example>", "&lt;a&gt; & b": "<a> & b",
	} {
		data := `<?xml version="1.1" encoding="UTF-8"?><feedback><report_metadata><org_name>` + text + `</org_name><date_range><end>1795910399.0</end></date_range></report_metadata>` +
			`<record><row><count>7.0</count></row></record></feedback>`
		r, err := Parse([]byte(data))
		if err != nil || r.Org != want || r.End.Unix() != 1795910399 || r.Records[0].Count != 7 {
			t.Errorf("%q: %v, %+v", text, err, r)
		}
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
