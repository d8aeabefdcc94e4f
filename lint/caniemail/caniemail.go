// Package caniemail tells which mail clients do not show a feature of html or CSS,
// by the data of Can I email (https://www.caniemail.com), which is under the MIT
// licence in LICENSE. What is built in is features.txt: its head names the commit
// of the data, and each further line a feature, what it is known by in a document,
// and who lacks it. How a document is searched does not live here.
package caniemail

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// features.txt is written by go generate, which needs a copy of the repository:
//
//	CANIEMAIL=/path/to/caniemail go generate ./lint/caniemail
//
//go:generate go run ./generate -from $CANIEMAIL -to features.txt

//go:embed features.txt
var features string

// Feature is one of html or CSS that some client lacks.
type Feature struct {
	Name string // as its makers call it, e.g. "border-radius", "<video> element"
	// Keys are what a document shows it by: a kind, a colon and a name in lower
	// case, such as "property:border-radius". The kinds are those of Kinds.
	Keys  []string
	Lacks []string // platforms, e.g. "gmail.ios"; or a client, all of whose platforms lack it
}

// Kinds are the kinds of keys.
func Kinds() []string {
	return []string{
		"property",    // of CSS
		"declaration", // "declaration:display:flex": property and keyword
		"function",    // in a value: "function:calc"
		"keyword",     // in a value, whatever the property
		"unit",        // of a number in a value
		"at",          // at-rule: "at:@media"
		"media",       // feature in the condition of one
		"pseudo",      // class or element in a selector
		"selector",    // other piece of a selector: ">", "+", "~", "*", "[", "#", "."
		"element",     // of html
		"attribute",
		"type",  // "type:input:checkbox": element and its attribute type
		"meta",  // meta element with this name
		"link",  // beginning of the target of a link
		"image", // extension of the name of an image
	}
}

// Data is what is built in.
type Data struct {
	Features []Feature
	Clients  []string // sorted, e.g. "gmail"
	platform []string // e.g. "gmail.ios"
}

// Load reads what is built in. An error means that features.txt was spoilt.
func Load() (*Data, error) {
	d := &Data{}
	for n, line := range strings.Split(strings.TrimSuffix(features, "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) == 2 && fields[0] == "platforms" {
			d.platform = strings.Fields(fields[1])
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("features.txt:%d: %d fields", n+1, len(fields))
		}
		d.Features = append(d.Features, Feature{Name: fields[0], Keys: strings.Fields(fields[1]), Lacks: strings.Fields(fields[2])})
	}
	for _, platform := range d.platform {
		client, _, _ := strings.Cut(platform, ".")
		if !slices.Contains(d.Clients, client) {
			d.Clients = append(d.Clients, client)
		}
	}
	return d, nil
}

// Knows reports whether the data has a client such as "outlook", or a platform of
// it such as "outlook.windows".
func (d *Data) Knows(name string) bool {
	return slices.Contains(d.Clients, name) || slices.Contains(d.platform, name)
}

// Platforms returns the platforms of a client.
func (d *Data) Platforms(client string) []string {
	var platforms []string
	for _, platform := range d.platform {
		if strings.HasPrefix(platform, client+".") {
			platforms = append(platforms, platform)
		}
	}
	return platforms
}

// LackedBy returns which of the clients and platforms lack the feature: the names
// as given, or single platforms of a client the others of which do not lack it.
func (f *Feature) LackedBy(names []string) []string {
	var lacked []string
	for _, name := range names {
		client, _, _ := strings.Cut(name, ".")
		if slices.Contains(f.Lacks, name) || slices.Contains(f.Lacks, client) {
			lacked = append(lacked, name)
			continue
		}
		for _, platform := range f.Lacks {
			if strings.HasPrefix(platform, name+".") {
				lacked = append(lacked, platform)
			}
		}
	}
	return lacked
}
