package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestMessages(t *testing.T) {
	const separator = "From ann@example.org Mon Jun  2 10:00:00 2025\n"
	for name, c := range map[string]struct {
		file string
		want []string // number:first line:source
	}{
		"one":               {"A: 1\n\nx\n", []string{"0:1:A: 1\n\nx\n"}},
		"empty":             {"", []string{"0:1:"}},
		"no last line end":  {"A: 1", []string{"0:1:A: 1"}},
		"an mbox of one":    {separator + "A: 1\n\nx\n", []string{"0:1:" + separator + "A: 1\n\nx\n"}},
		"an mbox of two":    {separator + "A: 1\n\nx\n\n" + separator + "B: 2\n\ny\n", []string{"1:1:" + separator + "A: 1\n\nx\n", "2:6:" + separator + "B: 2\n\ny\n"}},
		"with CRLF":         {"From a 10:00\r\nA: 1\r\n\r\nx\r\n\r\nFrom b 10:00\r\nB: 2\r\n\r\n", []string{"1:1:From a 10:00\r\nA: 1\r\n\r\nx\r\n", "2:6:From b 10:00\r\nB: 2\r\n"}},
		"a sentence":        {separator + "A: 1\n\nx\n\nFrom here on it goes well\n", []string{"0:1:" + separator + "A: 1\n\nx\n\nFrom here on it goes well\n"}},
		"no empty line":     {separator + "A: 1\n\nx\n" + separator, []string{"0:1:" + separator + "A: 1\n\nx\n" + separator}},
		"From not at first": {"A: 1\n\nx\n\n" + separator + "B: 2\n", []string{"0:1:A: 1\n\nx\n\n" + separator + "B: 2\n"}},
		"a From field":      {"From : a@example.org 10:00\n\n", []string{"0:1:From : a@example.org 10:00\n\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.file), iotest.OneByteReader(strings.NewReader(c.file))} {
				var got []string
				err := Messages(r, func(source []byte, number, firstLine int) error {
					got = append(got, fmt.Sprintf("%d:%d:%s", number, firstLine, source))
					return nil
				})
				if err != nil || !slices.Equal(got, c.want) {
					t.Errorf("%q, %v; want %q", got, err, c.want)
				}
			}
		})
	}
}

func TestMessagesAreBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("A: 1\n\n"), io.LimitReader(xs{}, 2*MaxMessage))
	err := Messages(endless, func([]byte, int, int) error { t.Error("delivered"); return nil })
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("%v", err)
	}
}

type xs struct{}

func (xs) Read(p []byte) (int, error) { return copy(p, bytes.Repeat([]byte("x"), len(p))), nil }

func TestMessagesEndsAtAnError(t *testing.T) {
	broken := errors.New("broken")
	if err := Messages(iotest.ErrReader(broken), func([]byte, int, int) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if err := Messages(strings.NewReader("A: 1\n"), func([]byte, int, int) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}
