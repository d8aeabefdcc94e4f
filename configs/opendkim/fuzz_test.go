package opendkim

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// seed adds every file of that name among the golden configurations.
func seed(f *testing.F, name string) {
	files, err := filepath.Glob(filepath.Join(golden, "*", "etc", name))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds %s: %v", name, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
}

// translated holds a translation to being one that loads, whatever was read.
func translated(t *testing.T, name, text string) *Translation {
	tr, err := Translate(conf(name, text), "/etc/opendkim.conf")
	if err != nil {
		return nil // a file that is named is not there
	}
	written(t, tr)
	return tr
}

func FuzzSettings(f *testing.F) {
	seed(f, "opendkim.conf")
	f.Fuzz(func(t *testing.T, text string) { translated(t, "etc/opendkim.conf", text) })
}

func FuzzKeyTable(f *testing.F) {
	seed(f, "opendkim/KeyTable")
	f.Fuzz(func(t *testing.T, text string) { translated(t, "etc/keys", text) })
}

func FuzzHosts(f *testing.F) {
	seed(f, "opendkim/TrustedHosts")
	f.Add("!10.0.0.0/8\n10.0.0.0/8\n10.0.0.1\n[::1]/128\n!::1\n")
	f.Fuzz(func(t *testing.T, text string) {
		tr := translated(t, "etc/hosts", text)
		if tr == nil {
			t.Fatal("not translated")
		}
		// The networks that were written admit whom the set admits.
		r := &reader{files: conf("etc/hosts", ""), left: 100, note: func(Note) {}}
		own, err := r.hosts(setting{param: &parameter{}, value: "csl:" + strings.Join(tr.Config.Access.Networks, ",")})
		if err != nil {
			t.Fatal(err)
		}
		for p := range tr.own.in {
			if own.covers(p) != tr.own.covers(p) {
				t.Errorf("%v: %v by the networks %v, %v by the set", p, own.covers(p), tr.Config.Access.Networks, tr.own.in)
			}
		}
	})
}

func FuzzSigningTable(f *testing.F) {
	seed(f, "opendkim/SigningTable")
	f.Fuzz(func(t *testing.T, text string) {
		tr := translated(t, "etc/signing", text)
		if tr == nil {
			t.Fatal("not translated")
		}
		for _, address := range []string{"info@example.org", "a@b.example.org", "x@y.deep.example.org", "x.example.org@example.com"} {
			local, domain, _ := strings.Cut(address, "@")
			var walked []rule
			for _, ru := range tr.table.rules {
				if glob(ru.pattern, address) {
					walked = append(walked, ru)
				}
			}
			found := tr.table.match(local, domain)
			if len(walked) != len(found) {
				t.Fatalf("%s: %d rules by the index, %d by walking\n%v\n%v", address, len(found), len(walked), found, walked)
			}
			for i := range found {
				if found[i] != walked[i] {
					t.Errorf("%s: rule %d is %v by the index, %v by walking", address, i, found[i], walked[i])
				}
			}
		}
	})
}

// FuzzGlob holds a pattern against the regular expression that OpenDKIM makes of it.
func FuzzGlob(f *testing.F) {
	for _, p := range []string{"*", "a*b*c", "*@*.example.org", "**", "a+b.c", ""} {
		f.Add(p, "a@b.example.org")
		f.Add(p, "aXbYc")
		f.Add(p, "a+b.c")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if strings.ContainsAny(pattern, strange) {
			return
		}
		quoted := strings.NewReplacer("*", "(?s:.*)", "+", `\+`, ".", `\.`).Replace(pattern)
		re, err := regexp.Compile("^" + quoted + "$")
		if err != nil {
			return // not UTF-8
		}
		if strings.ToValidUTF8(text, "") == text && glob(pattern, text) != re.MatchString(text) {
			t.Errorf("%q matches %q: %v", pattern, text, glob(pattern, text))
		}
	})
}
