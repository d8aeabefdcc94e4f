package spf

import (
	"regexp"
	"strings"

	"pratique/posture/lookup"
)

// joint is a place where two strings of a TXT record meet that should have had a space
// between them (RFC 7208 3.3).
type joint struct {
	at                int // in the strings joined
	term, left, right string
}

// beginsTerm is what only a term begins with: no domain name has it in its middle.
var beginsTerm = regexp.MustCompile(`(?i)^([-+~?]all$|[-+~?]?(ip4|ip6|include|a|mx|ptr|exists):|(redirect|exp)=)`)

// joints returns the places where strings meet within what is no term, or two.
func joints(text lookup.Text) []joint {
	var all []joint
	joined, at := text.String(), 0
	for i := 1; i < len(text); i++ {
		at += len(text[i-1])
		if at == 0 || at == len(joined) || joined[at-1] == ' ' || joined[at] == ' ' {
			continue
		}
		left := joined[strings.LastIndexByte(joined[:at], ' ')+1 : at]
		right, _, _ := strings.Cut(text[i], " ")
		if term := termAt(joined, at); beginsTerm.MatchString(right) || !readable(term) && readable(left) && readable(right) {
			all = append(all, joint{at, term, left, right})
		}
	}
	return all
}
