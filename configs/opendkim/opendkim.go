// Package opendkim reads the configuration of OpenDKIM, with its tables, and
// translates it into one of Pratique. What it can't take over, or takes over
// otherwise, it says, with the file and the line. How a table is read follows
// OpenDKIM 2.11, its quirks included, not only its manual. It changes nothing, starts
// nothing, and opens no key.
package opendkim

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"pratique/configs"
)

// Translation is what became of a configuration.
type Translation struct {
	Source string         // the file that was read
	Config configs.Config // what could be taken over; the rest has its default
	Notes  []Note         // what is to be said, in the order in which it was found
	More   int            // notes beyond those

	counts     map[Kind]int // of notes
	conf       *settings
	own, peers hosts
	exempt     map[string]bool
	table      *signTable // nil: nothing is signed
	keys       *keyTable
}

// Note is something about one setting, or one line of a table.
type Note struct {
	Kind    Kind   `json:"kind"`
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1; 0: a default, in force without a line
	Setting string `json:"setting"`
	Text    string `json:"text"`         // what is not as it was, and why
	Do      string `json:"do,omitempty"` // what to do instead
}

// Kind is how much a note matters.
type Kind string

// The kinds of notes.
const (
	Lost    Kind = "lost"    // not taken over
	Differs Kind = "differs" // taken over, with another effect
	Fine    Kind = "fine"    // nothing is lost
)

// Where returns "file:line".
func (n Note) Where() string {
	if n.Line == 0 {
		return n.File
	}
	return fmt.Sprintf("%s:%d", n.File, n.Line)
}

func (n Note) String() string {
	text := fmt.Sprintf("%s: %s: %s", n.Where(), n.Setting, n.Text)
	if n.Do != "" {
		text += "; " + n.Do
	}
	return text
}

// Complete reports whether everything was taken over as it was.
func (t *Translation) Complete() bool {
	for _, n := range t.Notes {
		if n.Kind != Fine {
			return false
		}
	}
	return true
}

// Socket returns where the MTA finds OpenDKIM, as it is written, "" where its file does not say.
func (t *Translation) Socket() string {
	s, _ := t.conf.get("Socket")
	return s.value
}

// Verifies reports whether this OpenDKIM looks at signatures of mail that comes in, which
// it does unless its Mode says otherwise (opendkim.conf(5)).
func (t *Translation) Verifies() bool {
	mode, given := t.conf.get("Mode")
	return !given || strings.Contains(mode.value, "v")
}

// Bounds of a translation. OpenDKIM itself walks its tables line by line for each
// message, so that real ones are far below.
const (
	maxNotes = 250       // of each kind
	maxLines = 4_000_000 // of all files together
	maxNote  = 800       // octets
)

// Translate reads the configuration file, an absolute path within files, and all
// that it names but keys. The error is about a file that can't be read: without it
// the translation would sign less, and not say so.
func Translate(files fs.FS, file string) (*Translation, error) {
	t := &Translation{Source: file, Config: configs.Default(), counts: map[Kind]int{}}
	r := &reader{files: files, left: maxLines, note: t.add}
	conf, err := r.settings(file)
	if err != nil {
		return nil, err
	}
	t.conf = conf
	for _, step := range []func(*reader) error{
		t.translateDaemon, t.translateClients, t.translateSigning, t.translateExcludes,
	} {
		if err := step(r); err != nil {
			return nil, err
		}
	}
	t.translateRest()
	return t, nil
}

func (t *Translation) add(n Note) {
	if t.counts[n.Kind]++; t.counts[n.Kind] > maxNotes {
		t.More++
		return
	}
	n.Text, n.Do = printable(n.Text), printable(n.Do)
	t.Notes = append(t.Notes, n)
}

// printable keeps what stood in a file from doing anything to a terminal or to a comment.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > maxNote {
		s = strings.ToValidUTF8(s[:maxNote], "") + "…"
	}
	return s
}

// reader reads files, within bounds.
type reader struct {
	files    fs.FS
	left     int // lines
	included int // files
	base     string
	note     func(Note)
}

var errNotRegular = errors.New("is not a regular file")

// open opens a file by its absolute path.
func (r *reader) open(file string) (fs.File, error) {
	name := strings.TrimPrefix(path.Clean("/"+file), "/")
	// Looked at first: a FIFO in its place would keep us waiting.
	info, err := fs.Stat(r.files, name)
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, cause(err))
	}
	f, err := r.files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, cause(err))
	}
	return f, nil
}

// cause is an error without the path, which says it in its own way.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// absolute returns the path of a file that a setting names. OpenDKIM opens it from
// BaseDirectory, or else from where it was started, which for a service is the root.
func (r *reader) absolute(file string) string {
	if path.IsAbs(file) {
		return file
	}
	return path.Join("/", r.base, file)
}
