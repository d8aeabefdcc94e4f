package receiver

import (
	"cmp"
	"testing"
)

func TestProviders(t *testing.T) {
	for _, c := range []struct{ domain, host, want string }{
		{"gmail.com", "", "google"},
		{"GoogleMail.com.", "", "google"},
		{"firm.example", "aspmx.l.google.com", "google"},
		{"firm.example", "alt1.gmail-smtp-in.l.google.com.", "google"},
		{"firm.example", "firm-example.mail.protection.outlook.com", "microsoft"},
		{"hotmail.fr", "", "microsoft"},
		{"live.co.uk", "", "microsoft"},
		{"outlook.com", "", "microsoft"},
		{"yahoo.co.jp", "", "yahoo"},
		{"aol.com", "mx-aol.mail.gm0.yahoodns.net", "yahoo"},
		{"web.de", "", "gmx"},
		{"gmx.fr", "", "gmx"},
		{"sbcglobal.net", "", "yahoo"},
		{"firm.example", "mx.firm.example", ""},
		{"firm.example", "", ""},
		// Names that only look like a provider's.
		{"notgmail.com", "", ""},
		{"gmail.com.firm.example", "", ""},
		{"live.firm.example", "", ""},
		{"outlook.hosting.example", "", ""},
		{"firm.example", "google.com.evil.example", ""},
		{"", "", ""},
		{"", "mx.firm.example", ""},
	} {
		if got := cmp.Or(ByDomain(c.domain), ByHost(c.host)); got != c.want {
			t.Errorf("%q, %q: %q, want %q", c.domain, c.host, got, c.want)
		}
	}
}
