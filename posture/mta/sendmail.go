package mta

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Sendmail is a configuration of sendmail, read from its cf file or from the mc
// file that the cf file is made of.
type Sendmail struct {
	Source string

	filters  []filter // that are defined
	order    ordered  // those that are called, in order
	daemons  []daemonOptions
	features map[string]ordered // of an mc file, or found in the rules of a cf file
	mailers  []mailer
	compiled bool    // a cf file
	msp      string  // host to which the submission program hands all mail, "": this is not its configuration
	eightBit ordered // EightBitMode
	brought  ordered // what else m4 reads into an mc file, which is not looked at
}

// filter is one X line, or INPUT_MAIL_FILTER.
type filter struct {
	name    string
	equates map[string]string // by their letter: S address, F flags, T timeouts
	line    int
}

// ordered is a value with its line, 0 if there is none.
type ordered struct {
	value string
	line  int
}

// daemonOptions are those of one port on which sendmail listens.
type daemonOptions struct {
	equates map[string]string // by the first letter of their names
	line    int
}

// mailer is one M line of a cf file, or what MAILER(`smtp') makes of an mc file's settings.
type mailer struct {
	name  string
	flags string // F=
	limit int    // L=, octets a line; 0: none
	line  int
}

// LoadSendmail reads a cf or an mc file.
func LoadSendmail(path string) (*Sendmail, error) {
	text, err := readBounded(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of sendmail: %w", err)
	}
	s := ParseSendmail(text)
	s.Source = path
	return s, nil
}

// isCompiled finds the version line that every cf file has (op.me, 5.15).
var isCompiled = regexp.MustCompile(`(?m)^V\d+(/\w+)?\s*$`)

// ParseSendmail reads the text of a cf or an mc file, which it tells apart by what stands in it.
func ParseSendmail(text []byte) *Sendmail {
	s := &Sendmail{features: map[string]ordered{}}
	if isCompiled.Match(text) {
		s.compiled = true
		s.parseCf(string(text))
	} else {
		s.parseMc(string(text))
	}
	return s
}

// parseCf reads the lines of a cf file that matter here (sendmail's op.me, 5).
func (s *Sendmail) parseCf(text string) {
	for i, line := range continued(text) {
		if line == "" {
			continue
		}
		number, rest := i+1, line[1:]
		switch line[0] {
		case 'X':
			s.addFilter(rest, number)
		case 'O':
			name, value, _ := strings.Cut(strings.TrimSpace(rest), "=")
			s.option(strings.TrimSpace(name), strings.TrimSpace(value), number)
		case 'D':
			if host, ok := strings.CutPrefix(rest, "{MTAHost}"); ok {
				s.msp = strings.TrimSpace(host)
			}
			if masquerade, ok := strings.CutPrefix(rest, "M"); ok && masquerade != "" {
				s.features["MASQUERADE_AS"] = ordered{masquerade, number}
			}
		case 'K':
			if strings.HasPrefix(rest, "generics ") {
				s.features["genericstable"] = ordered{rest, number}
			}
		case 'M':
			s.addMailer(rest, number)
		}
	}
	s.findRules(text)
}

// continued returns the lines by number, what continues one joined to it. Lines
// that continue another are left empty.
func continued(text string) []string {
	lines := strings.Split(text, "\n")
	last := 0
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		lines[i] = line
		if line != "" && (line[0] == ' ' || line[0] == '\t') && i > 0 {
			lines[last] += " " + strings.TrimSpace(line)
			lines[i] = ""
			continue
		}
		if line != "" {
			last = i
		}
	}
	return lines
}

func (s *Sendmail) option(name, value string, line int) {
	switch strings.ToLower(name) {
	case "inputmailfilters":
		s.order = ordered{value, line}
	case "eightbitmode":
		s.eightBit = ordered{value, line}
	case "daemonportoptions":
		s.daemons = append(s.daemons, daemonOptions{equates(value, ","), line})
	}
}

// equates reads "S=unix:/x, F=T, T=C:30s;S:30s": each under its first letter.
func equates(text, separator string) map[string]string {
	set := map[string]string{}
	for part := range strings.SplitSeq(text, separator) {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if ok && name != "" {
			set[strings.ToUpper(name[:1])] = strings.TrimSpace(value)
		}
	}
	return set
}

func (s *Sendmail) addFilter(text string, line int) {
	name, rest, _ := strings.Cut(text, ",")
	s.filters = append(s.filters, filter{strings.TrimSpace(name), equates(rest, ","), line})
}

func (s *Sendmail) addMailer(text string, line int) {
	name, rest, _ := strings.Cut(text, ",")
	set := equates(rest, ",")
	limit, _ := strconv.Atoi(set["L"])
	s.mailers = append(s.mailers, mailer{strings.TrimSpace(name), set["F"], limit, line})
}

// findRules looks for what features leave in the rules of a cf file.
func (s *Sendmail) findRules(text string) {
	find := func(feature, rule string, want bool) {
		at := strings.Index(text, rule)
		if at >= 0 == want {
			s.features[feature] = ordered{"", 1 + strings.Count(text[:max(at, 0)], "\n")}
		}
	}
	find("canonify", "$* < @ $* > $*\t\t$: $2 < @ $[ $3 $] > $4", true)
	find("promiscuous_relay", "Relaying denied", false)
	find("relay_based_on_MX", "$(mxserved", true)
	find("loose_relay_check", "loose_relay_check.m4", true)
}

func (s *Sendmail) where(line int) string {
	name := filepath.Base(s.Source)
	if s.Source == "" {
		name = map[bool]string{true: "sendmail.cf", false: "sendmail.mc"}[s.compiled]
	}
	if line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d", name, line)
}
