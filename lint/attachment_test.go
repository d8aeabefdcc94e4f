package lint

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestBlockedExtension(t *testing.T) {
	tests := map[string]string{
		"a.exe": "exe", "A.EXE": "exe", "a.b.js": "js", "a.exe.": "exe", "a.exe . .": "exe", ".exe": "exe", "dir/a.bat": "bat", `c:\dir.x\a.cmd`: "cmd",
		"a.js.gz": "js", "a.exe.bz2": "exe", "a.ex_": "ex_", "a.appxbundle": "appxbundle", "a.exe\x00": "exe",
		"a.exe;": "exe", "a.exe\x01": "exe", "'a.exe'": "exe", `"a.exe"`: "exe", "a.js\u200b": "js", "a.exe\xff": "exe", "a.js.gz;": "js", "a.exe_": "", "a (b.com)": "", "a.exeü": "",
		"a.pdf": "", "exe": "", "a.exe.txt": "", "a.tar.gz": "", "": "", ".": "", "a.": "", "a.exe/": "", "a.exe bat": "", "a.gz": "", "a.js.gz.gz": "", "a.docx": "", "a. ": "",
	}
	for name, want := range tests {
		if got := blockedExtension(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// zipLines is a zip archive with these files as base64 lines. In a streamed one the sizes stand behind the data.
func zipLines(t testing.TB, streamed bool, names ...string) []string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range names {
		data := make([]byte, 3000)
		if strings.HasSuffix(name, "/") {
			data = nil
		}
		for i := range data {
			data[i] = "PK\x03\x04ab"[random.IntN(6)]
		}
		header := &zip.FileHeader{Name: name, Method: zip.Store, CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))}
		create := w.CreateRaw
		if streamed {
			header, create = &zip.FileHeader{Name: name, Method: zip.Deflate}, w.CreateHeader
		}
		file, err := create(header)
		if err == nil && len(data) > 0 {
			_, err = file.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for text := base64.StdEncoding.EncodeToString(b.Bytes()); text != ""; {
		n := min(len(text), 76)
		lines = append(lines, text[:n])
		text = text[n:]
	}
	return lines
}

func TestZipNames(t *testing.T) {
	long := strings.Repeat("d/", 1000) + "a.exe"
	tests := []struct {
		names   []string
		blocked string
		count   int
	}{
		{nil, "", 0},
		{[]string{"a.txt", "b/", "b/c.pdf"}, "", 0},
		{[]string{"a.txt", "b/c.exe", "d.js", "e.txt"}, "b/c.exe", 2},
		{[]string{"setup.exe"}, "setup.exe", 1},
		{[]string{long}, long[len(long)-maxZipName:], 1},
	}
	for i, tt := range tests {
		for _, streamed := range []bool{true, false} {
			for _, cut := range []int{1, 7, 76, 1 << 20} {
				t.Run(fmt.Sprint(i, streamed, cut), func(t *testing.T) {
					z := &zipNames{}
					for text := strings.Join(zipLines(t, streamed, tt.names...), " "); text != ""; {
						n := min(len(text), cut)
						z.write([]byte(text[:n]))
						text = text[n:]
					}
					if z.blocked != tt.blocked || z.count != tt.count {
						t.Errorf("%q, %d, want %q, %d", z.blocked, z.count, tt.blocked, tt.count)
					}
				})
			}
		}
	}
}

// What stands before the records of an archive or between them hides none of them.
func TestZipWithJunk(t *testing.T) {
	lines := zipLines(t, false, "a.txt", "b.exe")
	archive, err := base64.StdEncoding.DecodeString(strings.Join(lines, ""))
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.LastIndex(archive[:bytes.Index(archive, []byte("b.exe"))], []byte(zipLocalSignature))
	for _, junk := range []string{"PK00", "x", "PK\x03", "PPK", "MZ and a program"} {
		for _, at := range []int{0, second} {
			spoilt := slices.Concat(archive[:at], []byte(junk), archive[at:])
			z := &zipNames{}
			z.write([]byte(base64.StdEncoding.EncodeToString(spoilt)))
			if z.blocked != "b.exe" || z.count != 1 {
				t.Errorf("%q at %d: %q, %d", junk, at, z.blocked, z.count)
			}
		}
	}
}

func FuzzZipNames(f *testing.F) {
	for _, streamed := range []bool{true, false} {
		f.Add([]byte(strings.Join(zipLines(f, streamed, "a.txt", "b.exe"), "\n")), 10)
	}
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		one, other := &zipNames{}, &zipNames{}
		one.write(data)
		for b := data; len(b) > 0; {
			n := min(len(b), max(cut, 1))
			other.write(b[:n])
			b = b[n:]
		}
		if one.blocked != other.blocked || one.count != other.count || one.step != other.step {
			t.Errorf("%q %d in one piece, %q %d in several", one.blocked, one.count, other.blocked, other.count)
		}
	})
}
