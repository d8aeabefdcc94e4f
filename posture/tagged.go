package posture

import (
	"fmt"
	"strings"

	"pratique/posture/lookup"
)

// tagged is a record of a kind that has a version first and tags behind it.
type tagged struct {
	text   string
	tags   map[string]string
	errors []string
}

// taggedRecords returns the TXT records of a name that begin with a version.
func taggedRecords(texts []lookup.Text, version string) (found []tagged, others []string) {
	for _, text := range texts {
		s := text.String()
		first, _, _ := strings.Cut(s, ";")
		switch {
		case strings.TrimRight(first, " \t") == "v="+version:
			found = append(found, parseTagged(s))
		case strings.Contains(strings.ToLower(strings.ReplaceAll(s, " ", "")), "v="+strings.ToLower(strings.TrimRight(version, "v0123456789"))):
			others = append(others, s)
		}
	}
	return found, others
}

func parseTagged(text string) tagged {
	t := tagged{text: text, tags: map[string]string{}}
	for spec := range strings.SplitSeq(text, ";") {
		spec = strings.Trim(spec, " \t")
		if spec == "" {
			continue
		}
		name, value, ok := strings.Cut(spec, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if _, twice := t.tags[name]; twice {
			t.errors = append(t.errors, name+"= stands twice")
		}
		if !ok {
			t.errors = append(t.errors, fmt.Sprintf("%.40q is no tag: it has no \"=\"", spec))
			continue
		}
		t.tags[name] = value
	}
	return t
}

// single returns the one record of a kind, or a finding that says why there is none.
// A record to publish in place of what is there is made by mend, of the texts there; nil: none is.
func single(f Finding, name, version string, texts []lookup.Text, err error, mend func(texts []string) string) (*tagged, Finding) {
	found, others := taggedRecords(texts, version)
	code := f.Code
	var all []string
	for _, r := range found {
		all = append(all, r.text)
	}
	all = append(all, others...)
	publish := func() {
		if mend != nil {
			f.Publish = []string{txtLine(name, mend(all))}
		}
	}
	switch {
	case err != nil:
		f.Code, f.Status, f.Found = code+"_unknown", Unknown, err.Error()
	case len(found) > 1:
		f.Code, f.Status = code+"_several", Fail
		f.Found, f.Means, f.Do = fmt.Sprintf("there are %d records at %s", len(found), name), "senders take none of them", "leave one"
		f.Details = all
		publish()
	case len(found) == 0 && len(others) > 0:
		f.Code, f.Status = code+"_malformed", Fail
		f.Found, f.Means, f.Do = fmt.Sprintf("%.80q at %s does not begin with v=%s and a semicolon", others[0], name, version), "senders pass it over", "mend the record at "+name
		publish()
	case len(found) == 0:
		f.Code, f.Status = code+"_none", Info
	default:
		if len(found[0].errors) > 0 {
			f.Code, f.Status = code+"_malformed", Fail
			f.Found, f.Means, f.Do = strings.Join(found[0].errors, "; ")+": "+found[0].text, "senders pass it over", "mend the record at "+name
			publish()
		}
		return &found[0], f
	}
	return nil, f
}
