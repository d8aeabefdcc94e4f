package opendkim

import (
	"fmt"
	"strings"
)

// form is how the entries of a data set are held against what is looked up.
type form uint8

const (
	literal form = iota // "file:", "csl:", a path or a list: equal but for case
	pattern             // "refile:": "*" stands for anything
)

// item is an entry of a data set.
type item struct {
	file       string
	line       int
	key, value string
}

// dataSet is what a setting of that type says, before anything is read.
type dataSet struct {
	setting setting
	form    form
	file    string // "": a list
	list    string
}

// dataSet takes the value of a setting apart, as dkimf_db_open does. One that can't
// be taken over is noted, and not ok.
func (r *reader) dataSet(s setting) (d dataSet, ok bool) {
	d.setting = s
	kind, rest, prefixed := strings.Cut(s.value, ":")
	if strings.Contains(kind, ",") {
		prefixed = false // a list with a colon further on
	}
	switch kind = strings.ToLower(kind); {
	case !prefixed && strings.HasSuffix(s.value, ".db") || prefixed && kind == "db":
		r.note(s.note(Lost, "is a Berkeley DB, which is not read here", "write it out as text (db_dump -p), name that with file:, and import again"))
	case !prefixed && strings.HasPrefix(s.value, "/"):
		d.file = s.value
		return d, true
	case !prefixed:
		d.list = s.value
		return d, true
	case kind == "csl":
		d.list = rest
		return d, true
	case kind == "file":
		d.file = r.absolute(rest)
		return d, true
	case kind == "refile":
		d.file, d.form = r.absolute(rest), pattern
		return d, true
	case isDatabase(kind):
		r.note(s.note(Lost, fmt.Sprintf("is kept in %s, which is not asked from here", kind),
			"write what is there into a text file, name that with file:, and import again"))
	default:
		r.note(s.note(Lost, fmt.Sprintf("OpenDKIM knows no kind of table %.40q and would not start", kind), "an IPv6 address at the head of a list needs csl: before it"))
	}
	return d, false
}

func isDatabase(kind string) bool {
	switch kind {
	case "dsn", "ldap", "ldaps", "ldapi", "lua", "memcache", "mdb", "erlang", "socket", "repute":
		return true
	}
	return false
}

// each hands on the entries in their order. Lines that OpenDKIM does not read as
// they were meant are noted.
func (r *reader) each(d dataSet, visit func(item)) error {
	if d.file == "" {
		for text := range strings.SplitSeq(d.list, ",") {
			key, value, _ := strings.Cut(text, "=")
			if key = strings.TrimSpace(key); key != "" {
				visit(item{d.setting.file, d.setting.line, key, strings.TrimSpace(value)})
			}
		}
		return nil
	}
	return r.lines(d.file, func(line int, text string) bool {
		it, problem := d.parse(text)
		it.file, it.line = d.file, line
		switch {
		case problem != "":
			r.note(Note{Lost, d.file, line, d.setting.param.name, problem, "mend the line and import again"})
		case it.key != "":
			visit(it)
		}
		return true
	})
}

// parse takes a line of a file apart. The item has no key if the line holds nothing.
func (d dataSet) parse(text string) (it item, problem string) {
	long := len(text) > longestTable
	text, _, _ = strings.Cut(text, "#")
	trimmed := strings.TrimSpace(text)
	switch {
	case trimmed == "":
		return it, ""
	case long:
		return it, fmt.Sprintf("the line has more than %d octets, and OpenDKIM takes it for several", longestTable)
	case strings.IndexByte(text, 0) >= 0:
		return it, "there is a NUL in the line, where it ends for OpenDKIM"
	case d.form == pattern && isSpace(text[0]):
		return it, "the line begins with white space, and OpenDKIM passes over such lines of a refile"
	}
	i := strings.IndexFunc(trimmed, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if i < 0 {
		return item{key: trimmed}, ""
	}
	return item{key: trimmed[:i], value: strings.TrimSpace(trimmed[i:])}, ""
}

func isSpace(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

// note is about an entry.
func (d dataSet) note(it item, kind Kind, text, do string) Note {
	return Note{Kind: kind, File: it.file, Line: it.line, Setting: d.setting.param.name, Text: text, Do: do}
}

// strange are the characters with a meaning in a regular expression that
// OpenDKIM leaves in a pattern (dkimf_mkregexp quotes "." and "+" only).
const strange = `\^$[](){}|?`

// glob reports whether a text matches a pattern in which "*" stands for anything.
func glob(pattern, text string) bool {
	head, rest, starred := strings.Cut(pattern, "*")
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for starred {
		var part string
		part, rest, starred = strings.Cut(rest, "*")
		if !starred {
			return strings.HasSuffix(text, part)
		}
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return text == ""
}
