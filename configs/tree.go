package configs

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// value is a value of a TOML document with its position.
type value struct {
	kind kind
	line int // of its key or header, of itself in a list; 0: the root
	text string

	// Of a table:
	keys     []string // in the order of the file
	children map[string]*value
	headed   bool // it had a [header] of its own

	// Of a list:
	items  []*value
	tables bool // it is made of [[header]]s
}

type kind uint8

const (
	tableKind kind = iota
	listKind
	stringKind
	integerKind
	floatKind
	boolKind
	dateKind
)

// String names a kind as an administrator would, with an article.
func (k kind) String() string {
	return [...]string{"a table", "a list", "a string", "a number", "a number with a fraction", "true or false without quotes", "a date or time"}[k]
}

func newTable(line int) *value { return &value{line: line, children: map[string]*value{}} }

func (v *value) set(key string, child *value) {
	v.keys = append(v.keys, key)
	v.children[key] = child
}

// lineOf returns the line of a key such as "signing.domains[1].keys[0].file", or
// that of the nearest thing above it that the file has.
func (v *value) lineOf(key string) int {
	for _, step := range strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		next := v.children[step]
		if i, err := strconv.Atoi(step); err == nil && v.kind == listKind && i >= 0 && i < len(v.items) {
			next = v.items[i]
		}
		if next == nil {
			break
		}
		v = next
	}
	return v.line
}

// treeBuilder builds the tree of a document and reports what can't be part of one.
type treeBuilder struct {
	parser  unstable.Parser
	report  reporter
	newline []int // offsets of the line ends
	root    *value
	current *value // the table of the last header
	path    string // its key
}

// parseTree reads a TOML document. It returns what it understood, and whether it came to the end.
func parseTree(data []byte, report reporter) (root *value, whole bool) {
	b := &treeBuilder{root: newTable(0), report: report}
	b.current = b.root
	for i, c := range data {
		if c == '\n' {
			b.newline = append(b.newline, i)
		}
	}
	b.parser.Reset(data)
	for b.parser.NextExpression() {
		b.expression(b.parser.Expression())
	}
	err := b.parser.Error()
	if err != nil {
		b.syntaxError(err)
	}
	return b.root, err == nil
}

// conform has the library judge the finer rules of TOML, such as how tables may
// be spread over a file.
func conform(data []byte, report reporter) {
	var document map[string]any
	err := toml.Unmarshal(data, &document)
	if err == nil {
		return
	}
	line := 0
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, _ = decode.Position()
	}
	report(line, "", "syntax error: "+strings.TrimPrefix(err.Error(), "toml: "))
}

func (b *treeBuilder) syntaxError(err error) {
	line, text := 0, err.Error()
	var parse *unstable.ParserError
	if errors.As(err, &parse) {
		line = b.lineOf(b.parser.Range(parse.Highlight))
	}
	for _, slip := range []string{"at start of value", "expected keyword", "expected newline", "must be quoted"} {
		if strings.Contains(text, slip) {
			text += "; words, times and sizes stand in quotes, and one key to a line"
			break
		}
	}
	b.report(line, "", "syntax error: "+text)
}

func (b *treeBuilder) lineOf(r unstable.Range) int {
	return sort.SearchInts(b.newline, int(r.Offset)) + 1
}

func (b *treeBuilder) expression(n *unstable.Node) {
	switch n.Kind {
	case unstable.Table:
		b.header(n, b.openTable)
	case unstable.ArrayTable:
		b.header(n, b.openListedTable)
	default:
		b.keyValue(b.current, b.path, n)
	}
}

// header moves to the table that a header names. The tables above it come into
// being as needed. What can't be opened gets its keys into a table that hangs nowhere.
func (b *treeBuilder) header(n *unstable.Node, open func(in *value, name, path string, line int) (*value, string)) {
	in, path := b.root, ""
	for it := n.Key(); it.Next(); {
		name, line := string(it.Node().Data), b.lineOf(it.Node().Raw)
		path = join(path, name)
		if it.IsLast() {
			in, path = open(in, name, path, line)
			break
		}
		in, path = b.enter(in, name, path, line)
	}
	b.current, b.path = in, path
}

// enter returns the table of that name, or the last of a list of tables.
func (b *treeBuilder) enter(in *value, name, path string, line int) (*value, string) {
	child := in.children[name]
	switch {
	case child == nil:
		child = newTable(line)
		in.set(name, child)
	case child.kind == listKind && child.tables:
		last := len(child.items) - 1
		return child.items[last], fmt.Sprintf("%s[%d]", path, last)
	case child.kind != tableKind:
		b.report(line, path, fmt.Sprintf("is used as a table here, and is %s on line %d", child.kind, child.line))
		return newTable(line), path
	}
	return child, path
}

func (b *treeBuilder) openTable(in *value, name, path string, line int) (*value, string) {
	if child := in.children[name]; child != nil && child.kind == listKind && child.tables {
		b.report(line, path, fmt.Sprintf("is one of a list of tables since line %d; write [[%s]]", child.line, path))
		return newTable(line), path
	}
	table, path := b.enter(in, name, path, line)
	if table.headed {
		b.report(line, path, fmt.Sprintf("there is a table [%s] on line %d already; put the keys there", path, table.line))
	}
	if !table.headed {
		table.headed, table.line = true, line
	}
	return table, path
}

func (b *treeBuilder) openListedTable(in *value, name, path string, line int) (*value, string) {
	list := in.children[name]
	switch {
	case list == nil:
		list = &value{kind: listKind, tables: true, line: line}
		in.set(name, list)
	case !list.tables:
		b.report(line, path, fmt.Sprintf("is %s on line %d, and one of a list of tables here", list.kind, list.line))
		return newTable(line), path
	}
	table := newTable(line)
	list.items = append(list.items, table)
	return table, fmt.Sprintf("%s[%d]", path, len(list.items)-1)
}

func (b *treeBuilder) keyValue(in *value, path string, n *unstable.Node) {
	for it := n.Key(); it.Next(); {
		name, line := string(it.Node().Data), b.lineOf(it.Node().Raw)
		path = join(path, name)
		if !it.IsLast() {
			in, path = b.enter(in, name, path, line)
			continue
		}
		if earlier := in.children[name]; earlier != nil {
			b.report(line, path, fmt.Sprintf("is set twice; the first time on line %d", earlier.line))
			return
		}
		in.set(name, b.value(n.Value(), path, line))
	}
}

func (b *treeBuilder) value(n *unstable.Node, path string, line int) *value {
	switch n.Kind {
	case unstable.InlineTable:
		table := newTable(line)
		for it := n.Children(); it.Next(); {
			b.keyValue(table, path, it.Node())
		}
		return table
	case unstable.Array:
		list := &value{kind: listKind, line: line}
		for it := n.Children(); it.Next(); {
			item := it.Node()
			itemLine := line
			if item.Kind != unstable.Array { // a list has no position of its own
				itemLine = b.lineOf(item.Raw)
			}
			list.items = append(list.items, b.value(item, fmt.Sprintf("%s[%d]", path, len(list.items)), itemLine))
		}
		return list
	}
	return &value{kind: scalarKind(n.Kind), line: line, text: string(n.Data)}
}

func scalarKind(k unstable.Kind) kind {
	switch k {
	case unstable.String:
		return stringKind
	case unstable.Integer:
		return integerKind
	case unstable.Float:
		return floatKind
	case unstable.Bool:
		return boolKind
	}
	return dateKind
}

// join joins a key to the path of its table, with quotes if it needs them.
func join(path, key string) string {
	if key == "" || slices.ContainsFunc([]rune(key), needsQuotes) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func needsQuotes(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
