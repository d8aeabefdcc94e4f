package lint

import (
	"mime"
	"slices"
	"strings"
	"testing"
)

func TestParameters(t *testing.T) {
	tests := []struct{ in, mediaType, name, want string }{
		{`text/plain; name=a`, "text/plain", "name", "a"},
		{`TEXT/Plain ; NAME = "A"`, "text/plain", "name", "A"},
		{`text/plain (with; name=x) ; (c) name (d) = "a" (e; f)`, "text/plain", "name", "a"},
		{`text/plain; name="a;b\"c\\d"`, "text/plain", "name", `a;b"c\d`},
		{`text/plain; name=a b.exe; x=y`, "text/plain", "name", "a b.exe"},
		{`text/plain; name=a (comment)`, "text/plain", "name", "a"},
		{`text/plain; name=a(1).txt`, "text/plain", "name", "a(1).txt"},
		{`text/plain; name="open`, "text/plain", "name", "open"},
		{`text/plain;; ;name=a;`, "text/plain", "name", "a"},
		{`multipart/mixed; boundary=----=_Part_1`, "multipart/mixed", "boundary", "----=_Part_1"},
		{`multipart/mixed; boundary="a"; boundary="b"`, "multipart/mixed", "boundary", "a"},
		{`a/b; name*=utf-8''%C3%BC`, "a/b", "name", "ü"},
		{`a/b; name*=utf-8'de'x%2`, "a/b", "name", "x%2"},
		{`a/b; name*0=a; name*1=b`, "a/b", "name", "ab"},
		{`a/b; name*1*=%62; name*0*=utf-8''a; name*2=%63`, "a/b", "name", "ab%63"},
		{`a/b; name*0=a; name*2=c`, "a/b", "name", "a"},
		{`a/b; name=; x=y`, "a/b", "x", "y"},
		{`text / plain`, "text/plain", "name", ""},
		{``, "", "name", ""},
		{`name="a"`, "", "name", "a"},
		{`attachment name="a;b"; x=y`, "attachment", "name", "a;b"},
		{`text/plain name=a`, "text/plainname=a", "name", ""},
		{`text/x=y; name=a`, "text/x=y", "name", "a"},
		{`=; name=a`, "=", "name", "a"},
	}
	for _, tt := range tests {
		c := parseContentType(tt.in)
		if got, _ := c.param(tt.name); c.value != tt.mediaType || got != tt.want {
			t.Errorf("%s: %q, %q, want %q, %q", tt.in, c.value, got, tt.mediaType, tt.want)
		}
	}
}

func TestEveryValueOfAParameter(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{`a/b; named=a; x=y`, nil},
		{`a/b; name=a; NAME="b"; name*=utf-8''%63`, []string{"a", "b", "c"}},
		{`a/b; name=a; name*0=b; name*1*=%63`, []string{"a", "bc", "bc", "bc"}},
		{`a/b; name*2=c; name*0=a`, []string{"a", "ca", "ac"}},
		{`a/b; name*1=b; name*0=a; name*1=c`, []string{"ac", "bac", "abc"}},
		{`a/b; name*1=b`, []string{"b", "b"}},
	}
	for _, tt := range tests {
		c := parseContentType(tt.in)
		if got := c.all("name"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestParametersAreBounded(t *testing.T) {
	for n, cut := range map[int]bool{maxParams: false, maxParams + 1: true, 1000: true} {
		c := parseContentType("a/b" + strings.Repeat("; a=b", n) + "; ")
		if len(c.params) != maxParams || c.cut != cut {
			t.Errorf("%d parameters are kept of %d, cut: %v", len(c.params), n, c.cut)
		}
	}
}

// What mime.ParseMediaType accepts gives the same type and the same plain
// parameters here, but for comments, which it does not know.
func FuzzContentType(f *testing.F) {
	for _, in := range []string{`text/plain; charset="utf-8"`, `a/b; name*0*=utf-8''a; name*1=b`, `a/b; x="a\"b"`, `a/b;a=b;c=d`} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		c := parseContentType(in)
		mediaType, params, err := mime.ParseMediaType(in)
		if err != nil || strings.ContainsAny(in, "*(\\%") || len(params) > maxParams {
			return
		}
		if c.value != mediaType {
			t.Errorf("%q: type %q, mime has %q", in, c.value, mediaType)
		}
		for name, want := range params {
			if got, ok := c.param(name); !ok || got != want {
				t.Errorf("%q: %s is %q, mime has %q", in, name, got, want)
			}
		}
	})
}
