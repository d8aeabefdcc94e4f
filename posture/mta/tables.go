package mta

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// table is one look-up table that a parameter names, such as "regexp:/etc/postfix/x".
type table struct {
	name string // as it is written
	kind string // regexp
	path string // /etc/postfix/x
	read func(path string) (string, error)
	seen map[string]tableText
}

// tableText is what was read of a table.
type tableText struct {
	entries []tableEntry
	err     error
}

// tableEntry is one line of a table.
type tableEntry struct {
	key, value string
	line       int
	path       string
	within     []string // the patterns of the if's around it
}

func (e tableEntry) where(parameter string) string {
	if e.line == 0 {
		return parameter
	}
	return fmt.Sprintf("%s:%d", filepath.Clean(e.path), e.line)
}

// tables lists the tables of a value, also those within pipemap and unionmap.
func (p *Postfix) tables(value string) []table {
	if p.tabled == nil {
		p.tabled = map[string]tableText{}
	}
	var list []table
	for _, word := range words(value) {
		kind, rest, ok := strings.Cut(word, ":")
		if !ok {
			if strings.HasPrefix(word, "{") { // the list of a pipemap or unionmap
				list = append(list, p.tables(unbraced(word))...)
			}
			continue
		}
		switch kind {
		case "pipemap", "unionmap", "proxy":
			list = append(list, p.tables(unbraced(rest))...)
			continue
		}
		list = append(list, table{name: word, kind: kind, path: rest, read: p.readTable, seen: p.tabled})
	}
	return list
}

// entries reads a table whose text can be read: of a hash or lmdb table that is
// the file that postmap made it from. It is read once: many services may ask it.
func (t table) entries() ([]tableEntry, error) {
	known, seen := t.seen[t.name]
	if !seen {
		known.entries, known.err = t.parse()
		t.seen[t.name] = known
	}
	return known.entries, known.err
}

func (t table) parse() ([]tableEntry, error) {
	switch t.kind {
	case "inline":
		return inlineEntries(t.path), nil
	case "static":
		return []tableEntry{{key: "everything", value: unbraced(t.path)}}, nil
	case "regexp", "pcre":
		return t.lines(patternEntry)
	case "cidr", "hash", "texthash", "btree", "lmdb", "dbm", "cdb":
		return t.lines(plainEntry)
	}
	return nil, fmt.Errorf("a table of the type %s can't be read here", t.kind)
}

func (t table) lines(parse func(text string) (key, value string)) ([]tableEntry, error) {
	lines, err := t.text()
	if err != nil {
		return nil, err
	}
	var list []tableEntry
	var within []string
	for _, l := range lines {
		switch verb, condition, _ := strings.Cut(l.text, " "); {
		case t.isConditional() && strings.EqualFold(verb, "if"):
			within = append(slices.Clone(within), strings.TrimSpace(condition))
		case t.isConditional() && strings.EqualFold(verb, "endif"):
			within = within[:max(len(within)-1, 0)]
		default:
			if key, value := parse(l.text); key != "" {
				list = append(list, tableEntry{key, value, l.line, t.path, within})
			}
		}
	}
	return list, nil
}

// text returns the lines of a table: those of a file, or what stands in main.cf
// itself, as in "pcre:{ { /pattern/ action }, … }" (Postfix 3.7).
func (t table) text() ([]logicalLine, error) {
	if strings.HasPrefix(t.path, "{") {
		var lines []logicalLine
		for _, word := range words(unbraced(t.path)) {
			lines = append(lines, logicalLine{text: unbraced(word)})
		}
		return lines, nil
	}
	text, err := t.read(t.path)
	return logicalLines([]byte(text)), err
}

// isConditional reports a table that may have if and endif (regexp_table(5), cidr_table(5)).
func (t table) isConditional() bool {
	return t.kind == "regexp" || t.kind == "pcre" || t.kind == "cidr"
}

func plainEntry(text string) (key, value string) {
	i := strings.IndexAny(text, " \t")
	if i < 0 {
		return "", ""
	}
	return text[:i], strings.TrimSpace(text[i:])
}

// patternEntry splits "/pattern/flags action".
func patternEntry(text string) (key, value string) {
	if text == "" || isNameByte(text[0]) {
		return "", ""
	}
	start := 0
	if text[0] == '!' && len(text) > 1 {
		start = 1
	}
	delimiter := text[start]
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case delimiter:
			end := i + 1
			for end < len(text) && text[end] != ' ' && text[end] != '\t' {
				end++
			}
			return text[:i+1], strings.TrimSpace(text[end:])
		}
	}
	return "", ""
}

// inlineEntries reads the "{ key = value, { key = text } }" of an inline table.
func inlineEntries(text string) []tableEntry {
	var list []tableEntry
	for _, word := range words(unbraced(text)) {
		key, value, ok := strings.Cut(unbraced(word), "=")
		if ok {
			list = append(list, tableEntry{key: strings.TrimSpace(key), value: strings.TrimSpace(value)})
		}
	}
	return list
}
