package lint

import (
	"math/rand/v2"
	"slices"
	"strings"
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

// TestWhatIsNotOfTheCharsetIsShownInAnySplit holds that of lines that are kept whole and of
// longer ones the same octets are shown, however they come.
func TestWhatIsNotOfTheCharsetIsShownInAnySplit(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	alphabet := []string{"a", "\xff", "\xc3", "\xe2\x82", "ü", "\r\n", strings.Repeat("x", maxHeld-4), "some words"}
	l := newLint(t, everyTextRule()).Collecting()
	for _, charset := range []string{"", "; charset=utf-8"} {
		for range 1_000 {
			body := ""
			for range random.IntN(8) {
				body += alphabet[random.IntN(len(alphabet))]
			}
			shown := func(cuts func(int) int) (details []string) {
				m := fromAnn()
				header := plainHeader + "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/html" + charset + "\r\n"
				if _, err := run(l, m, header, body, cuts); err != nil {
					t.Fatal(err)
				}
				for _, f := range m.Findings {
					if f.Rule == "M12" {
						details = append(details, f.Where+f.Detail)
					}
				}
				return details
			}
			want := shown(whole)
			if got := shown(func(int) int { return random.IntN(12) }); !slices.Equal(got, want) {
				t.Fatalf("%q: in pieces %q, whole %q", body, got, want)
			}
		}
	}
}

// TestSoundDataNeedsNoSecondLook holds that the word of who decodes the data changes no
// finding, however its lines are cut.
func TestSoundDataNeedsNoSecondLook(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 8))
	for encoding, alphabet := range map[string][]string{
		"quoted-printable": {"some words", "=3D", "=c3=BC", "=", "= ", "=\t", "\t", "=4", "=zz", "==", "ü", "\x01", "\x7f", "~", "\r"},
		"base64":           {"QUJD", "QUJDREVG", "QU", "J", "QQ==", "=", "!", " ", "\r", "\xff"},
	} {
		for range 30_000 {
			usable := alphabet[:1+random.IntN(len(alphabet))]
			decoder := newTextDecoder(encoding, func([]byte) {})
			told, alone := encodedData{base64: encoding == "base64"}, encodedData{base64: encoding == "base64"}
			var lines []string
			for n := range 1 + random.IntN(4) {
				var line []byte
				for range random.IntN(5) {
					line = append(line, usable[random.IntN(len(usable))]...)
				}
				lines = append(lines, string(line))
				for begins := true; begins || len(line) > 0; begins = false {
					piece := line[:random.IntN(len(line)+1)]
					if random.IntN(2) == 0 {
						piece = line
					}
					told.write(piece, begins, decoder.write(piece, begins), n)
					alone.write(piece, begins, false, n)
					line = line[len(piece):]
				}
			}
			told.close(9)
			alone.close(9)
			if told.problem != alone.problem || told.line != alone.line {
				t.Fatalf("%s %q: %q at %d, alone %q at %d", encoding, lines, told.problem, told.line, alone.problem, alone.line)
			}
		}
	}
}
