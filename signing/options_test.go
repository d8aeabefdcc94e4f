package signing

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

func problems(o Options) []string {
	var all []string
	o.Problems(func(key, problem string) { all = append(all, key+": "+problem) })
	return all
}

func domains(names ...string) []Domain {
	var all []Domain
	for _, name := range names {
		all = append(all, Domain{Domain: name, Keys: []Key{{Selector: "s1", File: "/k.pem"}}})
	}
	return all
}

func TestDefaultOptions(t *testing.T) {
	o := DefaultOptions()
	if p := problems(o); p != nil {
		t.Error(p)
	}
	if o.OnError != message.Tempfail || o.Expire != 0 {
		t.Errorf("%+v", o)
	}
}

func TestProblems(t *testing.T) {
	long := strings.Repeat("a", 63)
	tests := []struct {
		name   string
		change func(*Options)
		want   []string // the beginnings of all problems, in order
	}{
		{"good", func(o *Options) {
			o.Domains = domains("example.org", "*.example.org", "Example.COM", "xn--bcher-kva.example", long+"."+long+".example")
		}, nil},
		{"unsigned", func(o *Options) { o.Unsigned = "hold" }, []string{`unsigned: "hold" is neither accept nor reject`}},
		{"canonicalization", func(o *Options) { o.Canonicalization = "relaxed" }, []string{`canonicalization: "relaxed" is none of relaxed/relaxed,`}},
		{"negative expire", func(o *Options) { o.Expire = -time.Hour }, []string{"expire: -1h0m0s is no time"}},
		{"expire too short", func(o *Options) { o.Expire = time.Millisecond }, []string{"expire: 1ms is no time"}},
		{"domains", func(o *Options) {
			o.Domains = domains("", "org", "a..example.org", "example.org.", "-a.example.org", "a_b.example.org", "bücher.example",
				"*", "*.org", "*.*.example.org", long+"a.org", strings.Repeat("a.", 127)+"org")
		}, []string{
			`domains[0].domain: "" is empty`, `domains[1].domain: "org" is no domain of the public DNS`,
			`domains[2].domain: "a..example.org" has an empty label`, `domains[3].domain: "example.org." has an empty label`,
			`domains[4].domain: "-a.example.org" has a label that begins or ends with "-"`,
			`domains[5].domain: "a_b.example.org" may hold only`, `domains[6].domain: "bücher.example" may hold only`,
			`domains[7].domain: "*" may hold only`, `domains[8].domain: "*.org" is no domain`,
			`domains[9].domain: "*.*.example.org" may hold only`, `domains[10].domain: "` + long, `domains[11].domain: "a.a.`,
		}},
		{"domain twice", func(o *Options) { o.Domains = domains("example.org", "example.com", "Example.org") },
			[]string{"domains[2].domain: Example.org has an entry already, domains[0]"}},
		{"no keys", func(o *Options) { o.Domains = []Domain{{Domain: "example.org"}} }, []string{"domains[0].keys: example.org has no key"}},
		{"keys", func(o *Options) {
			o.Domains = []Domain{{Domain: "example.org", Keys: []Key{{"s1", "/a.pem"}, {"S1", "/b.pem"}, {"", ""}, {"2026.a", "/c.pem"}, {"a b", "/d.pem"}}}}
		}, []string{
			`domains[0].keys[1].selector: "S1" is the selector of keys[0] too`, `domains[0].keys[2].selector: "" is empty`,
			`domains[0].keys[2].file: no file`, `domains[0].keys[4].selector: "a b" may hold only`,
		}},
		{"identities", func(o *Options) {
			o.Domains = domains("a.org", "b.org", "c.org", "d.org", "*.e.org", "f.org", "g.org")
			for i, identity := range []string{"@a.org", "news@sub.B.org", "@notc.org", "d.org", "x@sub.e.org", "a;b@f.org", "@a..g.org"} {
				o.Domains[i].Identity = identity
			}
		}, []string{
			`domains[2].identity: "@notc.org" does not lie within c.org`, `domains[3].identity: "d.org" has no "@"`,
			`domains[5].identity: "a;b@f.org" may hold only`, `domains[6].identity: "@a..g.org" has an empty label`,
		}},
		{"sign_as", func(o *Options) {
			o.Domains = domains("a.b.org", "*.b.org", "c.org", "d.org", "e.org", "*.f.org")
			for i, name := range []string{"B.org", "b.org", "d.org", "sub.d.org", "org", "f..org"} {
				o.Domains[i].SignAs = name
			}
			o.Domains[0].Identity = "@other.b.org"
			o.Domains[1].Identity = "@c.org"
		}, []string{
			`domains[1].identity: "@c.org" does not lie within b.org`, `domains[2].sign_as: "d.org" is neither c.org nor a parent of it`,
			`domains[3].sign_as: "sub.d.org" is neither d.org`, `domains[4].sign_as: "org" is no domain of the public DNS`,
			`domains[5].sign_as: "f..org" has an empty label`,
		}},
		{"two keys at one name", func(o *Options) {
			o.Domains = domains("*.b.org", "b.org", "a.b.org", "c.org", "d.org")
			o.Domains[1].Keys = []Key{{"s1", "/k.pem"}, {"s2", "/2.pem"}}
			o.Domains[2].SignAs, o.Domains[2].Keys = "b.org", []Key{{"s1", "/k.pem"}, {"S2", "/other.pem"}}
		}, []string{`domains[2].keys[1].file: "/other.pem" would be published at s2._domainkey.b.org, as would be "/2.pem" of domains[1]`}},
		{"exclude", func(o *Options) {
			o.Domains = domains("example.org")
			o.Exclude = []string{"NoReply@example.org", "example.com", "*.example.net", "@a.org", "a b@a.org", "*", "a@b@c.org", "*.*.org", "a@*.b.org"}
		}, []string{
			`exclude[3]: "@a.org" is no address`, `exclude[4]: "a b@a.org" is no address`, `exclude[5]: "*" may hold only`,
			`exclude[6]: "a@b@c.org" may hold only`, `exclude[7]: "*.*.org" may hold only`, `exclude[8]: "a@*.b.org" may hold only`,
		}},
		{"default domain", func(o *Options) { o.Domains, o.DefaultDomain = domains("*.Example.org"), "Mail.example.org" }, nil},
		{"no default domain", func(o *Options) { o.DefaultDomain = "*.example.org" }, []string{`default_domain: "*.example.org" may hold only`}},
		{"reason header", func(o *Options) { o.ReasonHeader = "X-Why" }, nil},
		{"a field that means something", func(o *Options) { o.ReasonHeader = "Subject" }, []string{`reason_header: "Subject" does not begin`}},
		{"no field at all", func(o *Options) { o.ReasonHeader = "X-" }, []string{`reason_header: "X-" does not begin`}},
		{"no watch", func(o *Options) { o.Watch = 0 }, nil},
		{"negative watch", func(o *Options) { o.Watch = -time.Minute }, []string{"watch: -1m0s is less than a second"}},
		{"watch too short", func(o *Options) { o.Watch = time.Millisecond }, []string{"watch: 1ms is less than a second"}},
		{"no name", func(o *Options) { o.ReasonHeader = "X-A: b" }, []string{`reason_header: "X-A: b" is no name of a field`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := DefaultOptions()
			tt.change(&o)
			got := problems(o)
			if !slices.EqualFunc(got, tt.want, strings.HasPrefix) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
			if _, err := New(o, fixedClock, nil); (err == nil) != (tt.want == nil) {
				t.Errorf("New: %v", err)
			}
		})
	}
}

func TestDefaultDomainNeedsKeys(t *testing.T) {
	o := DefaultOptions()
	o.Domains, o.DefaultDomain = domains("example.org"), "mail.example.org"
	if _, err := New(o, fixedClock, nil); err == nil || !strings.Contains(err.Error(), `default_domain: there are no keys for "mail.example.org"`) {
		t.Errorf("New: %v", err)
	}
}
