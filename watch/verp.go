package watch

import "strings"

// verp finds the recipient that a bounce address holds, and the address without it:
// "bounces+user=example.net@example.org", as Postfix makes it with XVERP (its
// default_verp_delimiters are "+="), or "list-return-user=example.net@…" of ezmlm.
func verp(address string) (recipient, base string, ok bool) {
	local, host, ok := cutLast(address, "@")
	if !ok {
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

func cutLast(text, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
