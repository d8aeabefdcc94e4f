package lint

import "bytes"

// stylesheet reads the text of style elements as it comes, and tells of its
// at-rules, selectors and declarations. How deep they are nested makes no
// difference: what stands before "{" is a selector or an at-rule, what stands
// before ";" or "}" a declaration or an at-rule (CSS Syntax 3).
type stylesheet struct {
	to     styles
	item   []byte // what stands since the last of these, cut to maxStyleItem
	quote  byte   // of the string that is open
	escape bool   // behind a backslash in a string
	depth  int    // parentheses that are open
	last   byte
	ignore bool // in a comment
	lines  int  // line ends since write was called
}

// styles takes what a stylesheet consists of. What it is handed is borrowed, and may be changed.
type styles interface {
	atRule(b []byte)
	selector(b []byte)
	declaration(property, value []byte)
}

// maxStyleItem bounds what is kept of a selector or a declaration. Longer ones are data: URIs.
const maxStyleItem = 1 << 10

func (s *stylesheet) write(b []byte) {
	s.lines = 0
	for _, c := range b {
		s.octet(c)
		s.last = c
		if c == '\n' {
			s.lines++
		}
	}
}

func (s *stylesheet) octet(c byte) {
	switch {
	case s.ignore:
		if c == '/' && s.last == '*' {
			s.ignore, c = false, ' '
		}
		return
	case s.quote != 0:
		if c == s.quote && !s.escape {
			s.quote = 0
		}
		s.escape = c == '\\' && !s.escape
	case c == '*' && s.last == '/':
		s.ignore = true
		s.item = bytes.TrimSuffix(s.item, []byte("/"))
		return
	case c == '"' || c == '\'':
		s.quote = c
	case c == '(':
		s.depth++
	case c == ')':
		s.depth = max(s.depth-1, 0)
	case c == '{', c == '}', c == ';' && s.depth == 0:
		s.end(c == '{')
		return
	}
	if len(s.item) < maxStyleItem {
		s.item = append(s.item, c)
	}
}

// end ends a selector, a declaration or an at-rule.
func (s *stylesheet) end(opens bool) {
	item := bytes.TrimSpace(s.item)
	for _, bracket := range []string{"<!--", "-->"} { // of old, to hide the sheet from browsers
		item = bytes.TrimSpace(bytes.TrimPrefix(item, []byte(bracket)))
	}
	switch {
	case len(item) == 0:
	case item[0] == '@':
		s.to.atRule(item)
	case opens:
		s.to.selector(item)
	default:
		eachDeclaration(item, s.to.declaration)
	}
	s.item, s.depth = s.item[:0], 0
}

// close ends the sheet: its last block may lack the brace.
func (s *stylesheet) close() {
	s.end(false)
	*s = stylesheet{to: s.to, item: s.item[:0]}
}

// inIdent reports whether c may stand in an identifier.
func inIdent(c byte) bool {
	return letter(c) || c >= '0' && c <= '9' || c == '-' || c == '_' || c >= 0x80
}

// identLength is the length of the identifier that b begins with.
func identLength(b []byte) int {
	for i, c := range b {
		if !inIdent(c) {
			return i
		}
	}
	return len(b)
}

// stringLength is the length of the string that b begins with, quotes included.
func stringLength(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case b[0]:
			return i + 1
		}
	}
	return len(b)
}
