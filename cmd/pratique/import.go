package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"pratique/configs"
	"pratique/configs/opendkim"
)

// importFlags are the flags of import.
type importFlags struct {
	out, table, prove string
	json              bool
}

func (f *importFlags) define(fs *flag.FlagSet) {
	fs.StringVar(&f.out, "o", "", "write the configuration to this new `file` (default standard output)")
	fs.StringVar(&f.table, "table", "", "write the domains to this new `file`, as [signing] table")
	fs.StringVar(&f.prove, "prove", "", "play the messages of this `folder` through OpenDKIM and Pratique, and print where they differ; without -o no configuration is written")
	fs.BoolVar(&f.json, "json", false, "print one JSON object: the notes, the differences, and the configuration if it is not written to a file")
}

// importConfig translates the configuration of another program.
func importConfig(e *env, args []string) (int, error) {
	if len(args) > 0 && args[0] == "opendkim" {
		return importOpenDKIM(e, args[1:])
	}
	return 0, hint(errors.New("import needs to know from what: pratique import opendkim FILE"), "the file is /etc/opendkim.conf, as a rule")
}

func importOpenDKIM(e *env, args []string) (int, error) {
	fs := e.flags("import opendkim")
	var f importFlags
	f.define(fs)
	if err := e.parse(fs, args, 1, 1); err != nil {
		return 0, err
	}
	file, err := filepath.Abs(fs.Arg(0))
	if err != nil {
		return 0, err
	}
	t, err := opendkim.Translate(os.DirFS("/"), file)
	if errors.Is(err, os.ErrPermission) {
		return 0, hint(err, "run it as root: OpenDKIM reads its tables before it becomes another user")
	}
	if err != nil {
		return 0, err
	}
	var p *proven
	if f.prove != "" {
		if p, err = proveTranslation(e, t, f.prove); err != nil {
			return 0, err
		}
	}
	if err := writeTranslation(e, t, f, p); err != nil {
		return 0, err
	}
	return importStatus(t, p), nil
}

// importStatus tells whether anything is not as it was: where messages were played,
// by what became of them, and otherwise by the notes.
func importStatus(t *opendkim.Translation, p *proven) int {
	if p != nil && len(p.Different) == 0 || p == nil && t.Complete() {
		return exitClean
	}
	return exitFindings
}

// translated is what import --json prints.
type translated struct {
	File          string          `json:"file"`
	Complete      bool            `json:"complete"`
	Domains       int             `json:"domains"`
	Notes         []opendkim.Note `json:"notes"`
	More          int             `json:"more"` // notes beyond those
	Proof         *proven         `json:"proof,omitempty"`
	Configuration string          `json:"configuration,omitempty"`
}

// writeTranslation writes the configuration, and what is to be said of it.
func writeTranslation(e *env, t *opendkim.Translation, f importFlags, p *proven) error {
	text, err := writeFiles(t, f)
	if err != nil {
		return err
	}
	if f.json {
		notes := append([]opendkim.Note{}, t.Notes...)
		return json.NewEncoder(e.stdout).Encode(translated{t.Source, t.Complete(), len(t.Config.Signing.Domains), notes, t.More, p, text})
	}
	printNotes(e.stderr, t)
	if p != nil {
		p.print(e.stdout)
		return nil
	}
	_, err = io.WriteString(e.stdout, text)
	return err
}

// writeFiles writes the files that were asked for, and returns the configuration if
// it is not in one of them.
func writeFiles(t *opendkim.Translation, f importFlags) (string, error) {
	if err := checkTranslation(t); err != nil {
		return "", err
	}
	table := f.table
	if table != "" {
		var err error
		if table, err = filepath.Abs(table); err != nil {
			return "", err
		}
		if err := writeNew(table, t.WriteTable); err != nil {
			return "", err
		}
	}
	write := func(w io.Writer) error { return t.Write(w, table) }
	if f.out != "" {
		return "", writeNew(f.out, write)
	}
	var text bytes.Buffer
	err := write(&text)
	return text.String(), err
}

// checkTranslation loads what is about to be written, all but the domains: each of
// them was held against the signer, and there may be a million.
func checkTranslation(t *opendkim.Translation) error {
	var text bytes.Buffer
	if err := t.Write(&text, "signing.table"); err != nil {
		return err
	}
	if _, err := configs.Parse(t.Source, text.Bytes()); err != nil {
		return fmt.Errorf("what was translated is no good configuration; please report this: %w", err)
	}
	return nil
}

// printNotes prints what was not taken over as it was.
func printNotes(w io.Writer, t *opendkim.Translation) {
	lost, differs := 0, 0
	for _, n := range t.Notes {
		switch n.Kind {
		case opendkim.Lost:
			lost++
		case opendkim.Differs:
			differs++
		default:
			continue
		}
		fmt.Fprintf(w, "%-8s %s\n", n.Kind, n)
	}
	fmt.Fprintf(w, "%s: %d domains; not taken over %d, otherwise than before %d", t.Source, len(t.Config.Signing.Domains), lost, differs)
	if t.More > 0 {
		fmt.Fprintf(w, ", and %d more notes", t.More)
	}
	fmt.Fprintln(w)
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return hint(err, "nothing is overwritten here: move that file away, or name another")
	}
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(name))
	}
	return nil
}
