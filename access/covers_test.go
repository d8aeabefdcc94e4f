package access

import (
	"net/netip"
	"testing"
)

func TestCovers(t *testing.T) {
	covers := Options{Networks: []string{"10.0.0.0/8", "!10.9.0.0/16", "10.9.1.0/24", "::1", "192.0.2.0/25", "192.0.2.128/25"}}.Covers()
	for text, want := range map[string]bool{
		"10.1.0.0/16": true, "10.0.0.0/8": false, "10.9.0.0/16": false, "10.9.1.0/24": true, "10.9.1.7/32": true,
		"::1/128": true, "::/0": false, "192.0.2.0/26": true, "192.0.2.0/24": false, "0.0.0.0/0": false,
	} {
		if got := covers(netip.MustParsePrefix(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
