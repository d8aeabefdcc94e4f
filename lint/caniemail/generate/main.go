// Command generate turns the data of Can I email into the table of its parent
// folder: go run ./lint/caniemail/generate -from DIR -to FILE, where DIR is a copy
// of https://github.com/hteumeuleu/caniemail, with its history or bare.
package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

func main() {
	from := flag.String("from", "", "`folder` of the copy")
	to := flag.String("to", "features.txt", "`file` to write")
	flag.Parse()
	if err := generate(*from, *to); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func generate(from, to string) error {
	if from == "" {
		return errors.New("-from must name a copy of https://github.com/hteumeuleu/caniemail")
	}
	commit, err := git(from, "log", "-1", "--format=%H of %cs")
	if err != nil {
		return err
	}
	archive, err := git(from, "archive", "--format=tar", "HEAD", "_features", "LICENSE")
	if err != nil {
		return err
	}
	pages, licence, err := unpack(archive)
	if err != nil {
		return err
	}
	out, err := table(strings.TrimSpace(string(commit)), pages)
	if err != nil {
		return err
	}
	if err := os.WriteFile(to, out, 0o644); err != nil {
		return err
	}
	return os.WriteFile(path.Join(path.Dir(to), "LICENSE"), licence, 0o644)
}

func git(dir string, args ...string) ([]byte, error) {
	out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("git %s in %s: %w", args[0], dir, err)
	}
	return out, nil
}

// page is one of the files of features.
type page struct {
	slug string // its name without the extension
	text string
}

// unpack returns the features and the licence.
func unpack(archive []byte) (pages []page, licence []byte, err error) {
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := r.Next()
		if err == io.EOF {
			return pages, licence, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("unpack: %w", err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, nil, fmt.Errorf("unpack %s: %w", header.Name, err)
		}
		if header.Name == "LICENSE" {
			licence = content
		}
		if slug, ok := strings.CutSuffix(path.Base(header.Name), ".md"); ok && !strings.HasPrefix(slug, "_") {
			pages = append(pages, page{slug, string(content)})
		}
	}
}

// table writes the features that some client lacks and that can be told from a document.
func table(commit string, pages []page) ([]byte, error) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "# Can I email, https://github.com/hteumeuleu/caniemail, commit %s. MIT licence, see LICENSE.\n", commit)
	fmt.Fprintf(&out, "# Written by go generate: name, keys, who lacks it, set apart by tabs.\n")
	var features []feature
	platforms := map[string][]string{} // by client
	for _, p := range pages {
		f, err := parse(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.slug, err)
		}
		features = append(features, f)
		for _, s := range f.support {
			if !slices.Contains(platforms[s.client], s.platform) {
				platforms[s.client] = append(platforms[s.client], s.platform)
			}
		}
	}
	var all []string
	for client, names := range platforms {
		for _, name := range names {
			all = append(all, client+"."+name)
		}
	}
	slices.Sort(all)
	fmt.Fprintf(&out, "platforms\t%s\n", strings.Join(all, " "))
	for _, f := range features {
		keys, ok := keysOf(f)
		if !ok {
			return nil, fmt.Errorf("%s: the title %q does not say what a document shows it by; add it to keysBySlug", f.slug, f.title)
		}
		if lacks := f.lackedBy(); len(keys) > 0 && len(lacks) > 0 {
			fmt.Fprintf(&out, "%s\t%s\t%s\n", f.title, strings.Join(keys, " "), strings.Join(lacks, " "))
		}
	}
	return out.Bytes(), nil
}
