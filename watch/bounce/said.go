package bounce

import (
	"strings"

	"pratique/watch/reason"
)

// about returns the words about some recipients, by address in lower case: those behind
// the address, up to an empty line or to another of these recipients. It goes once
// through the text.
func (l *letter) about(recipients []string) map[string]string {
	meant := map[string]bool{}
	for _, r := range recipients {
		meant[strings.ToLower(r)] = true
	}
	found := map[string]string{}
	seen := map[string]int{}
	at := anAddress.FindAllStringIndex(l.text, maxMentions)
	for i, m := range at {
		who := strings.ToLower(l.text[m[0]:m[1]])
		if !meant[who] || seen[who] >= maxPlaces {
			continue
		}
		seen[who]++
		end := len(l.text)
		for _, other := range at[i+1 : min(len(at), i+1+maxPlaces)] {
			if next := strings.ToLower(l.text[other[0]:other[1]]); next != who && meant[next] {
				end = other[0]
				break
			}
		}
		segment := l.text[m[1]:min(end, m[1]+maxExplanation)]
		words := firstParagraph(segment)
		if near := segment[:min(len(segment), maxNear)]; !tells(words) && tells(near) {
			words = near
		}
		if known, ok := found[who]; !ok || !tells(known) && tells(words) {
			found[who] = words
		}
	}
	return found
}

const (
	maxMentions = 5 * maxRecipients // addresses of a text that are looked at
	maxNear     = 400               // octets behind it that may be about it, over an empty line
	maxPlaces   = 4                 // of one address, at which words about it are looked for
)

// tells reports whether words give a reason.
func tells(words string) bool {
	return reason.Of("", words).Class != reason.Unknown
}

// say gives each recipient that has no words yet those that the letter has about it,
// and where there are none either, all of them. A status that leaves no doubt goes
// before them: a letter has footers, and names reasons that may be.
func (l *letter) say(recipients []Recipient) {
	var addresses []string
	for _, r := range recipients {
		addresses = append(addresses, r.Final, r.Original)
	}
	var found map[string]string
	for i := range recipients {
		r := &recipients[i]
		byStatus := reason.Of(r.Status, "")
		if tells(r.Diagnostic) || byStatus.Class == reason.Hard || byStatus.Name == "mailbox_full" || byStatus.Name == "too_big" {
			continue
		}
		if found == nil {
			found = l.about(addresses)
		}
		said := []string{found[strings.ToLower(r.Final)], found[strings.ToLower(r.Original)]}
		if byStatus.Class == reason.Unknown {
			said = append(said, l.whole())
		}
		if words := better(said); tells(words) || r.Diagnostic == "" && byStatus.Class == reason.Unknown {
			r.Diagnostic = words
		}
	}
}

// better returns the first of some words that tell a reason, or the first that are any.
func better(words []string) string {
	first := ""
	for _, w := range words {
		if tells(w) {
			return w
		}
		if first == "" {
			first = w
		}
	}
	return first
}

// whole is all of a letter, in one line, cut short.
func (l *letter) whole() string {
	text := strings.Join(strings.Fields(l.text[:min(len(l.text), 2*maxExplanation)]), " ")
	return text[:min(len(text), maxExplanation)]
}
