package mta

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// postconf is the command that sets a parameter of main.cf.
func postconf(name, value string) string {
	return fmt.Sprintf("postconf -e %s", shellQuote(name+" = "+value))
}

// postconfIn is the command that sets a parameter of one service. postconf -P
// takes no value with white space in it.
func postconfIn(s *service, name, value string) string {
	return fmt.Sprintf("postconf -P %s", shellQuote(fmt.Sprintf("%s/%s/%s = %s", s.name, s.kind, name, compact(value))))
}

// compact writes a list, also within { }, with commas and without white space.
func compact(value string) string {
	list := words(aroundEquals.ReplaceAllString(value, "="))
	for i, word := range list {
		if strings.HasPrefix(word, "{") {
			list[i] = "{" + compact(unbraced(word)) + "}"
		}
	}
	return strings.Join(list, ",")
}

var aroundEquals = regexp.MustCompile(`\s*=\s*`)

// postconfDrop is the command that takes an override of a service away.
func postconfDrop(s *service, name string) string {
	return fmt.Sprintf("postconf -PX %s", shellQuote(fmt.Sprintf("%s/%s/%s", s.name, s.kind, name)))
}

// commands are those of a finding as they are typed for this instance.
func (p *Postfix) commands(fix []string) []string {
	list := make([]string, 0, len(fix)+1)
	for _, line := range fix {
		if strings.HasPrefix(line, "postconf -e ") && p.unended && len(list) == 0 {
			list = append(list, p.Prelude())
		}
		list = append(list, p.here(line))
	}
	return list
}

// Prelude is the command without which "postconf -e" would damage main.cf, "" if none is
// needed: what it adds to a file that does not end in a newline it writes onto the last
// line (seen with Postfix 3.7).
func (p *Postfix) Prelude() string {
	if !p.unended {
		return ""
	}
	return "echo >> " + shellQuote(filepath.Join(p.dir, "main.cf"))
}

// here has a command of postconf change this instance, if it is not the one that
// postconf changes by itself.
func (p *Postfix) here(command string) string {
	args, ok := strings.CutPrefix(command, "postconf ")
	if !ok || !p.live || p.dir == "/etc/postfix" {
		return command
	}
	dir, err := filepath.Abs(p.dir)
	if err != nil {
		dir = p.dir
	}
	return "postconf -c " + shellQuote(dir) + " " + args
}

func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// setter is the command that sets a parameter where it is set now.
func (p *Postfix) setter(s *service, name, value string) string {
	if _, overridden := s.overrides[name]; overridden {
		return postconfIn(s, name, value)
	}
	if name == "non_smtpd_milters" && p.raw(name) == "$smtpd_milters" {
		name = "smtpd_milters" // one list for both stays one
	}
	return postconf(name, value)
}
