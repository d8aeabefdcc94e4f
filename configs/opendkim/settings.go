package opendkim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// setting is one line of opendkim.conf.
type setting struct {
	param *parameter
	value string
	file  string
	line  int
}

func (s setting) note(kind Kind, text, do string) Note {
	return Note{Kind: kind, File: s.file, Line: s.line, Setting: s.param.name, Text: text, Do: do}
}

// settings are all lines that OpenDKIM understands, the files that it includes in their place.
type settings struct {
	file string
	all  []setting
	last map[*parameter]int // the one that counts: the last
	byID map[string]*parameter
}

// get returns the setting that counts.
func (c *settings) get(name string) (setting, bool) {
	p := c.byID[strings.ToLower(name)]
	i, ok := c.last[p]
	if !ok {
		return setting{param: p, file: c.file}, false
	}
	return c.all[i], true
}

// yes returns the value of a switch, which is off by default.
func (c *settings) yes(name string) bool {
	s, ok := c.get(name)
	return ok && truth(s.value) == 1
}

// maxNesting is how deep OpenDKIM lets files include others; maxFiles is how many are
// read here, for one that includes itself often.
const (
	maxNesting = 5
	maxFiles   = 1000
)

var errManyFiles = fmt.Errorf("more than %d files are included", maxFiles)

// settings reads a configuration file and those that it includes. There are no
// continuation lines in it; "#" begins a comment wherever it stands; a later line
// overrides an earlier one.
func (r *reader) settings(file string) (*settings, error) {
	c := &settings{file: file, last: map[*parameter]int{}, byID: map[string]*parameter{}}
	for _, p := range parameters() {
		c.byID[strings.ToLower(p.name)] = &p
	}
	if err := r.include(c, file, 0); err != nil {
		return nil, err
	}
	if base, ok := c.get("BaseDirectory"); ok {
		r.base = base.value
	}
	return c, nil
}

func (r *reader) include(c *settings, file string, level int) error {
	if r.included++; r.included > maxFiles {
		return fmt.Errorf("read %s: %w", file, errManyFiles)
	}
	var included error
	err := r.lines(file, func(line int, text string) bool {
		s, problem := c.parse(text)
		s.file, s.line = file, line
		switch {
		case problem != "":
			r.note(Note{Lost, file, line, "(syntax)", problem, "OpenDKIM would not start with this line; mend it or take it out"})
		case s.param == nil:
		case s.param.kind != include:
			c.put(s, r.note)
		case level == maxNesting:
			r.note(s.note(Lost, fmt.Sprintf("files are included more than %d deep", maxNesting), "OpenDKIM would not start; include them from higher up"))
		default:
			// Relative to where the daemon was started: BaseDirectory comes later.
			included = r.include(c, r.absolute(s.value), level+1)
		}
		return included == nil
	})
	return errors.Join(err, included)
}

// put takes a setting over, and says so if an earlier one is overridden.
func (c *settings) put(s setting, note func(Note)) {
	if i, again := c.last[s.param]; again {
		earlier := c.all[i]
		note(earlier.note(Fine, fmt.Sprintf("is overridden at %s:%d", s.file, s.line), ""))
	}
	c.last[s.param] = len(c.all)
	c.all = append(c.all, s)
}

// parse takes a line apart. The setting has no parameter if the line holds nothing.
func (c *settings) parse(text string) (s setting, problem string) {
	text, _, _ = strings.Cut(text, "#")
	text, _, _ = strings.Cut(text, "\r")
	text = strings.Trim(text, " \t")
	if text == "" {
		return s, ""
	}
	name, value := text, ""
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		name, value = text[:i], strings.Trim(text[i:], " \t")
	}
	p := c.byID[strings.ToLower(name)]
	switch {
	case p == nil:
		return s, fmt.Sprintf("OpenDKIM has no parameter %.80q", name)
	case value == "":
		return s, fmt.Sprintf("%s has no value", p.name)
	case p.kind == boolean && truth(value) < 0:
		return s, fmt.Sprintf("%s is %.80q, which is neither yes nor no", p.name, value)
	case p.kind == integer:
		if _, err := number(value); err != nil {
			return s, fmt.Sprintf("%s is %.80q, which is no number", p.name, value)
		}
	}
	return setting{param: p, value: value}, ""
}

// truth reads a switch by its first octet: 1, 0, or -1 for neither.
func truth(value string) int {
	switch {
	case value == "":
	case strings.IndexByte("tTyY1", value[0]) >= 0:
		return 1
	case strings.IndexByte("fFnN0", value[0]) >= 0:
		return 0
	}
	return -1
}

// number reads an integer as strtol does with base 0: "022" is octal.
func number(value string) (int64, error) {
	sign := ""
	if rest, ok := strings.CutPrefix(value, "-"); ok {
		sign, value = "-", rest
	}
	lower := strings.ToLower(value)
	switch {
	case strings.HasPrefix(lower, "0x"):
		return strconv.ParseInt(sign+lower[2:], 16, 32)
	case len(lower) > 1 && lower[0] == '0':
		return strconv.ParseInt(sign+lower[1:], 8, 32)
	}
	return strconv.ParseInt(sign+lower, 10, 32)
}

// longestLine bounds what is kept of a line. OpenDKIM's tables have lines of at
// most 1,023 octets; what is longer it takes for two.
const (
	longestLine  = 64 << 10
	longestTable = 1023
)

var errTooLarge = fmt.Errorf("the files have more than %d lines together, which is more than is read", maxLines)

// lines hands on the lines of a file, from 1, without their LF, until visit returns
// false. Of one that is too long the beginning is handed on.
func (r *reader) lines(file string, visit func(line int, text string) bool) error {
	f, err := r.open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, longestLine)
	for number := 1; ; number++ {
		piece, err := in.ReadSlice('\n')
		text := strings.TrimSuffix(string(piece), "\n")
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: after line %d: %w", file, number-1, cause(err))
		}
		if err == io.EOF && text == "" {
			return nil
		}
		if r.left--; r.left < 0 {
			return fmt.Errorf("read %s: %w", file, errTooLarge)
		}
		if !visit(number, text) || err == io.EOF {
			return nil
		}
	}
}
