package mta

import (
	"strconv"
	"strings"
)

// parseMc reads the macros of an mc file that matter here (cf/README).
func (s *Sendmail) parseMc(text string) {
	var called []string
	smtp := defaultSMTP()
	for _, m := range macros(text) {
		switch m.name {
		case "INPUT_MAIL_FILTER", "MAIL_FILTER":
			s.filters = append(s.filters, filter{m.argument(0), equates(m.argument(1), ","), m.line})
			if m.name == "INPUT_MAIL_FILTER" {
				called = append(called, m.argument(0))
				s.order = ordered{strings.Join(called, ", "), m.line}
			}
		case "define":
			if m.argument(0) == "confINPUT_MAIL_FILTERS" {
				called = strings.Split(m.argument(1), ",")
			}
			s.define(m, &smtp)
		case "MODIFY_MAILER_FLAGS":
			smtp.modify(m.argument(0), m.argument(1))
		case "MAILER":
			if m.argument(0) == "smtp" {
				s.mailers = smtp.mailers(m.line)
			}
		case "DAEMON_OPTIONS":
			s.daemons = append(s.daemons, daemonOptions{equates(m.argument(0), ","), m.line})
		case "MASQUERADE_AS":
			s.features["MASQUERADE_AS"] = ordered{m.argument(0), m.line}
		case "FEATURE":
			s.feature(m)
		case "DOMAIN", "include", "sinclude":
			if m.argument(0) != "" && !strings.HasSuffix(m.argument(0), "/cf.m4") && s.brought.line == 0 {
				s.brought = ordered{m.name + "(" + m.argument(0) + ")", m.line}
			}
		}
	}
	at, off := s.features["nocanonify"]
	switch {
	case !off:
		s.features["canonify"] = ordered{}
	case strings.Contains(at.value, "canonify_hosts"):
		s.features["canonify"] = ordered{line: at.line}
	}
}

func (s *Sendmail) define(m macro, smtp *smtpSettings) {
	switch m.argument(0) {
	case "confINPUT_MAIL_FILTERS":
		s.order = ordered{m.argument(1), m.line}
	case "confEIGHT_BIT_HANDLING":
		s.eightBit = ordered{m.argument(1), m.line}
	case "SMTP_MAILER_FLAGS":
		smtp.flags = m.argument(1)
	case "SMTP_MAILER_LL":
		smtp.limit, _ = strconv.Atoi(m.argument(1))
	}
}

func (s *Sendmail) feature(m macro) {
	at := ordered{m.argument(1), m.line}
	s.features[m.argument(0)] = at
	switch m.argument(0) {
	case "msp":
		s.msp = m.argument(1)
		if s.msp == "" {
			s.msp = "[localhost]"
		}
	case "nullclient": // it masquerades all as its hub
		s.features["MASQUERADE_AS"] = at
	}
}

// smtpSettings are what an mc file says of the mailers that deliver by SMTP (cf/README,
// "MAILERS"; their beginnings are in mailer/smtp.m4).
type smtpSettings struct {
	flags    string
	modified map[string]string // by SMTP, ESMTP …: +x or -x
	limit    int
}

func defaultSMTP() smtpSettings { return smtpSettings{modified: map[string]string{}, limit: 990} }

func (t *smtpSettings) modify(mailer, change string) {
	mailer = strings.ToLower(mailer)
	t.modified[mailer] += change
}

// mailers are those that MAILER(`smtp') makes.
func (t *smtpSettings) mailers(line int) []mailer {
	own := map[string]string{"smtp": "", "esmtp": "a", "smtp8": "8", "dsmtp": "a%"}
	var list []mailer
	for _, name := range []string{"smtp", "esmtp", "smtp8", "dsmtp"} {
		flags := "mDFMuX" + t.flags + own[name]
		change := t.modified[name]
		switch {
		case strings.HasPrefix(change, "+"):
			flags += change[1:]
		case strings.HasPrefix(change, "-"):
			flags = strings.Map(func(r rune) rune {
				if strings.ContainsRune(change[1:], r) {
					return -1
				}
				return r
			}, flags)
		case change != "":
			flags = change
		}
		list = append(list, mailer{name, flags, t.limit, line})
	}
	return list
}

// macro is one call of an m4 macro.
type macro struct {
	name      string
	arguments []string
	line      int
}

func (m macro) argument(i int) string {
	if i < len(m.arguments) {
		return m.arguments[i]
	}
	return ""
}

// macros finds the calls at the beginning of lines, without what "dnl" or "#" puts aside.
func macros(text string) []macro {
	var list []macro
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		name, rest, ok := strings.Cut(line, "(")
		if name = strings.TrimSpace(name); !ok || !isMacroName(name) || name == "dnl" {
			continue
		}
		number := i + 1
		arguments, closed := m4Arguments(rest)
		for !closed && i+1 < len(lines) && i+1-number < maxMacroLines {
			i++
			rest += "\n" + lines[i]
			arguments, closed = m4Arguments(rest)
		}
		list = append(list, macro{name, arguments, number})
	}
	return list
}

// maxMacroLines bounds the lines of one call, which goes on until it is closed.
const maxMacroLines = 50

func isMacroName(text string) bool { return text != "" && nameLength(text) == len(text) }

// m4Arguments splits "`a', `b, c')" at the commas that are outside of quotes, and
// reports whether the call is closed.
func m4Arguments(text string) (list []string, closed bool) {
	var b strings.Builder
	depth := 0
	for _, c := range []byte(text) {
		switch {
		case c == '`':
			depth++
		case c == '\'' && depth > 0:
			depth--
		case depth == 0 && (c == ',' || c == ')'):
			list = append(list, strings.TrimSpace(b.String()))
			b.Reset()
			if c == ')' {
				return list, true
			}
		default:
			b.WriteByte(c)
		}
	}
	return append(list, strings.TrimSpace(b.String())), false
}
