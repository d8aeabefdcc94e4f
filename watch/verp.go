package watch

import "strings"

// verp finds the recipient that a bounce address holds, and the address without it:
// "bounces+user=example.net@example.org", as Postfix makes it with XVERP (its
// default_verp_delimiters are "+="), or "list-return-user=example.net@…" of ezmlm.
func verp(address string) (recipient, base string, ok bool) {
	local, host, ok := cutLast(address, "@")
	if !ok || rewritten(local) {
		return "", "", false
	}
	front, domain, ok := cutLast(local, "=")
	if !ok || domain == "" || !strings.Contains(domain, ".") {
		return "", "", false
	}
	// "+" is seldom in a recipient and "-" often: the first "+", else the last "-".
	name, user, ok := strings.Cut(front, "+")
	if !ok {
		name, user, ok = cutLast(front, "-")
	}
	if !ok || name == "" || user == "" {
		return "", "", false
	}
	return user + "@" + domain, name + "@" + host, true
}

// rewritten reports whether a local part is one of SRS, by which forwarders keep the
// address of a sender: "SRS0=hash=time=example.net=user" or "SRS1+hash=forwarder==…".
func rewritten(local string) bool {
	return len(local) > 5 && (strings.EqualFold(local[:4], "SRS0") || strings.EqualFold(local[:4], "SRS1")) && strings.ContainsRune("=+-", rune(local[4]))
}

// leastToken is how many letters and digits make a token that nobody guesses: with
// ten of them, some 50 bits.
const leastToken = 10

// hasToken reports whether a bounce address holds what only who got the message can
// know: a run of letters and digits that is long enough, and has both. Names have no
// digits in the middle, and counters and dates no letters.
func hasToken(address string) bool {
	if _, base, ok := verp(address); ok {
		address = base // the address of the recipient is no secret, whatever it looks like
	}
	local, _, _ := cutLast(address, "@")
	for word := range strings.FieldsFuncSeq(local, func(r rune) bool { return !isAlphanumeric(r) }) {
		digits := strings.IndexFunc(word, isDigit) >= 0
		letters := strings.IndexFunc(word, func(r rune) bool { return !isDigit(r) }) >= 0
		if len(word) >= leastToken && digits && letters {
			return true
		}
	}
	return false
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isAlphanumeric(r rune) bool {
	return isDigit(r) || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func cutLast(text, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
