package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"pratique/lint"
	"pratique/lint/preview"
	"pratique/lint/preview/devtools"
	"pratique/lint/report"
)

// previewPatience bounds how long the browser may take for all views.
const previewPatience = time.Minute

// previewFile writes a page that shows what a stored message looks like.
func previewFile(e *env, args []string) (int, error) {
	fs := e.flags("preview")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	out := fs.String("o", "", "`file` to write the page to (default: standard output)")
	browser := fs.String("browser", "", "`path` of a Chromium (default: the one that is installed)")
	if err := e.parse(fs, args, 1, 1); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	linter, err := newLinter(cfg, e.now, false)
	if err != nil {
		return 0, err
	}
	page, err := readPage(e, linter, fs.Arg(0))
	if err != nil {
		return 0, fmt.Errorf("preview %s: %w", fs.Arg(0), err)
	}
	if err := render(page, *browser); err != nil {
		return 0, err
	}
	if *out == "" {
		return exitClean, page.Write(e.stdout)
	}
	file, err := os.Create(*out)
	if err != nil {
		return 0, err
	}
	return exitClean, errors.Join(page.Write(file), file.Close())
}

// readPage reads a message and judges it.
func readPage(e *env, linter *lint.Lint, name string) (*preview.Page, error) {
	in, err := e.open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	source, err := io.ReadAll(io.LimitReader(in, report.MaxMessage+1))
	if err != nil {
		return nil, err
	}
	if len(source) > report.MaxMessage {
		return nil, report.ErrTooLarge
	}
	l := &report.Letter{Name: name, File: name, FirstLine: 1, Source: source}
	if err := judgeLetter(e, linter.Collecting(), l, "lint@localhost", nil); err != nil {
		return nil, err
	}
	content, err := preview.Read(source)
	if err != nil {
		return nil, err
	}
	return &preview.Page{Letter: l, Content: content, Rules: lint.Rules()}, nil
}

// render has the browser show the html of the page, if there is any.
func render(page *preview.Page, browser string) error {
	if page.Content.HTML == "" {
		return nil
	}
	if browser == "" {
		var err error
		if browser, err = devtools.Find(); err != nil {
			return hint(err, "apt-get install chromium, or name one by --browser")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), previewPatience)
	defer cancel()
	var err error
	page.Shots, page.Remote, err = preview.Render(ctx, browser, page.Content)
	return err
}
