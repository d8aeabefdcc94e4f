package dmarc

import "testing"

// TestRepair: what was meant for a record, and what is to be published.
func TestRepair(t *testing.T) {
	for text, want := range map[string]string{
		"v=DMARC1; p=reject; rua=mailto:a@b.test":                         "v=DMARC1; p=reject; rua=mailto:a@b.test",
		"V=dmarc1;P=Reject;RUA=a@b.test":                                  "v=DMARC1; p=reject; rua=mailto:a@b.test",
		"v=DMARC1 p=quarantine sp=none rua=mailto:a@b.test":               "v=DMARC1; p=quarantine; sp=none; rua=mailto:a@b.test",
		"v=DMARC1, p=reject, rua=mailto:a@b.test,mailto:c@d.test":         "v=DMARC1; p=reject; rua=mailto:a@b.test,mailto:c@d.test",
		"\"v=DMARC1; p=reject\"":                                          "v=DMARC1; p=reject",
		"p=reject; v=DMARC1":                                              "v=DMARC1; p=reject",
		"v=DMARC1; policy=reject; rau=mailto://a@b.test; aspfs=s":         "v=DMARC1; p=reject; aspf=s; rua=mailto:a@b.test",
		"v=DMARC1; p=reject; p=none; pct=50; ri=86400; rf=afrf; x=y;":     "v=DMARC1; p=reject",
		"v=DMARC1; p=reject; sp=monitor; np=":                             "v=DMARC1; p=reject",
		"v=DMARC1; p=block":                                               "v=DMARC1; p=none",
		"v=DMARC1; rua=a@b.test; rua=mailto:c@d.test!10m":                 "v=DMARC1; p=none; rua=mailto:a@b.test,mailto:c@d.test",
		`v=DMARC1\; p=reject\; rua=mailto:a@b.test`:                       "v=DMARC1; p=reject; rua=mailto:a@b.test",
		"v=DMARC1; p=reject; rua=mailto:a@b.test mailto:c@d.test":         "v=DMARC1; p=reject; rua=mailto:a@b.test,mailto:c@d.test",
		"v=DMARC1; p=reject; rua=mailto: a@b.test; ruf=mailto:<c@d.test>": "v=DMARC1; p=reject; rua=mailto:a@b.test; ruf=mailto:c@d.test",
		"\ufeffv=DMARC1;\u00a0p=reject;\u200b rua=mailto:a@b.test":        "v=DMARC1; p=reject; rua=mailto:a@b.test",
		"v=DMARC1&#59; p=quarantine&#59; rua=mailto:a@b.test":             "v=DMARC1; p=quarantine; rua=mailto:a@b.test",
		"": "v=DMARC1; p=none",
	} {
		if got := Repair(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestMerge(t *testing.T) {
	for want, texts := range map[string][]string{
		"v=DMARC1; p=none; rua=mailto:b@x.test,mailto:a@x.test":  {"v=DMARC1; p=reject; rua=mailto:a@x.test", "v=DMARC1; p=none; rua=mailto:b@x.test"},
		"v=DMARC1; p=quarantine; sp=reject; rua=mailto:a@x.test": {"v=DMARC1; p=quarantine; sp=reject; rua=mailto:a@x.test", "v=DMARC1; p=reject; rua=mailto:a@x.test"},
		"v=DMARC1; p=reject": {"v=DMARC1; p=reject", "v=DMARC1; p=reject"},
	} {
		if got := Merge(texts); got != want {
			t.Errorf("%q: %q, want %q", texts, got, want)
		}
	}
}

// FuzzRepair: whatever stands there, what is to be published is a record without a mistake.
func FuzzRepair(f *testing.F) {
	f.Add("v=DMARC1 p=reject, rua=a@b.test;; RUF=mailto://c@d.test!1m")
	f.Add("“v=dmarc1”; sp = None ; t=y psd=n fo=1:d")
	f.Fuzz(func(t *testing.T, text string) {
		got := Repair(text)
		if r := Parse(got); !IsRecord(got) || len(r.Problems) > 0 {
			t.Errorf("%q is repaired to %q: %+v", text, got, r.Problems)
		}
		if again := Repair(got); again != got {
			t.Errorf("%q is repaired to %q, and that to %q", text, got, again)
		}
	})
}
