package lint

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// spy writes down what a stylesheet consists of.
type spy struct{ list []string }

func (s *spy) atRule(b []byte)         { s.list = append(s.list, "at "+string(b)) }
func (s *spy) selector(b []byte)       { s.list = append(s.list, string(b)) }
func (s *spy) declaration(p, v []byte) { s.list = append(s.list, string(p)+"="+string(v)) }
func stylesOf(sheet string, n int) []string {
	var s spy
	reader := stylesheet{to: &s}
	for piece := range slices.Chunk([]byte(sheet), n) {
		reader.write(piece)
	}
	reader.close()
	return s.list
}

func TestStylesheet(t *testing.T) {
	tests := map[string][]string{
		"":                                       nil,
		"p{Color:Red}":                           {"p", "color=Red"},
		"p { a: b; c: d; } q{e:f":                {"p", "a=b", "c=d", "q", "e=f"},
		"@import 'a;b.css';p{}":                  {"at @import 'a;b.css'", "p"},
		"@media (x){p>q{a:b}}r{c:d}":             {"at @media (x)", "p>q", "a=b", "r", "c=d"},
		"p{a:url(data:x;y,{z);b:\"};\\\"\";c:d}": {"p", "a:url(data:x;y,", "b=\"};\\\"\"", "c=d"},
		"/* q { */p/**/{a/*:*/:b/*;}*/}":         {"p", "a=b"},
		"<!-- p{a:b} -->":                        {"p", "a=b"},
		"p{a:b)};q{c:d}":                         {"p", "a=b)", "q", "c=d"},
		"}}{{;;":                                 nil,
		"@font-face{src:url(data:" + strings.Repeat("x", 2*maxStyleItem) + ");a:b}p{}": {"at @font-face", "src=url(data:" + strings.Repeat("x", maxStyleItem-len("src:url(data:")), "a=b", "p"},
	}
	for sheet, want := range tests {
		for _, n := range []int{1, 7, 1 << 20} {
			if got := stylesOf(sheet, n); !reflect.DeepEqual(got, want) {
				t.Errorf("%.60q in pieces of %d:\n%.300q, want\n%.300q", sheet, n, got, want)
			}
		}
	}
}

func TestUnsupportedFeatures(t *testing.T) {
	tests := map[string]string{ // the features that are found, by their names
		"<p style='color:red;font-size:12px'>":                 "",
		"<p style='BORDER-RADIUS:5px'>":                        "border-radius",
		"<style>p{border-radius:5px}</style>":                  "border-radius",
		"<p style='display: FLEX !important'>":                 "display:flex",
		"<p style='display:block;x:flex'>":                     "",
		"<p style='width:calc(100% - 2vw)'>":                   "CSS calc() function, vw unit",
		"<p style='font-family:\"clamp(\",system-ui'>":         "system-ui, ui-serif, ui-sans-serif, ui-rounded, ui-monospace",
		"<p style='font:12px \"10vw\" #10rem url(10vmin)'>":    "",
		"<p style='--a:b;color:var(--a)'>":                     "CSS Variables (Custom Properties)",
		"<p style='margin:-5vh'>":                              "vh unit",
		"<style>@import 'x';</style>":                          "@import",
		"<style>@media (min-width:1px) and (Hover) {}</style>": "@media (hover), @media (any-hover), @media",
		"<style>a:hover,b::before{}</style>":                   ":hover, ::before",
		"<style>a > b[title='+ ~']{}</style>":                  "Attribute selector, Child combinator",
		"<style>a:nth-child(2n + 1){}</style>":                 ":nth-child",
		"<style>/* a > b */ 50.5%{} p{}</style>":               "",
		"<style>#a .b *{}</style>":                             "Universal selector *",
		"<video>":                                              "<video> element",
		"<VIDEO><video>":                                       "<video> element",
		"<input type=Radio>":                                   "<input type=\"radio\"> element",
		"<svg><style>":                                         "Embedded <svg> image",
		"<meta name=Color-Scheme>":                             "color-scheme meta tag",
		"<a href='#top'>":                                      "Local anchors",
		"<a href='MAILTO:a@b'>":                                "mailto: links",
		"<a href='#'>":                                         "",
		"<img src='https://example.org/a.WEBP?b.svg'>":         "webP image format",
		"<img src=a.png>":                                      "",
		"<img srcset='a.png'>":                                 "srcset and sizes attributes",
		"<!-- <video> --><p title='<video>'>border-radius:5px": "",
		"<title><video></title><p title=x></title>":            "",
	}
	opts := DefaultOptions()
	opts.Clients = []string{"gmail.desktop-webmail", "outlook.windows", "orange.ios"}
	for document, want := range tests {
		var names []string
		for _, found := range htmlFindings(t, opts, "T07", document) {
			for one := range strings.SplitSeq(strings.TrimPrefix(found, "warn "), "; ") {
				name, _, _ := strings.Cut(one, " at html line 1 (")
				names = append(names, name)
			}
		}
		if got := strings.Join(names, ", "); got != want {
			t.Errorf("%s: %s; want %s", document, got, want)
		}
	}
}

func TestUnsupportedFeaturesAreNamedOnce(t *testing.T) {
	opts := DefaultOptions()
	opts.Clients = []string{"outlook", "gmail"}
	const document = "<p style='border-radius:1px'>\n<p style='position:fixed;border-radius:1px'>"
	got := htmlFindings(t, opts, "T07", document)
	want := []string{"warn border-radius at html line 1 (outlook.windows, outlook.windows-mail); " +
		"position at html line 2 (outlook.ios, outlook.windows, outlook.windows-mail, gmail)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = htmlFindings(t, opts, "T07", "\n<style>\np {\n  border-radius: 1px;\n}</style>\n<p style='position:fixed'>")
	if len(got) != 1 || !strings.Contains(got[0], "border-radius at html line 4 ") || !strings.Contains(got[0], "position at html line 6 ") {
		t.Errorf("%q", got)
	}
	var all strings.Builder
	for _, name := range []string{"animation", "aspect-ratio", "clip-path", "filter", "float", "gap", "hyphens", "inset", "opacity", "orphans", "outline",
		"overflow", "position", "resize", "transform", "transition", "visibility", "widows", "z-index", "word-break", "clear"} {
		all.WriteString(name + ":x;")
	}
	got = htmlFindings(t, opts, "T07", "<p style='"+all.String()+"'>")
	if len(got) != maxPlaces || strings.Count(strings.Join(got, ""), " at html line 1") != maxPlaces*maxShownFeatures || !strings.HasSuffix(got[maxPlaces-1], "; and 3 more") {
		t.Errorf("%q", got)
	}
}

func TestWithoutClientsNothingIsUnsupported(t *testing.T) {
	opts := DefaultOptions()
	if found := htmlFindings(t, opts, "T07", "<video style='display:grid'>"); len(found) > 0 {
		t.Errorf("%q", found)
	}
	opts.Clients = []string{"outlook"}
	opts.Rules = map[string]string{"T07": "off"}
	if l := newLint(t, opts); l.lacked != nil {
		t.Error("the data is read although the rule is off")
	}
}
