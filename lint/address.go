package lint

import (
	"errors"
	"strings"
)

// mailbox is one address of an address field.
type mailbox struct {
	local  string // quoted as it stood
	domain string // a domain or a domain literal, comments and white space removed
}

func (m mailbox) String() string { return m.local + "@" + m.domain }

// What can be wrong with an address list.
var (
	errNoAddress    = errors.New("no address")
	errNoDomain     = errors.New("an address without a domain")
	errNoLocalPart  = errors.New("an address without a local part")
	errSpace        = errors.New("white space inside an address")
	errTrailing     = errors.New("text after an address")
	errOpenQuote    = errors.New("a quoted string without its end")
	errOpenComment  = errors.New("a comment without its end")
	errOpenLiteral  = errors.New("a domain literal without its end")
	errOpenAngle    = errors.New("an angle bracket without its end")
	errStrayBracket = errors.New("an angle bracket without its beginning")
	errOpenGroup    = errors.New("a group without its end")
)

// parseAddresses reads the value of an address field (RFC 5322 3.4, groups in
// From by RFC 6854, UTF-8 by RFC 6532) as tolerantly as receivers do. The
// error is of the first faulty element; the mailboxes are those of the others.
//
// net/mail (and go-message, which builds on it) refuses forms that receivers
// accept: source routes, white space around dots and "@" (RFC 5322 4.4), dots in
// a row in a local part (Japanese carriers gave such addresses out), an address
// or brackets in an unquoted display name, a comma inside an encoded-word, and
// octets that are not UTF-8. TestAddressesThatNetMailRefuses holds this list true.
func parseAddresses(value string) ([]mailbox, error) {
	tokens, err := tokenize(value)
	if err != nil {
		return nil, err
	}
	p := addressParser{tokens: tokens}
	p.list(false)
	return p.found, p.err
}

type addressParser struct {
	tokens []token
	open   bool // no angle bracket that begins from here on has an end
	found  []mailbox
	err    error // the first one
}

// list reads up to the end, or as a group's members up to the semicolon. After a
// faulty element it goes on behind the next comma.
func (p *addressParser) list(inGroup bool) {
	for len(p.tokens) > 0 {
		switch p.tokens[0].kind {
		case ',': // RFC 5322 4.4: list elements may be empty
			p.tokens = p.tokens[1:]
			continue
		case ';':
			if inGroup {
				p.tokens = p.tokens[1:]
				return
			}
		}
		if err := p.element(inGroup); err != nil {
			p.fail(err)
			p.skipElement()
		}
	}
	if inGroup {
		p.fail(errOpenGroup)
	}
}

func (p *addressParser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p *addressParser) skipElement() {
	for len(p.tokens) > 0 && p.tokens[0].kind != ',' {
		p.tokens = p.tokens[1:]
	}
}

// element reads one mailbox or group.
func (p *addressParser) element(inGroup bool) error {
	n := 0
	for n < len(p.tokens) && !strings.ContainsRune(",;:<>", rune(p.tokens[n].kind)) {
		n++
	}
	words, rest := p.tokens[:n], p.tokens[n:]
	switch {
	case len(rest) > 0 && rest[0].kind == '<':
		p.tokens = rest[1:]
		return p.angle()
	case len(rest) > 0 && rest[0].kind == ':' && !inGroup && n > 0:
		p.tokens = rest[1:]
		p.list(true)
		return nil
	case len(rest) > 0 && rest[0].kind == '>':
		return errStrayBracket
	case len(rest) > 0 && (rest[0].kind == ':' || rest[0].kind == ';' && !inGroup):
		return errTrailing
	}
	p.tokens = rest
	return p.addrSpec(words)
}

// angle reads the rest of an angle-addr, and holds that nothing follows it.
func (p *addressParser) angle() error {
	if p.open { // to look for the end of each would take quadratic time
		return errOpenAngle
	}
	n := 0
	for n < len(p.tokens) && p.tokens[n].kind != '>' {
		n++
	}
	if n == len(p.tokens) {
		p.open = true
		return errOpenAngle
	}
	inner := p.tokens[:n]
	p.tokens = p.tokens[n+1:]
	if err := p.addrSpec(withoutRoute(inner)); err != nil {
		return err
	}
	if len(p.tokens) > 0 && p.tokens[0].kind != ',' && p.tokens[0].kind != ';' {
		return errTrailing
	}
	return nil
}

// withoutRoute removes a source route, "@a,@b:" (obs-route, RFC 5322 4.4).
func withoutRoute(tokens []token) []token {
	if len(tokens) == 0 || tokens[0].kind != '@' {
		return tokens
	}
	for i, t := range tokens {
		if t.kind == ':' {
			return tokens[i+1:]
		}
	}
	return tokens
}

// addrSpec reads local-part "@" domain, obsolete white space around dots included.
func (p *addressParser) addrSpec(tokens []token) error {
	if len(tokens) == 0 {
		return errNoAddress
	}
	at := -1
	for i, t := range tokens {
		if t.kind == '@' {
			at = i
		}
	}
	if at < 0 {
		return errNoDomain
	}
	local, err := join(tokens[:at])
	if err != nil {
		return err
	}
	domain, err := join(tokens[at+1:])
	switch {
	case err != nil:
		return err
	case local == "":
		return errNoLocalPart
	case domain == "":
		return errNoDomain
	}
	p.found = append(p.found, mailbox{local: local, domain: domain})
	return nil
}

// visibleAddresses counts the different addresses that a value shows, wherever
// they stand in it: a program may take any of them for the author.
func visibleAddresses(value string) int {
	tokens, _ := tokenize(value)
	seen := map[string]bool{}
	for len(tokens) > 0 {
		local := dotted(tokens)
		rest := tokens[max(local, 1):]
		if local == 0 || len(rest) == 0 || rest[0].kind != '@' {
			tokens = rest
			continue
		}
		domain := dotted(rest[1:])
		if domain > 0 {
			seen[strings.ToLower(textOf(tokens[:local+1+domain]))] = true
		}
		tokens = rest[1+domain:]
	}
	return len(seen)
}

// dotted returns how many tokens at the start are words with dots between them.
func dotted(tokens []token) int {
	n := 0
	for n < len(tokens) && tokens[n].kind == word {
		if n++; n+1 >= len(tokens) || tokens[n].kind != '.' || tokens[n+1].kind != word {
			break
		}
		n++
	}
	return n
}

func textOf(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.text)
	}
	return b.String()
}

// join puts the words of a local part or a domain together. Two words need a dot between them.
func join(tokens []token) (string, error) {
	var b strings.Builder
	for i, t := range tokens {
		switch {
		case t.kind != word && t.kind != '.':
			return "", errTrailing
		case t.kind == word && i > 0 && tokens[i-1].kind == word:
			return "", errSpace
		}
		b.WriteString(t.text)
	}
	return b.String(), nil
}

// token is a special character as itself, or a word: an atom, a quoted string,
// a domain literal or an encoded-word.
type token struct {
	kind byte
	text string
}

const (
	word            = 'w'
	addressSpecials = ",;:<>@."
	// atomEnd ends an atom. Parentheses, quotes and brackets begin tokens of
	// their own; all else, octets above 127 included, is taken as receivers take it.
	atomEnd = addressSpecials + " \t\r\n\"("
)

// tokenize leaves white space and comments out.
func tokenize(s string) ([]token, error) {
	tokens := make([]token, 0, 8)
	for s != "" {
		var n int
		var err error
		switch c := s[0]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			s = s[1:]
			continue
		case c == '(':
			if n = commentLength(s); n < 0 {
				return nil, errOpenComment
			}
			s = s[n:]
			continue
		case c == '"':
			n, err = enclosed(s, '"', errOpenQuote)
		case c == '[' && len(tokens) > 0 && tokens[len(tokens)-1].kind == '@':
			n, err = enclosed(s, ']', errOpenLiteral)
		case strings.IndexByte(addressSpecials, c) >= 0:
			tokens = append(tokens, token{kind: c, text: s[:1]})
			s = s[1:]
			continue
		default:
			n = atomLength(s)
		}
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token{kind: word, text: s[:n]})
		s = s[n:]
	}
	return tokens, nil
}

// enclosed returns the length of a quoted string or domain literal at the start of s.
func enclosed(s string, end byte, open error) (int, error) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case end:
			return i + 1, nil
		}
	}
	return 0, open
}

// commentLength returns the length of the comment at the start of s (they nest,
// RFC 5322 3.2.2), or -1 if it has no end.
func commentLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// atomLength returns the length of the atom or encoded-word at the start of s, at least 1.
func atomLength(s string) int {
	if n := encodedWordLength(s); n > 0 {
		return n
	}
	n := strings.IndexAny(s, atomEnd)
	if n < 0 {
		return len(s)
	}
	return max(n, 1)
}

// encodedWordLength returns the length of the encoded-word (RFC 2047 2) at the
// start of s, or 0. Its text is taken up to "?=" whatever it holds but white
// space: some mailers leave commas and other specials in it, and some make it far
// longer than the 75 octets that are allowed.
func encodedWordLength(s string) int {
	charset, ok := strings.CutPrefix(s, "=?")
	if !ok {
		return 0
	}
	n := strings.IndexAny(charset[:min(len(charset), maxCharset)], "()<>@,;:\"/[]?.= \t\r\n")
	if n <= 0 || charset[n] != '?' {
		return 0
	}
	text := charset[n+1:]
	if len(text) < 2 || !strings.ContainsRune("BbQq", rune(text[0])) || text[1] != '?' {
		return 0
	}
	begin := len(s) - len(text) + 2
	for i := begin; i+1 < min(len(s), maxLine); i++ {
		switch {
		case s[i] == '?' && s[i+1] == '=':
			return i + 2
		case s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || s[i] == '\n':
			return 0
		}
	}
	return 0
}

// maxCharset is the most octets of a charset name, with its language (RFC 2231 5).
const maxCharset = 64
