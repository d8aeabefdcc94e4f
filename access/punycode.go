package access

import (
	"errors"
	"unicode/utf8"
)

// Parameters of Punycode (RFC 3492 5).
const (
	punyBase        = 36
	punyMin         = 1
	punyMax         = 26
	punySkew        = 38
	punyDamp        = 700
	punyInitialBias = 72
	punyInitialN    = 0x80
)

// punycode encodes a UTF-8 label that holds characters beyond ASCII (RFC 3492 6.3),
// without the "xn--" that makes it an A-label.
func punycode(label string) (string, error) {
	runes := []rune(label)
	if len(runes) > 63 { // every one needs at least an octet, and the work below grows with the square
		return "", errors.New("a label of the domain is longer than 63 characters")
	}
	var out []byte
	for _, r := range runes {
		if r < punyInitialN {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(punyInitialN), 0, punyInitialBias
	for handled := basic; handled < len(runes); {
		next := smallestFrom(runes, n)
		delta += int(next-n) * (handled + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r == n {
				out = appendVariable(out, delta, bias)
				bias = adapt(delta, handled+1, handled == basic)
				delta = 0
				handled++
			}
		}
		delta++
		n++
	}
	return string(out), nil
}

// smallestFrom returns the smallest of the runes that is at least n; there is one.
func smallestFrom(runes []rune, n rune) rune {
	smallest := rune(utf8.MaxRune)
	for _, r := range runes {
		if r >= n && r < smallest {
			smallest = r
		}
	}
	return smallest
}

// appendVariable appends a generalized variable-length integer (RFC 3492 3.3).
func appendVariable(out []byte, q, bias int) []byte {
	for k := punyBase; ; k += punyBase {
		t := min(max(k-bias, punyMin), punyMax)
		if q < t {
			return append(out, punyDigit(q))
		}
		out = append(out, punyDigit(t+(q-t)%(punyBase-t)))
		q = (q - t) / (punyBase - t)
	}
}

func punyDigit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}

// adapt is the bias adaptation function (RFC 3492 6.1).
func adapt(delta, points int, first bool) int {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (punyBase-punyMin)*punyMax/2; k += punyBase {
		delta /= punyBase - punyMin
	}
	return k + (punyBase-punyMin+1)*delta/(delta+punySkew)
}
