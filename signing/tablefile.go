package signing

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ReadTable reads a file with a domain on each line,
//
//	domain selector:file [selector:file …] [sign_as=DOMAIN] [identity=ADDRESS]
//
// where "#" begins a comment and empty lines do not count. Each domain is handed
// on with its line, from 1, as it is read; of the file no more than a line is kept.
// Names of files are relative to the table's folder.
//
// The error is a *TableError if the file could be read: then what was handed on is
// not the whole table, and must not be used. What add returns is one of its problems.
func ReadTable(file string, add func(line int, d Domain) error) error {
	problems := &TableError{File: file}
	err := problems.read(func(line int, d Domain) {
		if err := add(line, d); err != nil {
			problems.add(line, err.Error())
		}
	})
	if err != nil {
		return err
	}
	return problems.orNil()
}

// TableError is what is wrong with a table of domains.
type TableError struct {
	File     string
	problems []lineProblem // the first ones that were found
	more     int
}

type lineProblem struct {
	line int
	text string
}

// Bounds of what is said about one table.
const (
	maxProblems    = 20
	maxProblemText = 400 // octets
)

func (e *TableError) add(line int, text string) {
	if len(e.problems) == maxProblems {
		e.more++
		return
	}
	if len(text) > maxProblemText {
		text = strings.ToValidUTF8(text[:maxProblemText], "") + "…"
	}
	e.problems = append(e.problems, lineProblem{line, text})
}

func (e *TableError) orNil() error {
	if len(e.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(e.problems, func(a, b lineProblem) int { return a.line - b.line })
	return e
}

// Error returns one line "file:line: problem" for each, and how many there are beyond the first ones.
func (e *TableError) Error() string {
	var lines []string
	for _, p := range e.problems {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", e.File, p.line, p.text))
	}
	if e.more > 0 {
		lines = append(lines, fmt.Sprintf("%s: and %d more problems", e.File, e.more))
	}
	return strings.Join(lines, "\n")
}

// maxTableLine bounds a line, in octets.
const maxTableLine = 64 << 10

// read hands on every domain of the file whose line has no problem.
func (e *TableError) read(add func(line int, d Domain)) error {
	f, err := openTable(e.File)
	if err != nil {
		return fmt.Errorf("table %s: %w", e.File, cause(err))
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 4<<10), maxTableLine)
	ended := true
	lines.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		advance, line, err := bufio.ScanLines(data, atEOF)
		if advance > 0 {
			ended = data[advance-1] == '\n'
		}
		return advance, line, err
	})
	dir, number, domains := filepath.Dir(e.File), 0, 0
	for lines.Scan() {
		number++
		text := lines.Text()
		if number == 1 {
			text = strings.TrimPrefix(text, "\ufeff") // some editors put a byte order mark
		}
		d, given, problems := parseTableLine(text, dir)
		for _, problem := range problems {
			e.add(number, problem)
		}
		if given {
			domains++
		}
		if given && len(problems) == 0 {
			add(number, d)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		e.add(number+1, fmt.Sprintf("is longer than %d octets; nothing behind it was read", maxTableLine))
	case err != nil:
		return fmt.Errorf("table %s: after line %d: %w", e.File, number, cause(err))
	case domains == 0:
		e.add(max(1, number), "no domain is in the whole file")
	case !ended:
		// A copy that is still under way ends anywhere, as a rule within a line.
		e.add(number, "the last line has no line end: was the file written to its end?")
	}
	return nil
}

func openTable(file string) (*os.File, error) {
	// Without O_NONBLOCK a FIFO in its place would keep the daemon waiting.
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: file, Err: errors.New("is not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// parseTableLine reads a line. given is false for one that holds nothing.
func parseTableLine(text, dir string) (d Domain, given bool, problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	set := map[string]bool{}
	for i, field := range strings.Fields(text) {
		if field[0] == '#' {
			break
		}
		if i == 0 {
			d.Domain = field
			continue
		}
		at := strings.IndexAny(field, ":=")
		if at < 0 {
			problem("%.80q is neither selector:file nor sign_as=DOMAIN nor identity=ADDRESS", field)
			continue
		}
		name, value := field[:at], field[at+1:]
		switch {
		case field[at] == ':':
			if value != "" && !filepath.IsAbs(value) {
				value = dir + string(filepath.Separator) + value // not Join: ".." behind a link is the link's
			}
			d.Keys = append(d.Keys, Key{Selector: name, File: value})
			continue
		case name == "sign_as":
			d.SignAs = value
		case name == "identity":
			d.Identity = value
		default:
			problem("there is no option %.80q; sign_as= or identity= is wanted", name+"=")
		}
		if set[name] {
			problem("%s= is given twice", name)
		}
		set[name] = true
	}
	switch {
	case d.Domain == "":
		return d, false, nil
	case len(d.Keys) == 0 && len(problems) == 0:
		problem("%.80q has no key to sign with; selector:file is wanted", d.Domain)
	default:
		d.problems(func(key, text string) { problem("%s: %s", key, text) })
	}
	return d, true, problems
}
