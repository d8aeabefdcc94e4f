package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a signature says, nothing differs from itself.
func FuzzSignature(f *testing.F) {
	f.Add("v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=s1; t=100; x=200; h=From:From:To; bh=x; b=y")
	f.Add("d = Example.org;\r\n\ts=s1;i=@Example.org;l=7;z=From:a;h= from : to ;t=-1;x=99999999999999999999")
	f.Add(";;=;h;h=;c=/;c==")
	f.Fuzz(func(t *testing.T, value string) {
		s := parseSignature(value)
		differences, wider := compare(Side{Signatures: []Signature{s}}, Side{Signatures: []Signature{s}})
		if len(differences) > 0 || len(wider) > 0 {
			t.Errorf("%q differs from itself: %q, wider %q", value, differences, wider)
		}
	})
}

// Whatever a manifest says, the corpus is read, or it is said why not.
func FuzzManifest(f *testing.F) {
	f.Add("a.eml client=10.1.2.3 name=x login=y sender=<a@example.org> to=b@example.net # all\n")
	f.Add("./a.eml client=::ffff:192.0.2.1\r\n\n#\n")
	f.Add("a.eml client=fe80::1%eth0\n../a.eml\n")
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.eml"), []byte("From: a@example.org\n\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, manifest)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		letters, err := ReadCorpus(dir)
		if err != nil {
			if !strings.HasPrefix(err.Error(), file) {
				t.Errorf("%q: error %v does not name the manifest", text, err)
			}
			return
		}
		if len(letters) != 1 || !letters[0].Client.Addr.IsValid() || letters[0].Client.Addr.Is4In6() {
			t.Errorf("%q: letters %+v", text, letters)
		}
	})
}
