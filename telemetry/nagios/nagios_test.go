package nagios

import (
	"math"
	"strings"
	"testing"
)

// The table of the guidelines, and what is around it.
func TestRange(t *testing.T) {
	cases := []struct {
		text       string
		good, bads []float64
	}{
		{"10", []float64{0, 5, 10}, []float64{-0.1, 10.1}},
		{"10:", []float64{10, 1e9}, []float64{9.9, -1}},
		{"~:10", []float64{-1e9, 10}, []float64{10.1}},
		{"10:20", []float64{10, 20}, []float64{9.9, 20.1}},
		{"@10:20", []float64{9.9, 20.1}, []float64{10, 15, 20}},
		{"@10", []float64{-1, 10.1}, []float64{0, 10}},
		{":10", []float64{0, 10}, []float64{-1, 11}},
		{"-5:-1.5", []float64{-5, -2}, []float64{0, -1, -6}},
		{"0", []float64{0}, []float64{1, -1}},
		{"1e3:", []float64{1000}, []float64{999}},
	}
	for _, c := range cases {
		r, err := ParseRange(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		for _, v := range c.good {
			if r.Alerts(v) {
				t.Errorf("%q alerts on %v", c.text, v)
			}
		}
		for _, v := range append(c.bads, math.NaN()) {
			if !r.Alerts(v) {
				t.Errorf("%q does not alert on %v", c.text, v)
			}
		}
		if r.String() != c.text {
			t.Errorf("%q became %q", c.text, r)
		}
	}
	for _, text := range []string{"", "@", "a", "10:5", "1:2:3", "~", "10:~", "NaN", "inf:", "10;20", " 10"} {
		if r, err := ParseRange(text); err == nil {
			t.Errorf("%q is taken for %+v", text, r)
		}
	}
}

func TestThresholds(t *testing.T) {
	warning, _ := ParseRange("10")
	critical, _ := ParseRange("20")
	both := Thresholds{Warning: warning, Critical: critical}
	for value, want := range map[float64]State{5: OK, 15: Warning, 25: Critical, -1: Critical} {
		if got := both.State(value); got != want {
			t.Errorf("%v is %v, want %v", value, got, want)
		}
	}
	if got := (Thresholds{}).State(1e9); got != OK {
		t.Errorf("without thresholds: %v", got)
	}
}

func TestWorse(t *testing.T) {
	order := []State{OK, Warning, Unknown, Critical}
	for i, a := range order {
		for j, b := range order {
			if got := a.Worse(b); got != order[max(i, j)] {
				t.Errorf("%v and %v: %v", a, b, got)
			}
		}
	}
}

func TestWrite(t *testing.T) {
	warning, _ := ParseRange("10:")
	zero, most := 0.0, 500.0
	r := Result{
		Service: "RATE", State: Warning, Text: "client a|b\nsent little",
		Data: []Datum{
			{Label: "it's a=b", Value: 3, Thresholds: Thresholds{Warning: warning}, Min: &zero, Max: &most},
			{Label: "wait", Value: 0.25, Unit: Seconds},
			{Label: "unknown", Value: math.NaN(), Unit: Bytes},
		},
		Details: []string{"one", "two | three"},
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := "RATE WARNING - client a¦b sent little | 'it''s a_b'=3;10:;;0;500 'wait'=0.25s 'unknown'=U\none\ntwo ¦ three\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func FuzzParseRange(f *testing.F) {
	for _, text := range []string{"10", "10:", "~:10", "@10:20", "-1.5:2e3", "::", "@~:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRange(text)
		if err != nil {
			return
		}
		again, err := ParseRange(r.String())
		if err != nil {
			t.Fatalf("%q can't be read again: %v", r, err)
		}
		for _, v := range []float64{-1, 0, r.low, r.high, 1e12} {
			if r.Alerts(v) != again.Alerts(v) {
				t.Errorf("%q and %q differ on %v", text, r, v)
			}
		}
		if strings.ContainsAny(text, " |'=\n") {
			t.Errorf("%q would break the performance data", text)
		}
	})
}
