package main

import (
	"regexp"
	"slices"
	"strings"
)

// What the title of a page says by its form.
var (
	elementTitle   = regexp.MustCompile(`^<([a-z0-9]+)>( element)?$`)
	typeTitle      = regexp.MustCompile(`^<(input|button) type="([a-z]+)"> element$`)
	attributeTitle = regexp.MustCompile(`^([a-z-]+) attribute$`)
	propertyTitle  = regexp.MustCompile(`^[a-z-]+$`)
	atTitle        = regexp.MustCompile(`^@[a-z-]+$`)
	mediaTitle     = regexp.MustCompile(`@media \(([a-z-]+)\)`)
	pseudoTitle    = regexp.MustCompile(`^::?([a-z-]+)(\(\))?$`)
	functionTitle  = regexp.MustCompile(`^([a-z-]+)\(\)$`)
	unitTitle      = regexp.MustCompile(`^(\S+) unit$`)
	keywordTitle   = regexp.MustCompile(`^([a-z-]+):\s*([a-z-]+)$`)
)

// keysBySlug are for the pages whose title does not say it. An empty one is for
// what no document can be told by, or every document has.
var keysBySlug = map[string]string{
	"amp": "", "bimi": "", "css-comments": "", "css-important": "", "css-nesting": "", "css-selector-chaining": "", "css-selector-descendant": "",
	"css-selector-grouping": "", "css-selector-type": "", "css-display": "", "css-unit-initial": "keyword:initial", "html-comments": "", "html-doctype": "",
	"html-body": "", "html-style": "", "image-base64": "", "image-hdr": "", "image-mp4": "image:mp4", "image-apng": "image:apng", "image-heif": "image:heif image:heic",
	"image-jpg": "image:jpg image:jpeg", "image-tiff": "image:tif image:tiff",

	"css-at-media-device-pixel-ratio":    "media:-webkit-device-pixel-ratio media:-webkit-min-device-pixel-ratio media:-webkit-max-device-pixel-ratio",
	"css-block-inline-size":              "property:block-size property:inline-size",
	"css-border-inline-block":            "property:border-inline property:border-block",
	"css-border-inline-block-individual": "property:border-inline-start property:border-inline-end property:border-block-start property:border-block-end",
	"css-border-inline-block-longhand":   "property:border-inline-width property:border-inline-style property:border-inline-color property:border-block-width property:border-block-style property:border-block-color",
	"css-border-radius-logical":          "property:border-start-start-radius property:border-start-end-radius property:border-end-start-radius property:border-end-end-radius",
	"css-color-scheme":                   "property:color-scheme",
	"css-column-layout-properties":       "property:columns property:column-fill property:column-rule property:column-rule-color property:column-rule-style property:column-rule-width property:column-span property:column-width",
	"css-font":                           "property:font",
	"css-function-clamp":                 "function:clamp",
	"css-gap":                            "property:gap property:column-gap property:row-gap",
	"css-grid-template":                  "property:grid-template property:grid-template-areas property:grid-template-columns property:grid-template-rows",
	"css-height":                         "property:height",
	"css-inert-attribute":                "attribute:inert",
	"css-intrinsic-size":                 "keyword:fit-content keyword:min-content keyword:max-content",
	"css-left-right-top-bottom":          "property:left property:right property:top property:bottom",
	"css-margin-block-start-end":         "property:margin-block-start property:margin-block-end",
	"css-margin-inline-block":            "property:margin-inline property:margin-block",
	"css-margin-inline-start-end":        "property:margin-inline-start property:margin-inline-end",
	"css-max-height":                     "property:max-height",
	"css-min-height":                     "property:min-height",
	"css-min-width":                      "property:min-width",
	"css-modern-color":                   "function:lch function:oklch function:lab function:oklab",
	"css-padding-block-start-end":        "property:padding-block-start property:padding-block-end",
	"css-padding-inline-block":           "property:padding-inline property:padding-block",
	"css-padding-inline-start-end":       "property:padding-inline-start property:padding-inline-end",
	"css-pseudo-class-lang":              "pseudo:lang",
	"css-scroll-snap":                    "property:scroll-snap-type property:scroll-snap-align property:scroll-snap-stop",
	"css-selector-adjacent-sibling":      "selector:+",
	"css-selector-attribute":             "selector:[",
	"css-selector-child":                 "selector:>",
	"css-selector-class":                 "selector:.",
	"css-selector-general-sibling":       "selector:~",
	"css-selector-id":                    "selector:#",
	"css-selector-universal":             "selector:*",
	"css-sytem-ui":                       "keyword:system-ui keyword:ui-serif keyword:ui-sans-serif keyword:ui-rounded keyword:ui-monospace",
	"css-unit-calc":                      "function:calc",
	"css-variables":                      "function:var property:--",
	"css-width":                          "property:width",

	"html-address":           "element:address",
	"html-anchor-links":      "link:#",
	"html-h1-h6":             "element:h1 element:h2 element:h3 element:h4 element:h5 element:h6",
	"html-image-maps":        "element:map attribute:usemap",
	"html-lists":             "element:ul element:ol element:dl",
	"html-mailto-links":      "link:mailto:",
	"html-meta-color-scheme": "meta:color-scheme meta:supported-color-schemes",
	"html-semantics":         "element:article element:aside element:details element:figcaption element:figure element:footer element:header element:main element:mark element:nav element:section element:summary element:time",
	"html-srcset":            "attribute:srcset attribute:sizes",
	"html-svg":               "element:svg",
}

// keysOf returns what a document shows the feature by, and whether that is known.
func keysOf(f feature) (keys []string, ok bool) {
	if keys, ok := keysBySlug[f.slug]; ok {
		return strings.Fields(keys), true
	}
	category, name, _ := strings.Cut(f.slug, "-")
	if category == "image" {
		return []string{"image:" + name}, true
	}
	if media := mediaTitle.FindAllStringSubmatch(f.title, -1); media != nil {
		return prefixed("media:", media), true
	}
	forms := []struct {
		title *regexp.Regexp
		kind  string
	}{
		{elementTitle, "element:"}, {typeTitle, "type:"}, {attributeTitle, "attribute:"}, {atTitle, "at:"}, {pseudoTitle, "pseudo:"},
		{functionTitle, "function:"}, {unitTitle, "unit:"}, {keywordTitle, "declaration:"}, {propertyTitle, "property:"},
	}
	for _, form := range forms {
		m := form.title.FindStringSubmatch(f.title)
		switch {
		case m == nil:
		case form.title == typeTitle || form.title == keywordTitle:
			return []string{form.kind + m[1] + ":" + m[2]}, true
		case form.title == atTitle || form.title == propertyTitle:
			return []string{form.kind + m[0]}, true
		default:
			return prefixed(form.kind, [][]string{m}), true
		}
	}
	return nil, false
}

// prefixed returns the first group of each match behind a kind.
func prefixed(kind string, matches [][]string) []string {
	var keys []string
	for _, m := range matches {
		keys = append(keys, kind+m[1])
	}
	slices.Sort(keys)
	return keys
}
