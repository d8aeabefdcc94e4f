package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// dialogue asks on a terminal. Elsewhere, and where it is told so, it takes what is proposed.
type dialogue struct {
	in    *bufio.Reader
	out   io.Writer
	quiet bool
}

func newDialogue(e *env, quiet bool) *dialogue {
	return &dialogue{in: bufio.NewReader(e.stdin), out: e.stdout, quiet: quiet || !isTerminal(e.stdin)}
}

// isTerminal reports whether somebody can answer. What is no file, as in tests, can.
func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return true
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// text asks for one value; an empty answer is the proposed one.
func (d *dialogue) text(question, proposed string) (string, error) {
	if d.quiet {
		return proposed, nil
	}
	fmt.Fprintf(d.out, "%s [%s]: ", question, proposed)
	answer, err := d.in.ReadString('\n')
	if err != nil && !(errors.Is(err, io.EOF) && answer != "") {
		return "", hint(fmt.Errorf("read the answer: %w", err), "--yes takes what is proposed, and the flags answer each question: pratique setup --help")
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		return proposed, nil
	}
	return answer, nil
}

// list asks for several values, which commas or blanks separate; "-" is none.
func (d *dialogue) list(question string, proposed []string) ([]string, error) {
	answer, err := d.text(question, or(strings.Join(proposed, ", "), "-"))
	if err != nil || answer == "-" {
		return nil, err
	}
	return strings.FieldsFunc(answer, func(r rune) bool { return r == ',' || r == ' ' }), nil
}

// confirm asks a question that is answered by y or n.
func (d *dialogue) confirm(question string, proposed bool) (bool, error) {
	if d.quiet {
		return proposed, nil
	}
	for {
		answer, err := d.text(question, map[bool]string{true: "Y/n", false: "y/N"}[proposed])
		switch strings.ToLower(answer) {
		case "y/n":
			return proposed, err
		case "y", "yes":
			return true, err
		case "n", "no":
			return false, err
		}
		if err != nil {
			return false, err
		}
	}
}
