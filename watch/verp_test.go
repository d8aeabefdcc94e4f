package watch

import "testing"

func TestVERP(t *testing.T) {
	for address, want := range map[string]string{
		"bounces+user=example.net@example.org":          "user@example.net bounces@example.org",
		"list-return-12-user=example.net@example.org":   "user@example.net list-return-12@example.org",
		"bounces+first-last=example.net@example.org":    "first-last@example.net bounces@example.org",
		"bounces+first+tag=example.net@example.org":     "first+tag@example.net bounces@example.org",
		"bounces+a=b=sub.example.net@example.org":       "a=b@sub.example.net bounces@example.org",
		"bounces@example.org":                           "",
		"prvs=1234abcd@example.org":                     "",
		"+user=example.net@example.org":                 "",
		"bounces+=example.net@example.org":              "",
		"bounces+user=@example.org":                     "",
		"no address":                                    "",
		"SRS0+ab=cd=example.com=user@forwarder.example": "",
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
