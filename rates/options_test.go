package rates

import (
	"strings"
	"testing"
	"time"
)

func TestProblems(t *testing.T) {
	good := Limit{Per: "client", Count: "recipients", Max: 500, Every: time.Hour, Then: "tempfail"}
	with := func(change func(*Limit)) Options {
		l := good
		change(&l)
		return Options{Store: "sqlite", IPv6Prefix: 64, Limits: []Limit{good, l}}
	}
	cases := []struct {
		name    string
		options Options
		want    map[string]string // key: part of the problem
	}{
		{"defaults", DefaultOptions(), nil},
		{"another window", with(func(l *Limit) { l.Every = 24 * time.Hour }), nil},
		{"a softer step below", with(func(l *Limit) { l.Max, l.Then = 400, "observe" }), nil},
		{"longest", with(func(l *Limit) { l.Every = 168 * time.Hour }), nil},
		{"shortest", with(func(l *Limit) { l.Every = time.Second }), nil},
		{"no store", Options{IPv6Prefix: 64}, map[string]string{"store": "sqlite"}},
		{"unknown store", Options{Store: "localhost:6379", IPv6Prefix: 64}, map[string]string{"store": "sqlite"}},
		{"unknown per", with(func(l *Limit) { l.Per = "clients" }), map[string]string{"limits[1].per": "recipient_domain"}},
		{"unknown count", with(func(l *Limit) { l.Count = "octets" }), map[string]string{"limits[1].count": "bytes"}},
		{"unknown then", with(func(l *Limit) { l.Then = "refuse" }), map[string]string{"limits[1].then": "tempfail"}},
		{"no max", with(func(l *Limit) { l.Max = 0 }), map[string]string{"limits[1].max": "at least 1", "limits[1]": "limits[0]"}},
		{"negative max", with(func(l *Limit) { l.Max, l.Then = -1, "hold" }), map[string]string{"limits[1].max": "at least 1"}},
		{"no every", with(func(l *Limit) { l.Every = 0 }), map[string]string{"limits[1].every": "1h"}},
		{"negative every", with(func(l *Limit) { l.Every = -time.Hour }), map[string]string{"limits[1].every": "1h"}},
		{"too short", with(func(l *Limit) { l.Every = 10 * time.Millisecond }), map[string]string{"limits[1].every": "1s"}},
		{"broken seconds", with(func(l *Limit) { l.Every = 1500 * time.Millisecond }), map[string]string{"limits[1].every": "2s"}},
		{"too long", with(func(l *Limit) { l.Every = 169 * time.Hour }), map[string]string{"limits[1].every": "168h"}},
		{"twice", with(func(l *Limit) { l.Max = 100 }), map[string]string{"limits[1]": "limits[0]"}},
		{"all at once", Options{Limits: []Limit{{}}}, map[string]string{"store": "", "ipv6_prefix": "16 ", "limits[0].per": "",
			"limits[0].count": "", "limits[0].max": "", "limits[0].every": "", "limits[0].then": ""}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]string{}
			c.options.Problems(func(key, problem string) { got[key] = problem })
			for key, problem := range got {
				if want, ok := c.want[key]; !ok || !strings.Contains(problem, want) {
					t.Errorf("%s: %s", key, problem)
				}
			}
			for key := range c.want {
				if _, ok := got[key]; !ok {
					t.Errorf("no problem with %s", key)
				}
			}
			if _, err := New(openStore(t, "", newClock()), nil, c.options); (err != nil) != (c.want != nil) {
				t.Errorf("New: %v", err)
			}
		})
	}
}
