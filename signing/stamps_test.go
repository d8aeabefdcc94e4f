package signing

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestStampsSeeEveryChange(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere some of these changes can't be seen")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "link", "key.pem") // behind a link, as a Kubernetes secret is
	must := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	must(os.Mkdir(filepath.Join(dir, "a"), 0o700), os.Mkdir(filepath.Join(dir, "b"), 0o700), os.Symlink("a", filepath.Join(dir, "link")))
	must(os.WriteFile(filepath.Join(dir, "b", "key.pem"), []byte("text"), 0o600))
	steps := []struct {
		name string
		do   func()
	}{
		{"written", func() { must(os.WriteFile(file, []byte("text"), 0o600)) }},
		{"mode", func() { must(os.Chmod(file, 0o644)) }},
		{"same length, same time", func() {
			info, err := os.Stat(file)
			must(err)
			for before := stampFrom(info); stampOf(file).changed == before.changed; { // clocks of file systems tick slowly
				must(os.WriteFile(file, []byte("TEXT"), 0o600), os.Chtimes(file, info.ModTime(), info.ModTime()))
			}
		}},
		{"another file in its place", func() {
			must(os.WriteFile(file+".new", []byte("text"), 0o600), os.Rename(file+".new", file))
		}},
		{"link swapped", func() {
			must(os.Symlink("b", filepath.Join(dir, "new")), os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "link")))
		}},
		{"gone", func() { must(os.Remove(file)) }},
	}
	seen := Stamps{file: stampOf(file), "/nowhere/k.pem": stampOf("/nowhere/k.pem")}
	for _, step := range steps {
		if now := seen.Again(); len(seen.Changed(now)) > 0 {
			t.Errorf("before %s: changed all by itself", step.name)
		}
		step.do()
		now := seen.Again()
		if changed := seen.Changed(now); !slices.Equal(changed, []string{file}) {
			t.Errorf("%s: %q changed", step.name, changed)
		}
		seen = now
	}
}

func TestSignerStamps(t *testing.T) {
	id := example(t)
	other := keyFile(t, newEd25519(t))
	id.opts.Table = tableFile(t, "a.example s:"+other+" t:/nowhere/k.pem\n")
	seen := id.signer(t, goRSA{}).Stamps()
	for _, file := range []string{id.opts.Domains[0].Keys[0].File, id.opts.Domains[0].Keys[1].File, id.opts.Table, other, "/nowhere/k.pem"} {
		if _, ok := seen[file]; !ok {
			t.Errorf("%s is missing", file)
		}
	}
	if len(seen) != 5 || len(seen.Changed(seen.Again())) > 0 {
		t.Errorf("%d files, changed %q", len(seen), seen.Changed(seen.Again()))
	}
}
