package keystore

import (
	"fmt"
	"slices"
	"strings"
)

// RecordTTL is the time to live with which records are best published, in seconds:
// an hour is how long a mistake stays with receivers.
const RecordTTL = 3600

// longestString is the most octets of one string of a TXT record (RFC 1035 3.3.14).
const longestString = 255

// ZoneLine returns a TXT record as it stands in a zone file (RFC 1035 5.1), with
// its whole name and in as many strings as it needs.
func ZoneLine(name, text string) string {
	var quoted []string
	for part := range slices.Chunk([]byte(text), longestString) {
		// The text of a key record needs no escapes within quotes (RFC 6376 3.6.1).
		quoted = append(quoted, `"`+string(part)+`"`)
	}
	if len(quoted) == 1 {
		return fmt.Sprintf("%s. %d IN TXT %s\n", name, RecordTTL, quoted[0])
	}
	return fmt.Sprintf("%s. %d IN TXT (\n    %s )\n", name, RecordTTL, strings.Join(quoted, "\n    "))
}
