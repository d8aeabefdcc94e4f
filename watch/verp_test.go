package watch

import (
	"fmt"
	"testing"
)

// A bounce address tells the recipient of any number of messages; nobody is refused for
// what everybody could have made up.
func TestVERPJoins(t *testing.T) {
	many := func(sender string, n int, domains ...string) []Sent {
		var all []Sent
		for i := range n {
			all = append(all, Sent{QueueID: fmt.Sprintf("VVVVVV%d", i), Sender: sender, Domains: domains})
		}
		return all
	}
	const recipient = "user@example.net"
	for name, c := range map[string]struct {
		sent            []Sent
		to              string
		certain, proven bool
	}{
		"own address of each recipient": {many("b+user=example.net@example.org", 50, "example.net"), "b+user=example.net@example.org", true, false},
		"put in by the MTA (XVERP)":     {many("b@example.org", 10, "example.org", "example.net"), "b+user=example.net@example.org", true, false},
		"a token of the message":        {many("b+7f3a91c04d2e@example.org", 1, "example.net"), "b+7f3a91c04d2e@example.org", true, true},
		"a token, and the recipient":    {many("b-7f3a91c04d2e+user=example.net@example.org", 1, "example.net"), "b-7f3a91c04d2e+user=example.net@example.org", true, true},
		"a counter":                     {many("b+12345678901@example.org", 1, "example.net"), "b+12345678901@example.org", true, false},
		"a name that few messages have": {many("info@example.org", 2, "example.net"), "info@example.org", true, false},
		"an address of all messages":    {many("info@example.org", 10, "example.net"), "info@example.org", false, false},
		"another domain":                {many("b@example.org", 10, "example.com"), "b+user=example.net@example.org", false, false},
	} {
		f := newFixture(t)
		for _, s := range c.sent {
			f.leftTo(s, recipient)
		}
		r := f.ingest(notice(c.to, "", "", recipient, "failed", "5.1.1", "no such user"))
		f.clock = f.clock.Add(firstRetry * 4e9)
		_, err := f.Rejoin(t.Context(), f.journal)
		f.check(err)
		var proven bool
		f.check(f.db.QueryRow("SELECT proven FROM events").Scan(&proven))
		if (r.Certain == 1) != c.certain || proven != c.proven {
			t.Errorf("%s: %+v, proven %v", name, r, proven)
		}
	}
}

func TestVERP(t *testing.T) {
	for address, want := range map[string]string{
		"bounces+user=example.net@example.org":                    "user@example.net bounces@example.org",
		"list-return-12-user=example.net@example.org":             "user@example.net list-return-12@example.org",
		"bounces+first-last=example.net@example.org":              "first-last@example.net bounces@example.org",
		"bounces+first+tag=example.net@example.org":               "first+tag@example.net bounces@example.org",
		"bounces+a=b=sub.example.net@example.org":                 "a=b@sub.example.net bounces@example.org",
		"bounces@example.org":                                     "",
		"prvs=1234abcd@example.org":                               "",
		"+user=example.net@example.org":                           "",
		"bounces+=example.net@example.org":                        "",
		"bounces+user=@example.org":                               "",
		"no address":                                              "",
		"SRS0+ab=cd=example.com=user@forwarder.example":           "",
		"SRS0+ab=cd=example.com=first.last@forwarder.example":     "",
		"srs0=ab=cd=my-host.example=first.last@forwarder.example": "",
	} {
		got := ""
		if who, base, ok := verp(address); ok {
			got = who + " " + base
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}
