package signing

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// A key signs as it was read, whatever becomes of its file: it goes with its selector.
func TestKeyStaysAsItWasRead(t *testing.T) {
	id := example(t)
	s := id.signer(t, goRSA{})
	for _, k := range id.opts.Domains[0].Keys {
		if err := os.WriteFile(k.File, []byte("another one, half written"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signed, _ := sign(t, s, letter)
	id.wantValid(t, signed, 2)
}

// A key that fails at its first message is broken like others.
func TestKeyThatCantBeMadeReady(t *testing.T) {
	s := example(t).signer(t, goRSA{})
	s.table.exact["example.org"].keys[0].ready = func() (signFunc, error) { return nil, errors.New("self-test") }
	_, _, err := trySign(s, letter)
	if err == nil || reasonOf(err) != KeyFailed || !strings.Contains(err.Error(), "s=r: self-test") {
		t.Errorf("%v, reason %s", err, reasonOf(err))
	}
}

// One of two keys of no use breaks its domain: mail that is signed otherwise than
// the administrator meant is not what on_error allows.
func TestHalfUsableDomainIsBroken(t *testing.T) {
	id := example(t)
	id.opts.Domains[0].Keys[0].File = "/nowhere/k.pem"
	id.opts.Table = tableFile(t, "b.example s:/nowhere/k.pem t:/nowhere/l.pem\n*.a.example s:/nowhere/k.pem\n")
	s := id.signer(t, goRSA{})
	var got []string
	for _, b := range s.Broken() {
		got = append(got, b.Domain+": "+b.Err.Error())
	}
	want := []string{
		"*.a.example: no signature for *.a.example with selector s: key /nowhere/k.pem: no such file or directory",
		"b.example: no signature for b.example with selector s: key /nowhere/k.pem: no such file or directory\n" +
			"no signature for b.example with selector t: key /nowhere/l.pem: no such file or directory",
		"example.org: no signature for example.org with selector r: key /nowhere/k.pem: no such file or directory",
	}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, _, err := trySign(s, letter); reasonOf(err) != KeyFailed {
		t.Errorf("signed with one key of two: %v", err)
	}
}

func TestWorse(t *testing.T) {
	id := example(t)
	id.add(t, "b.example", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	id.add(t, "c.example", map[string]crypto.Signer{"e": newEd25519(t)}, "e")
	with := func(change func(o []Domain) []Domain) *Signer {
		other := identity{opts: id.opts}
		other.opts.Domains = nil
		for _, d := range id.opts.Domains {
			d.Keys = append([]Key(nil), d.Keys...)
			other.opts.Domains = append(other.opts.Domains, d)
		}
		other.opts.Domains = change(other.opts.Domains)
		return other.signer(t, goRSA{})
	}
	good := with(func(d []Domain) []Domain { return d })
	one := with(func(d []Domain) []Domain { d[1].Keys[0].File = "/nowhere/b.pem"; return d })
	two := with(func(d []Domain) []Domain {
		d[1].Keys[0].File, d[2].Keys[0].File = "/nowhere/b.pem", "/nowhere/c.pem"
		return d
	})
	without := with(func(d []Domain) []Domain { return d[:1] })
	for _, c := range []struct {
		now, than *Signer
		want      string
	}{
		{good, good, ""}, {good, two, ""}, {one, one, ""}, {one, two, ""}, {without, two, ""},
		{one, good, "no signature for b.example with selector e: key /nowhere/b.pem: no such file or directory"},
		{two, one, "no signature for c.example with selector e: key /nowhere/c.pem: no such file or directory"},
		{one, without, "no signature for b.example with selector e: key /nowhere/b.pem: no such file or directory"},
	} {
		err := c.now.Worse(c.than)
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && got != c.want {
			t.Errorf("%s, want %q", got, c.want)
		}
	}
}

// The log names the first ones of very many.
func TestManyBrokenDomains(t *testing.T) {
	opts := DefaultOptions()
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "c%03d.example s:/nowhere/k.pem\n", i)
	}
	opts.Table = tableFile(t, text.String())
	var log bytes.Buffer
	s, err := newSigner(opts, fixedClock, slog.New(slog.NewTextHandler(&log, nil)), goRSA{})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != maxNamed+1 || !strings.Contains(lines[0], "domain=c000.example selector=s file=/nowhere/k.pem table_line=1 error=") ||
		!strings.HasSuffix(lines[maxNamed], `msg="key can't be used" more=980`) {
		t.Errorf("%d lines, from\n%s\nto\n%s", len(lines), lines[0], lines[len(lines)-1])
	}
	none, err := New(DefaultOptions(), fixedClock, nil)
	if err != nil {
		t.Fatal(err)
	}
	worse := strings.Split(s.Worse(none).Error(), "\n")
	if len(s.Broken()) != 1000 || len(worse) != maxNamed+1 || worse[maxNamed] != "and no signature for 980 more domains" {
		t.Errorf("%d broken, worse by %q", len(s.Broken()), worse)
	}
}
