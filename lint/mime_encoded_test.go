package lint

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"
)

// TestUTF8InPieces holds that a text is judged the same however it is cut.
func TestUTF8InPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	alphabet := []string{"a", "\r", "ü", "€", "😀", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\x80", "\xff", "\xed\xa0\x80", "\xc0\x80"}
	for range 20_000 {
		var text []byte
		usable := alphabet[:5+random.IntN(len(alphabet)-4)]
		for range random.IntN(8) {
			text = append(text, usable[random.IntN(len(usable))]...)
		}
		octets := textOctets{utf8: true}
		for rest := text; len(rest) > 0; {
			n := 1 + random.IntN(len(rest))
			octets.write(rest[:n])
			rest = rest[n:]
		}
		octets.close()
		if got := octets.bad == nil; got != utf8.Valid(text) {
			t.Fatalf("%q: valid is %v", text, got)
		}
	}
}
