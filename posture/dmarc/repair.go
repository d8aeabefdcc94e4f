package dmarc

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// begins is where a tag begins in what was meant for a record: also behind a comma, a
// space or a quote, in capitals, or misspelt.
var begins = regexp.MustCompile(`(?i)(?:^|[;,\s"'“”])(v|p|sp|np|adkim|aspf|t|psd|rua|ruf|fo|pct|rf|ri|rau|ra|policy|pc|aspfs|adkm|dkim|spf)[ \t]*=[ \t]*`)

// copied undoes what copying from a page brings in: spaces that do not break or have no
// width, the byte order mark, and semicolons as HTML writes them.
var copied = strings.NewReplacer("\u00a0", " ", "\u200b", "", "\u2060", "", "\ufeff", "", "&#59;", ";", "&semi;", ";")

// Repair returns a record as it was meant: of a text that is one, with what is wrong
// with it put right, or of one that was meant to be. What can't be told is left out.
func Repair(text string) string { return repaired(text).String() }

func repaired(text string) Record {
	values := map[string]string{}
	var names []string
	add := func(name, value string) {
		switch before, there := values[name]; {
		case !there:
			names, values[name] = append(names, name), value
		case name == "rua" || name == "ruf":
			values[name] = before + "," + value
		}
	}
	text = copied.Replace(text)
	places := begins.FindAllStringSubmatchIndex(text, -1)
	for i, place := range places {
		end := len(text)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		name := strings.ToLower(text[place[2]:place[3]])
		name = cmp.Or(misspelt(name), name)
		value := strings.Trim(text[place[1]:end], " \t\r\n;,\"'“”\\")
		switch name {
		case "v":
		case "sp", "np": // left out if it is none, for it would spoil the others
			if p := Policy(strings.ToLower(value)); p == None || p == Quarantine || p == Reject {
				add(name, value)
			}
		case "rua", "ruf":
			add(name, respelt(value))
		default:
			add(name, value)
		}
	}
	spec := []string{"v=DMARC1"}
	for _, name := range names {
		spec = append(spec, name+"="+values[name])
	}
	return Parse(strings.Join(spec, "; "))
}

// respelt puts a list of mail addresses into the form of URIs. Spaces between them, and
// brackets around them, are none of it.
func respelt(list string) string {
	var uris []string
	for _, uri := range strings.FieldsFunc(list, func(c rune) bool { return strings.ContainsRune(", \t<>", c) }) {
		bare, isMail := strings.CutPrefix(strings.Replace(uri, "://", ":", 1), "mailto:")
		switch {
		case isMail && bare == "": // its address stands behind a space or a bracket
			continue
		case isMail, strings.Contains(uri, "@") && !strings.Contains(uri, ":"):
			uri = "mailto:" + bare
		}
		uris = append(uris, uri)
	}
	return strings.Join(uris, ",")
}

// misspelt returns the tag that is meant by another word, or "".
func misspelt(name string) string {
	return map[string]string{"rau": "rua", "ra": "rua", "policy": "p", "pc": "pct", "aspfs": "aspf", "adkm": "adkim", "dkim": "adkim", "spf": "aspf"}[name]
}

// Merge returns one record in place of several, of which receivers take none: the one
// that asks for least, so that publishing it loses no mail, with the addresses for
// reports of all.
func Merge(texts []string) string {
	var all []Record
	for _, text := range texts {
		all = append(all, repaired(text))
	}
	merged := slices.MinFunc(all, func(a, b Record) int { return a.For(true, true).compare(b.For(true, true)) })
	for _, r := range all {
		for _, report := range r.RUA {
			if !slices.Contains(merged.RUA, report) {
				merged.RUA = append(slices.Clip(merged.RUA), report)
			}
		}
	}
	return merged.String()
}
