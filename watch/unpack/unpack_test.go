package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

func packGzip(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packZip(t testing.TB, files ...[]byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, data := range files {
		f, err := w.Create("report.xml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestFiles(t *testing.T) {
	text := []byte("<feedback/>")
	for name, packed := range map[string][]byte{
		"plain": text, "gzip": packGzip(t, text), "zip": packZip(t, text),
		"gzip and a line end": append(packGzip(t, text), "\r\n"...),
		"two gzip members":    append(packGzip(t, text[:4]), packGzip(t, text[4:])...),
	} {
		files, err := Files(packed)
		if err != nil || len(files) != 1 || !bytes.Equal(files[0], text) {
			t.Errorf("%s: %q, %v", name, files, err)
		}
	}
}

func TestBombs(t *testing.T) {
	zeros := make([]byte, MaxSize+1)
	noise := make([]byte, MaxSize/maxRatio*2)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	many := make([][]byte, maxFiles+1)
	for name, packed := range map[string][]byte{
		"gzip of zeros":     packGzip(t, zeros[:2<<20]),
		"zip of zeros":      packZip(t, zeros[:2<<20]),
		"too large":         packGzip(t, append(zeros, noise...)), // its ratio is allowed
		"too large, plain":  zeros,
		"many files":        packZip(t, many...),
		"many large files":  packZip(t, append(noise, zeros[:17<<20]...), append(noise, zeros[:17<<20]...)),
		"zip of its header": []byte("PK\x03\x04"),
	} {
		_, err := Files(packed)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if name != "zip of its header" && !errors.Is(err, ErrBomb) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// An archive within stays closed.
	files, err := Files(packGzip(t, packGzip(t, zeros[:1<<20])))
	if err != nil || !Packed(files[0]) {
		t.Errorf("a gzip in a gzip: %v", err)
	}
	if _, err := Files(packGzip(t, []byte("text"))[:12]); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut off: %v", err)
	}
}

// What of an archive can be read comes with the error about the rest.
func TestDamaged(t *testing.T) {
	whole := packZip(t, []byte("one"), []byte("two"))
	lying := bytes.Clone(whole)
	at := bytes.LastIndex(lying, []byte("PK\x01\x02"))
	lying[at+24]++ // the size that the directory tells of the second file
	locked := bytes.Clone(whole)
	locked[at+8] |= encrypted
	unknown := bytes.Clone(whole)
	unknown[at+10] = 12 // bzip2
	for name, data := range map[string][]byte{"a size that is none": lying, "a password": locked, "another method": unknown} {
		files, err := Files(data)
		if err == nil || len(files) != 1 || string(files[0]) != "one" {
			t.Errorf("%s: %q, %v", name, files, err)
		}
	}
	packed := packGzip(t, []byte("text"))
	if files, err := Files(packed[:len(packed)-4]); err == nil || len(files) != 1 || string(files[0]) != "text" {
		t.Errorf("cut off at its end: %q, %v", files, err)
	}
	if files, err := Files(packZip(t, make([]byte, 2<<20), []byte("one"))); !errors.Is(err, ErrBomb) || files != nil {
		t.Errorf("a bomb and a file: %d files, %v", len(files), err)
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte("<feedback/>"))
	f.Add(packGzip(f, []byte("<feedback/>")))
	f.Add(packZip(f, []byte("a"), []byte("b")))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, _ := Files(data)
		total := 0
		for _, file := range files {
			total += len(file)
		}
		if total > MaxSize {
			t.Errorf("%d octets", total)
		}
	})
}
