package signing

import (
	"crypto"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

// tableFile writes a table and returns its path.
func tableFile(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "signing.table")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func readAll(file string) (lines map[int]Domain, err error) {
	lines = map[int]Domain{}
	err = ReadTable(file, func(line int, d Domain) error {
		lines[line] = d
		return nil
	})
	return lines, err
}

func TestReadTable(t *testing.T) {
	file := tableFile(t, "\ufeff# selector:file, relative to this folder\r\n\r\nexample.org 2026a:/keys/a.pem\t2026e:/keys/e.pem\r\n"+
		"  *.Example.org  w:keys/w#1.pem identity=@mail.example.org # all others\n   # nothing\n"+
		"a.shop.example sign_as=shop.example s.2026:../x=y:z.pem\n")
	dir := filepath.Dir(file)
	lines, err := readAll(file)
	want := map[int]Domain{
		3: {Domain: "example.org", Keys: []Key{{"2026a", "/keys/a.pem"}, {"2026e", "/keys/e.pem"}}},
		4: {Domain: "*.Example.org", Identity: "@mail.example.org", Keys: []Key{{"w", filepath.Join(dir, "keys/w#1.pem")}}},
		6: {Domain: "a.shop.example", SignAs: "shop.example", Keys: []Key{{"s.2026", dir + "/../x=y:z.pem"}}},
	}
	if err != nil || !reflect.DeepEqual(lines, want) {
		t.Errorf("%v\n%+v, want\n%+v", err, lines, want)
	}
}

func TestReadTableRefuses(t *testing.T) {
	for text, want := range map[string][]string{
		"":                             {"1: no domain is in the whole file"},
		"# all\n# comments\n":          {"2: no domain is in the whole file"},
		"example.org s:/k.pem":         {"1: the last line has no line end"},
		"example.org\n":                {`1: "example.org" has no key to sign with; selector:file is wanted`},
		"a.org s:/k\nb.org # s:/k\n":   {`2: "b.org" has no key`},
		"s:/k.pem\n":                   {`1: "s:/k.pem" has no key`},
		"org s:/k\n":                   {`1: domain: "org" is no domain of the public DNS`},
		"a_b.org s:/k\n":               {`1: domain: "a_b.org" may hold only`},
		"a.org a_b:/k\n":               {`1: keys[0].selector: "a_b" may hold only`},
		"a.org :/k\n":                  {`1: keys[0].selector: "" is empty`},
		"a.org s:/k S:/l\n":            {`1: keys[1].selector: "S" is the selector of keys[0] too`},
		"a.org s:\n":                   {"1: keys[0].file: no file is named"},
		"a.org s:/k b.org\n":           {`1: "b.org" is neither selector:file nor`},
		"a.org s:/k sign-as=b.org\n":   {`1: there is no option "sign-as="`},
		"a.org s:/k sign_as=b.org\n":   {`1: sign_as: "b.org" is neither a.org nor a parent of it`},
		"a.org s:/k identity=@b.org\n": {`1: identity: "@b.org" does not lie within a.org`},
		"x.a.org s:/k sign_as=a.org sign_as=x.a.org\n":                          {"1: sign_as= is given twice"},
		"a.org x\nb.org y\nc.org s:/k\n":                                        {`1: "x" is neither`, `1: keys: a.org has no key`, `2: "y" is neither`, `2: keys: b.org has no key`},
		"a.org s:/k\n\x00\x1f\x8b\n":                                            {"2: \"\\x00\\x1f\\x8b\" has no key"},
		"a.org s:/k\n" + strings.Repeat("x", maxTableLine+1) + "\nb.org s:/k\n": {"2: is longer than 65536 octets; nothing behind it was read"},
	} {
		file := tableFile(t, text)
		_, err := readAll(file)
		var problems *TableError
		if !errors.As(err, &problems) {
			t.Errorf("%.80q: %v", text, err)
			continue
		}
		got := strings.Split(err.Error(), "\n")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], file+":"+want[i]) {
				t.Errorf("%.80q: %q, want %q", text, got, want)
				break
			}
		}
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/nowhere/signing.table", t.TempDir(), fifo} {
		if _, err := readAll(file); err == nil || !strings.HasPrefix(err.Error(), "table "+file+": ") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The entries of a table sign, beside those of the configuration, and lines that
// name one file share its key.
func TestTableSigns(t *testing.T) {
	id := example(t)
	shared := keyFile(t, newEd25519(t))
	id.add(t, "shop.example", map[string]crypto.Signer{"s": newRSA(t)}, "s")
	own := id.opts.Domains[1]
	id.opts.Domains = id.opts.Domains[:1]
	id.opts.Table = tableFile(t, "shop.example s:"+own.Keys[0].File+"\na.example s:"+shared+"\n*.b.example s:"+shared+"\n")
	s := id.signer(t, goRSA{})
	for from, want := range map[string]string{"example.org": "example.org", "shop.example": "shop.example", "a.example": "a.example", "x.b.example": "b.example"} {
		_, m := sign(t, s, strings.ReplaceAll(letter, "sender@example.org", "sender@"+from))
		if !strings.HasPrefix(m.Notes[0].Text, "d="+want+" ") {
			t.Errorf("%s: %q", from, notes(m))
		}
	}
	signed, _ := sign(t, s, strings.ReplaceAll(letter, "sender@example.org", "sender@shop.example"))
	id.wantValid(t, signed, 1)
	if a, b := s.table.exact["a.example"].keys[0].heldKey, s.table.below["b.example"].keys[0].heldKey; a != b {
		t.Error("one file was loaded twice")
	}
}

func TestTableClashes(t *testing.T) {
	a, b := keyFile(t, newEd25519(t)), keyFile(t, newEd25519(t))
	id := example(t)
	for text, want := range map[string]string{
		"a.org s:A\nb.org s:A\nA.org s:A\n":                   "3: A.org has line 1 already",
		"example.org s:A\n":                                   "1: example.org has an entry outside of this table already",
		"*.example.org e:A\n":                                 `1: "A" would be published at e._domainkey.example.org, as would be "`,
		"a.org s:A\nx.a.org sign_as=a.org S:B\n":              `2: "B" would be published at s._domainkey.a.org, as would be "A"`,
		"x.a.org sign_as=a.org s:B\na.org s:A\n":              `2: "A" would be published at s._domainkey.a.org, as would be "B"`,
		"x.a.org sign_as=a.org s:B\n*.a.org s:A\n":            `2: "A" would be published at s._domainkey.a.org, as would be "B"`,
		"a.org s:A\n*.a.org s:A\nx.a.org sign_as=a.org s:A\n": "",
		"a.org s:A\n*.a.org t:B\nx.a.org sign_as=a.org t:B\n": "",
	} {
		paths := strings.NewReplacer(":A", ":"+a, ":B", ":"+b, `"A"`, `"`+a+`"`, `"B"`, `"`+b+`"`)
		id.opts.Table = tableFile(t, paths.Replace(text))
		_, err := New(id.opts, fixedClock, nil)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), id.opts.Table+":"+paths.Replace(want)) {
			t.Errorf("%s\n%v, want\n%s", text, err, paths.Replace(want))
		}
	}
}

// One bad line in a million makes one error, and no signer.
func TestOneBadLineInAMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	opts := DefaultOptions()
	opts.Table = filepath.Join(t.TempDir(), "signing.table")
	writeTable(t, opts.Table, 1_000_000, func(i int) string {
		if i == 765_431 {
			return "customer765431.example 2026_a:/k.pem"
		}
		return fmt.Sprintf("customer%d.example 2026a:/k.pem", i)
	})
	s, err := New(opts, fixedClock, nil)
	want := opts.Table + `:765432: keys[0].selector: "2026_a" may hold only ASCII letters, digits, "-" and dots, as in the DNS ("xn--…" for others)`
	if s != nil || err == nil || err.Error() != want {
		t.Errorf("%v, %v, want %s", s, err, want)
	}
}

func TestManyBadLines(t *testing.T) {
	_, err := readAll(tableFile(t, strings.Repeat("a.org\n", 1000)))
	if got := strings.Split(err.Error(), "\n"); len(got) != maxProblems+1 || !strings.HasSuffix(got[maxProblems], ": and 980 more problems") {
		t.Errorf("%d lines, the last one %s", len(got), got[len(got)-1])
	}
	_, err = readAll(tableFile(t, strings.Repeat("ä", 10_000)+" s:/k\n"))
	if len(err.Error()) > 2*maxProblemText {
		t.Errorf("%d octets for one problem", len(err.Error()))
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add("example.org 2026a:/keys/a.pem 2026e:/keys/e.pem\n")
	f.Add("# comment\r\n\r\n*.example.org w:w.pem identity=@mail.example.org sign_as=example.org # all\n")
	f.Add("a.org s:\nb.org sign_as=\nc.org :=\nd.org =: x\n")
	f.Add("\ufeffa.org s:/k")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(dir, "signing.table")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		lines, err := readAll(file)
		var problems *TableError
		if err != nil && (!errors.As(err, &problems) || len(problems.problems) == 0) {
			t.Fatalf("%q: %v", text, err)
		}
		if err == nil && len(lines) == 0 {
			t.Fatalf("%q: no domain and no problem", text)
		}
		for line, d := range lines {
			if line < 1 || line > strings.Count(text, "\n")+1 {
				t.Fatalf("%q: line %d", text, line)
			}
			d.problems(func(key, problem string) { t.Fatalf("%q: taken in spite of %s: %s", text, key, problem) })
		}
	})
}
