package message

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func headerOf(lines ...string) *Header {
	h := &Header{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		h.Receive(NewField(name, value))
	}
	return h
}

func (h *Header) text() string {
	var b bytes.Buffer
	h.WriteTo(&b)
	return b.String()
}

func TestNewFieldTurnsLFIntoCRLF(t *testing.T) {
	tests := []struct{ value, raw string }{
		{" x", "A: x\r\n"},
		{"x", "A:x\r\n"},
		{"", "A:\r\n"},
		{" x\n\ty", "A: x\r\n\ty\r\n"},
		{" x\r\n\ty", "A: x\r\n\ty\r\n"},
		{"\n x", "A:\r\n x\r\n"},
		{" a\rb", "A: a\rb\r\n"},
	}
	for _, tt := range tests {
		f := NewField("A", tt.value)
		if string(f.Raw()) != tt.raw {
			t.Errorf("NewField(%q) = %q, want %q", tt.value, f.Raw(), tt.raw)
		}
	}
}

func TestFieldParts(t *testing.T) {
	f := NewField("Subject ", " a\n b ")
	if !f.Is("subject") || f.Is("subj") || f.Name() != "Subject " {
		t.Errorf("name %q", f.Name())
	}
	if got := f.Unfolded(); got != "a b" {
		t.Errorf("unfolded %q", got)
	}
	if got := string(f.Value()); got != " a\r\n b " {
		t.Errorf("value %q", got)
	}
}

func TestEditsNameArrivedOccurrences(t *testing.T) {
	h := headerOf("Bcc: one", "From: a", "bcc: two", "Subject: s", "BCC: three")
	for {
		i, found := -1, false
		for j := range h.Named("Bcc") {
			i, found = j, true
			break
		}
		if !found {
			break
		}
		h.Remove(i)
	}
	for i := range h.Named("subject") {
		h.Replace(i, " t\r\n u")
	}
	h.Prepend("X-One", " 1")
	h.Prepend("X-Two", " 2")
	h.Append("Date", " now")
	want := []Edit{
		{EditChange, "Subject", 1, " t\r\n u"},
		{EditRemove, "BCC", 3, ""},
		{EditRemove, "bcc", 2, ""},
		{EditRemove, "Bcc", 1, ""},
		{EditPrepend, "X-One", 0, " 1"},
		{EditPrepend, "X-Two", 0, " 2"},
		{EditAppend, "Date", 0, " now"},
	}
	if got := h.Edits(); !reflect.DeepEqual(got, want) {
		t.Errorf("edits %+v", got)
	}
	if got := h.text(); got != "X-Two: 2\r\nX-One: 1\r\nFrom: a\r\nSubject: t\r\n u\r\nDate: now\r\n" {
		t.Errorf("header %q", got)
	}
}

func TestUntouchedHeaderHasNoEdits(t *testing.T) {
	if got := headerOf("A: 1", "B: 2").Edits(); got != nil {
		t.Errorf("edits %v", got)
	}
}

func TestEditsOfAddedFields(t *testing.T) {
	h := headerOf("A: 1")
	h.Prepend("P", " 1")
	h.Append("Q", " 2")
	for i := range h.Named("P") {
		h.Replace(i, " 3")
	}
	for i := range h.Named("Q") {
		h.Remove(i)
	}
	if got := h.Edits(); !reflect.DeepEqual(got, []Edit{{EditPrepend, "P", 0, " 3"}}) {
		t.Errorf("edits %+v", got)
	}
}

// TestEditsReplayToTheSameHeader applies random edits and replays the journal
// as both MTAs do: one forgets removed fields at once, the other still counts them.
func TestEditsReplayToTheSameHeader(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var lines []string
		for i := range 1 + rnd.IntN(8) {
			lines = append(lines, string(rune('A'+rnd.IntN(3)))+": "+strconv.Itoa(i))
		}
		h := headerOf(lines...)
		for i := range rnd.IntN(8) {
			var indexes []int
			for j := range h.Fields() {
				indexes = append(indexes, j)
			}
			op := rnd.IntN(4)
			switch {
			case op == 0:
				h.Prepend("P", " "+strconv.Itoa(i))
			case op == 1:
				h.Append("B", " "+strconv.Itoa(i))
			case len(indexes) == 0:
			case op == 2:
				h.Remove(indexes[rnd.IntN(len(indexes))])
			default:
				h.Replace(indexes[rnd.IntN(len(indexes))], " r"+strconv.Itoa(i))
			}
		}
		for _, countsRemoved := range []bool{false, true} {
			if got := replay(lines, h.Edits(), countsRemoved); got != h.text() {
				t.Fatalf("seed %d, removed fields counted %v:\n%q\nwant\n%q", seed, countsRemoved, got, h.text())
			}
		}
	}
}

func replay(lines []string, edits []Edit, countsRemoved bool) string {
	type field struct {
		name, value string
		removed     bool
	}
	var fields []field
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ":")
		fields = append(fields, field{name: name, value: value})
	}
	find := func(e Edit) *field {
		n := 0
		for i := range fields {
			if f := &fields[i]; strings.EqualFold(f.name, e.Name) && (countsRemoved || !f.removed) {
				if n++; n == e.Occurrence {
					return f
				}
			}
		}
		panic("no such field")
	}
	for _, e := range edits {
		switch e.Op {
		case EditChange:
			find(e).value = e.Value
		case EditRemove:
			find(e).removed = true
		case EditPrepend:
			fields = append([]field{{name: e.Name, value: e.Value}}, fields...)
		case EditAppend:
			fields = append(fields, field{name: e.Name, value: e.Value})
		}
	}
	var b strings.Builder
	for _, f := range fields {
		if !f.removed {
			b.WriteString(f.name + ":" + f.value + "\r\n")
		}
	}
	return b.String()
}

func TestReceiveKeepsNothingPastTheBounds(t *testing.T) {
	h := &Header{MaxBytes: 10}
	if err := h.Receive(NewField("A", " 1")); err != nil || h.Overflow() {
		t.Fatal(err)
	}
	for range 3 {
		if err := h.Receive(NewField("B", " 22222")); err != ErrHeaderTooLarge || !h.Overflow() {
			t.Errorf("err = %v", err)
		}
	}
	if err := h.Receive(NewField("C", "")); err != ErrHeaderTooLarge {
		t.Error("a small field was kept after a large one was dropped")
	}
	if h.text() != "A: 1\r\n" || h.Arrived() != 5 {
		t.Errorf("kept %q, arrived %d", h.text(), h.Arrived())
	}
}

func TestOnErrorText(t *testing.T) {
	for _, o := range []OnError{Tempfail, Accept, Hold} {
		var back OnError
		if err := back.UnmarshalText([]byte(o.String())); err != nil || back != o {
			t.Errorf("%v: %v, %v", o, back, err)
		}
	}
	var o OnError
	if err := o.UnmarshalText([]byte("ignore")); err == nil {
		t.Error("ignore was taken")
	}
}

func TestDomain(t *testing.T) {
	for in, want := range map[string]string{
		"a@Example.ORG": "example.org", "a@example.org.": "example.org", `"x@y"@example.org`: "example.org", "a": "", "": "",
	} {
		if got := Domain(in); got != want {
			t.Errorf("Domain(%q) = %q, want %q", in, got, want)
		}
	}
}
