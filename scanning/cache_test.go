package scanning

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/message"
	"pratique/scanning/clamdtest"
)

// caching returns a scanner with a cache that knows clamd's version.
func caching(t testing.TB, clamd string) *Scanner {
	t.Helper()
	opts := options(clamd)
	opts.Cache = 10 * time.Minute
	s := newScanner(t, opts)
	s.cache.use("1")
	return s
}

// letter is a mail as a program writes it that makes up a boundary for each.
func letter(to, boundary, text string) []byte {
	return fmt.Appendf(nil, "Received: from a by b;\r\n\twith %[1]s\r\nFrom: shop@example.org\r\nTo: %[1]s\r\nMessage-ID: <%[2]s@example.org>\r\nSubject: news\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"%[2]s\"\r\n\r\n"+
		"--%[2]s\r\ncontent-type: multipart/alternative; boundary=in-%[4]x; charset=x\r\n\r\n--in-%[4]x\r\n\r\n%[3]s\r\n--in-%[4]x--\r\n--%[2]s--\r\n", to, boundary, text, boundary)
}

func TestCacheSparesClamd(t *testing.T) {
	large := strings.Repeat("some text\r\n", chunkSize/11)
	for name, c := range map[string]struct {
		first, second []byte
		scans         int
	}{
		"the same":                        {mail(small), mail(small), 1},
		"for somebody else":               {letter("a@b.example", "b1", "text"), letter("c@d.example", "x_2", "text"), 1},
		"for somebody else, two chunks":   {letter("a@b.example", "b1", large), letter("c@d.example", "x_2", large), 1},
		"another text":                    {letter("a@b.example", "b1", "text"), letter("a@b.example", "b1", "texts"), 2},
		"another subject":                 {[]byte("Subject: a\r\n\r\na"), []byte("Subject: b\r\n\r\na"), 2},
		"another type":                    {[]byte("Content-Type: text/html\r\n\r\na"), []byte("Content-Type: text/plain\r\n\r\na"), 2},
		"the body for the header":         {[]byte("Subject: a\r\n\r\nb: c\r\n\r\nd"), []byte("Subject: a\r\nb: c\r\n\r\n\r\nd"), 2},
		"a boundary in the text":          {letter("a@b.example", "b1", "b1"), letter("a@b.example", "x_2", "x_2"), 2},
		"a delimiter that goes on":        {letter("a@b.example", "b1", "--b1 x"), letter("a@b.example", "x_2", "--x_2 x"), 2},
		"no header of a part":             {letter("a@b.example", "b1", "Content-Type: multipart/x; boundary=b2"), letter("a@b.example", "b1", "Content-Type: multipart/x; boundary=b3"), 2},
		"no multipart":                    {[]byte("Content-Type: text/plain; boundary=a\r\n\r\na"), []byte("Content-Type: text/plain; boundary=b\r\n\r\na"), 2},
		"in another parameter":            {[]byte("Content-Type: multipart/x; a=\"boundary=a\"; boundary=c\r\n\r\n--a"), []byte("Content-Type: multipart/x; a=\"boundary=b\"; boundary=c\r\n\r\n--b"), 2},
		"no boundary by the grammar":      {[]byte("Content-Type: multipart/x; boundary=\"<a>\"\r\n\r\n--<a>"), []byte("Content-Type: multipart/x; boundary=\"<b>\"\r\n\r\n--<b>"), 2},
		"NUL":                             {[]byte("Subject: a\r\n\r\n\x00"), []byte("Subject: a\r\n\r\n\x00"), 2},
		"NUL in the header":               {[]byte("Subject: \x00\r\n\r\na"), []byte("Subject: \x00\r\n\r\na"), 2},
		"CR":                              {[]byte("Subject: a\r\n\r\na\rb"), []byte("Subject: a\r\n\r\na\rb"), 2},
		"another recipient":               {[]byte("To: a\r\nSubject: a\r\n\r\na"), []byte("To: b,\r\n c\r\nSubject: a\r\n\r\na"), 1},
		"a recipient with an empty line":  {[]byte("To: a\r\nSubject: a\r\n\r\na"), []byte("To: b,\r\n \r\nSubject: a\r\n\r\na"), 2},
		"a recipient too long for a line": {[]byte("To: a\r\nSubject: a\r\n\r\na"), []byte("To: b" + strings.Repeat("b", 1000) + "\r\nSubject: a\r\n\r\na"), 2},
		"one boundary in another":         {nested("ab", "b"), nested("cd", "e"), 2},
		"boundaries alike":                {nested("ab", "AB"), nested("cd", "e"), 2},
		"comments in the text":            {letter("a@b.example", "b1", "- a list (short)\r\n(a comment) - x"), letter("c@d.example", "x_2", "- a list (short)\r\n(a comment) - x"), 1},
		"boundaries apart":                {nested("ab", "cd"), nested("ef", "gh"), 1},
		"too large to wait":               {mail(3 * chunkSize), mail(3 * chunkSize), 2},
	} {
		t.Run(name, func(t *testing.T) {
			clamd := clamdtest.Start(t)
			s := caching(t, clamd.Address())
			for i, raw := range [][]byte{c.first, c.second} {
				m, err := play(t, s, raw)
				if err != nil || note(m, "verdict") != "clean" || (note(m, "cached") != "") != (i == 1 && c.scans == 1) {
					t.Errorf("message %d: %v, %v", i+1, err, m.Notes)
				}
			}
			scans := clamd.Scans()
			if len(scans) != c.scans {
				t.Fatalf("%d scans", len(scans))
			}
			if !bytes.Equal(scans[0].Stream, marked(c.first)) {
				t.Errorf("clamd got %d octets of %d", len(scans[0].Stream), len(c.first))
			}
		})
	}
}

func nested(outer, inner string) []byte {
	return fmt.Appendf(nil, "Content-Type: multipart/x; boundary=%[1]s\r\n\r\n--%[1]s\r\nContent-Type: multipart/x; boundary=%[2]s\r\n\r\ntext\r\n--%[1]s--\r\n", outer, inner)
}

// TestRealClamdSeesOtherBoundaries has clamd see the boundary of a first message in a line
// where another message with the same lines has none, and where it finds malware.
func TestRealClamdSeesOtherBoundaries(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	signature := fmt.Sprintf("Test.Halves:0:*:%x{0-60}%x\n", "first half", "second half")
	if err := os.WriteFile(filepath.Join(clamd.Databases(), "halves.ndb"), []byte(signature), 0o644); err != nil {
		t.Fatal(err)
	}
	clamd.Stop()
	if err := clamd.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1000)
	for name, c := range map[string]struct{ boundary, other, between string }{
		"in other letters":     {"AbC", "xyz", "--aBc"},
		"with more hyphens":    {"AbC", "xyz", "---AbC"},
		"with more behind it":  {"AbC", "xyz", "--AbC--x"},
		"with a comment in it": {"AbC", "xyz", "--A(a comment)bC"},
		"behind a comment":     {"AbC", "xyz", "(a comment)--AbC"},
		"behind a CR":          {"AbC", "xyz", "x\r--A(a comment)bC"},
		"behind a space":       {"AbC ", "xyz", "--AbC"},
		"behind one hyphen":    {"AbC", "xyz", "-?AbC"},
		"behind a long line":   {"AbC", "xyz", long + "--A(a comment)bC"},
	} {
		t.Run(name, func(t *testing.T) {
			of := func(boundary string) []byte {
				return fmt.Appendf(nil, "From: a@b.example\r\nContent-Type: multipart/mixed; boundary=\"%[1]s\"\r\n\r\n"+
					"--%[1]s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nfirst =68alf\r\n%[2]s\r\nsecond =68alf\r\n--%[1]s--\r\n", boundary, c.between)
			}
			s := caching(t, clamd.Address())
			_, first := play(t, s, of(c.boundary))
			m, second := play(t, s, of(c.other))
			if note(m, "cached") != "" {
				t.Errorf("%v; then taken for the same: %v", first, second)
			}
			if len(c.between) < 100 && second == nil {
				t.Errorf("nothing was found in the other message; in the first: %v", first)
			}
		})
	}
}

func TestOnlyCleanIsRemembered(t *testing.T) {
	for name, behaviour := range map[string]clamdtest.Behaviour{
		"infected": clamdtest.Answer("stream: Eicar FOUND"),
		"oversize": clamdtest.Answer("INSTREAM size limit exceeded. ERROR"),
		"failing":  clamdtest.Answer("Can't open file or directory ERROR"),
	} {
		t.Run(name, func(t *testing.T) {
			clamd := clamdtest.Start(t, behaviour)
			s := caching(t, clamd.Address())
			for range 2 {
				if _, err := play(t, s, mail(small)); err == nil {
					t.Error("it was let through")
				}
			}
			if n := len(clamd.Scans()); n != 2 {
				t.Errorf("%d scans", n)
			}
		})
	}
}

// TestCacheIsOfOneSetOfSignatures also sees that a verdict that was under way while they changed is forgotten.
func TestCacheIsOfOneSetOfSignatures(t *testing.T) {
	var s *Scanner
	change := func(to string) clamdtest.Behaviour {
		return func(c *clamdtest.Conn) {
			s.cache.use(to)
			clamdtest.Clean(c)
		}
	}
	clamd := clamdtest.Start(t, clamdtest.Clean, clamdtest.Clean, change("3"), clamdtest.Clean)
	s = caching(t, clamd.Address())
	for i, c := range []struct {
		use  string // before the message
		seen int    // scans after it
	}{
		{"1", 1}, {"1", 1},
		{"2", 2}, // during the next scan it becomes 3
		{"x", 3},
		{"3", 4}, {"3", 4},
		{"", 5}, {"", 6}, // clamd does not answer
		{"3", 7}, {"3", 7},
	} {
		s.cache.use(c.use)
		if _, err := play(t, s, mail(small)); err != nil {
			t.Fatal(err)
		}
		if n := len(clamd.Scans()); n != c.seen {
			t.Fatalf("after message %d: %d scans", i+1, n)
		}
	}
}

func TestCacheForgets(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	c := newCache(10*time.Minute, func() time.Time { return now })
	c.use("1")
	known := func(d digest) bool { k, _ := c.clean(d); return k }
	remember := func(d digest) { _, epoch := c.clean(d); c.remember(d, epoch) }
	for _, step := range []struct {
		after time.Duration
		known bool
	}{{4 * time.Minute, true}, {10 * time.Minute, false}, {-time.Second, false}, {100 * time.Hour, false}} {
		now = now.Add(time.Hour)
		remember(digest{1})
		now = now.Add(step.after)
		if known(digest{1}) != step.known {
			t.Errorf("after %v: %t", step.after, !step.known)
		}
	}
	for i := range 5 * mostRemembered {
		remember(digest{2, byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if n := len(c.young) + len(c.old); n > 2*mostRemembered {
		t.Errorf("it remembers %d", n)
	}
}

// TestAnyCutIsTheSameContent plays the same message in other pieces.
func TestAnyCutIsTheSameContent(t *testing.T) {
	clamd := clamdtest.Start(t)
	s := caching(t, clamd.Address())
	raw := letter("a@b.example", "b1", strings.Repeat("a line of text\r\n", 6000))
	if _, err := play(t, s, raw); err != nil {
		t.Fatal(err)
	}
	_, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		m := &message.Message{}
		if err := message.Play(context.Background(), message.NewChain(), m, bytes.NewReader(raw), nil); err != nil {
			t.Fatal(err)
		}
		i, err := s.Begin(context.Background(), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Header(); err != nil {
			t.Fatal(err)
		}
		for rest := body; len(rest) > 0; {
			n, err := i.Write(rest[:1+random.IntN(min(len(rest), 70_000))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := i.End(); err != nil || note(m, "cached") == "" {
			t.Errorf("%v, %v", err, m.Notes)
		}
		i.Close()
	}
	if n := len(clamd.Scans()); n != 1 {
		t.Errorf("%d scans", n)
	}
}

// TestRealClamdWithNewSignatures lets clamd learn what it called clean before.
func TestRealClamdWithNewSignatures(t *testing.T) {
	clamd := clamdtest.StartReal(t, nil)
	opts := options(clamd.Address())
	opts.Cache = time.Hour
	s := newScanner(t, opts)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.Watch(ctx, 10*time.Millisecond, func(error) {})
	wait := func(what string, raw []byte, until func(m *message.Message, err error) bool) {
		t.Helper()
		for range 500 {
			if until(play(t, s, raw)) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("it never was: %s", what)
	}
	raw := []byte("Subject: a\r\n\r\nfirst the malware is not known\r\n")
	wait("taken from the cache", raw, func(m *message.Message, err error) bool { return err == nil && note(m, "cached") != "" })
	signature := fmt.Sprintf("Test.New:0:*:%x\n", "the malware is not known")
	if err := os.WriteFile(filepath.Join(clamd.Databases(), "new.ndb"), []byte(signature), 0o644); err != nil {
		t.Fatal(err)
	}
	// clamd's version does not tell of signatures of one's own: it has to go and come.
	clamd.Stop()
	wait("unknown while clamd is away", raw, func(_ *message.Message, err error) bool { return err != nil })
	if err := clamd.Start(ctx); err != nil {
		t.Fatal(err)
	}
	wait("found", raw, func(m *message.Message, err error) bool {
		return note(m, "verdict") == "infected with Test.New.UNOFFICIAL"
	})
}

// FuzzContent sees that a digest is of all that does not vary: it is the same for another
// boundary only.
func FuzzContent(f *testing.F) {
	f.Add([]byte("--b1\r\n\r\ntext\r\n--b1--\r\n"), "b1")
	f.Add(letter("a@b.example", "b1", "text"), "b1")
	f.Add([]byte("--b1\r\n boundary=\r\n\tboundary=\"\r\n"), "")
	f.Fuzz(func(t *testing.T, body []byte, boundary string) {
		of := func(body []byte) (digest, bool) {
			var h message.Header
			if err := h.Receive(message.NewField("Content-Type", " multipart/mixed; boundary=\""+boundary+"\"")); err != nil {
				t.Skip()
			}
			return newContent(&h).digest(body)
		}
		once, ok := of(body)
		if again, _ := of(body); again != once {
			t.Error("the same content has two digests")
		}
		if bytes.Contains(bytes.ToLower(body), boundaryParam) {
			return // what follows may be another boundary
		}
		if other, _ := of(append(body[:len(body):len(body)], 'x')); ok && other == once {
			t.Error("another content has the same digest")
		}
	})
}

// BenchmarkRepeated is a real clamd with and without the cache, for content that comes again.
func BenchmarkRepeated(b *testing.B) {
	clamd := clamdtest.StartReal(b, map[string]string{"MaxThreads": "10"})
	asks, spares := newScanner(b, options(clamd.Address())), caching(b, clamd.Address())
	var times [2]time.Duration
	n := 0
	for b.Loop() {
		n++
		raw := letter(fmt.Sprintf("a%d@b.example", n), fmt.Sprintf("=_%d", n), strings.Repeat("some text\r\n", 50<<10/11))
		header, body := split(b, raw)
		for i, s := range []*Scanner{asks, spares} {
			begun := time.Now()
			if err := stream(s, &message.Message{Header: header}, body); err != nil {
				b.Fatal(err)
			}
			times[i] += time.Since(begun)
		}
	}
	b.ReportMetric(float64(times[0])/float64(times[1]), "asked/cached")
	b.ReportMetric(float64(times[1].Microseconds())/float64(n), "µs-cached")
}
