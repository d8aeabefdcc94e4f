package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// feature is what a page says.
type feature struct {
	slug, title string
	support     []support
}

// support is what is known of one platform: its latest test.
type support struct {
	client, platform string
	answer           byte // 'y', 'n', 'a' (in part) or 'u' (not known)
}

// parse reads the front matter of a page. It looks like YAML, but has tabs and
// other freedoms that YAML parsers refuse.
func parse(p page) (feature, error) {
	f := feature{slug: p.slug}
	for line := range strings.Lines(p.text) {
		if value, ok := strings.CutPrefix(line, "title:"); ok {
			title, err := strconv.Unquote(strings.TrimSpace(value))
			if err != nil {
				return f, fmt.Errorf("title %s: %w", value, err)
			}
			f.title = strings.TrimSpace(title)
			break
		}
	}
	_, stats, ok := strings.Cut(p.text, "\nstats:")
	if f.title == "" || !ok {
		return f, errors.New("no title or no stats")
	}
	r := reader{rest: stats}
	err := r.object(func(client string) error {
		return r.object(func(platform string) error {
			s := support{client: client, platform: platform, answer: 'u'}
			err := r.object(func(string) error {
				answer, err := r.word()
				if err == nil && answer != "" {
					s.answer = answer[0]
				}
				return err
			})
			f.support = append(f.support, s)
			return err
		})
	})
	return f, err
}

// reader reads objects of words and objects: { key: "value", "key": { … }, }.
type reader struct{ rest string }

func (r *reader) next() byte {
	r.rest = strings.TrimLeft(r.rest, " \t\r\n")
	if r.rest == "" {
		return 0
	}
	return r.rest[0]
}

func (r *reader) object(value func(key string) error) error {
	if r.next() != '{' {
		return fmt.Errorf("no object at %.20q", r.rest)
	}
	r.rest = r.rest[1:]
	for r.next() != '}' {
		key, err := r.word()
		if err != nil {
			return err
		}
		if r.next() != ':' {
			return fmt.Errorf("no colon behind %q", key)
		}
		r.rest = r.rest[1:]
		if err := value(key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if r.next() == ',' {
			r.rest = r.rest[1:]
		}
	}
	r.rest = r.rest[1:]
	return nil
}

func (r *reader) word() (string, error) {
	if r.next() == '"' {
		word, rest, ok := strings.Cut(r.rest[1:], `"`)
		if !ok {
			return "", errors.New("a quote has no end")
		}
		r.rest = rest
		return word, nil
	}
	n := strings.IndexAny(r.rest, ":,{} \t\r\n")
	if n <= 0 {
		return "", fmt.Errorf("no word at %.20q", r.rest)
	}
	word := r.rest[:n]
	r.rest = r.rest[n:]
	return word, nil
}

// lackedBy returns the platforms that lack the feature, or the client if all of its do.
func (f *feature) lackedBy() []string {
	var lacks []string
	for i, s := range f.support {
		if i > 0 && f.support[i-1].client == s.client {
			continue
		}
		var all, lacking []string
		for _, other := range f.support {
			if other.client == s.client {
				all = append(all, s.client+"."+other.platform)
				if other.answer == 'n' {
					lacking = append(lacking, s.client+"."+other.platform)
				}
			}
		}
		if len(lacking) == len(all) {
			lacking = []string{s.client}
		}
		lacks = append(lacks, lacking...)
	}
	slices.Sort(lacks)
	return slices.Compact(lacks)
}
