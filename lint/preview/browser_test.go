package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pratique/lint"
	"pratique/lint/report"
	"pratique/message"

	"pratique/lint/preview/devtools"
)

// chromium returns the real browser, without which these tests have nothing to say.
func chromium(t *testing.T) string {
	t.Helper()
	path, err := devtools.Find()
	if err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

func rendered(t *testing.T, c *Content) (map[string]Shot, []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	shots, remote, err := Render(ctx, chromium(t), c)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Shot{}
	for _, s := range shots {
		byName[s.Name] = s
	}
	if len(byName) != len(Views()) {
		t.Fatalf("%d views, want %d", len(byName), len(Views()))
	}
	return byName, remote
}

// colours counts the colours in the upper part of a shot.
func colours(t *testing.T, s Shot) map[color.RGBA]int {
	t.Helper()
	picture, err := png.Decode(bytes.NewReader(s.PNG))
	if err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	if picture.Bounds() != image.Rect(0, 0, s.Width, s.Height) {
		t.Errorf("%s: %v, said to be %d × %d", s.Name, picture.Bounds(), s.Width, s.Height)
	}
	n := map[color.RGBA]int{}
	for y := range min(s.Height, 400) {
		for x := range s.Width {
			n[color.RGBAModel.Convert(picture.At(x, y)).(color.RGBA)]++
		}
	}
	return n
}

var (
	red   = color.RGBA{255, 0, 0, 255}
	lime  = color.RGBA{0, 255, 0, 255}
	white = color.RGBA{255, 255, 255, 255}
)

func TestRender(t *testing.T) {
	// A red dot of one pixel, drawn 40 × 40; boxes that only dark mode, a script, or the network would turn lime.
	c := &Content{
		HTML: `<meta name=viewport content="width=device-width">
			<style>@media (prefers-color-scheme: dark) { #dark { background: lime } }</style>
			<img src="cid:dot" width=40 height=40><div id=dark style="width:50px;height:50px"></div>
			<div id=script style="width:10px;height:10px"></div><div style="width:700px">wide</div>
			<script>document.getElementById("script").style.background = "lime"</script>
			<div onclick="" style="height:9000px"></div>`,
		inline: read(t, strings.ReplaceAll(string(letter(t)), "<logo>", "<dot>")).inline,
	}
	shots, remote := rendered(t, c)
	if len(remote) != 0 {
		t.Errorf("it wanted to load %q", remote)
	}
	for name, s := range shots {
		wantRed, wantLime := 1600, 0
		if !s.images {
			wantRed = 0
		}
		if s.dark {
			wantLime = 2500
		}
		if got := colours(t, s); got[red] != wantRed || got[lime] != wantLime {
			t.Errorf("%s: %d red pixels and %d lime ones, want %d and %d", name, got[red], got[lime], wantRed, wantLime)
		}
		if !s.Cut || s.Height != maxHeight || s.Sideways != s.mobile {
			t.Errorf("%s: cut %v at %d, sideways %v", name, s.Cut, s.Height, s.Sideways)
		}
	}
}

func TestRenderDarkensWhatHasNoDarkStyle(t *testing.T) {
	shots, _ := rendered(t, &Content{HTML: "<p>text"})
	if light, dark := colours(t, shots["Desktop"])[white], colours(t, shots["Desktop, dark"])[white]; light < 300_000 || dark > 10_000 {
		t.Errorf("%d white pixels by light, %d in the dark", light, dark)
	}
}

// TestRenderReachesNothing holds that a message that is looked at tells nobody.
func TestRenderReachesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var connections atomic.Int32
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()
	at := func(path string) string { return fmt.Sprintf("http://%s/%s", l.Addr(), path) }
	_, remote := rendered(t, &Content{HTML: `<link rel=preconnect href="` + at("") + `"><link rel=dns-prefetch href="//tracker.example">
		<link rel=stylesheet href="` + at("style") + `"><img src="` + at("image") + `"><iframe src="` + at("frame") + `"></iframe>
		<style>@import "` + at("import") + `"; @font-face { font-family: f; src: url(` + at("font") + `) } p { font-family: f }</style>
		<p>text<video poster="` + at("poster") + `" src="` + at("video") + `" autoplay></video><object data="` + at("object") + `"></object>
		<meta http-equiv=refresh content="0;url=` + at("refresh") + `"><form action="` + at("form") + `"><input autofocus></form>`})
	for _, path := range []string{"style", "image", "frame", "import"} {
		if !slices.Contains(remote, at(path)) {
			t.Errorf("%s is not on the list %q", at(path), remote)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestRenderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Render(ctx, chromium(t), &Content{HTML: "<p>"}); err == nil {
		t.Error("no error")
	}
	if _, _, err := Render(context.Background(), "/bin/false", &Content{HTML: "<p>"}); err == nil {
		t.Error("a program that is no browser: no error")
	}
	if _, _, err := Render(context.Background(), "/none", &Content{HTML: "<p>"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestFindNone(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if path, err := devtools.Find(); !errors.Is(err, devtools.ErrNoBrowser) {
		t.Errorf("%q, %v", path, err)
	}
}

// TestPage shows a hostile message in the page itself: nothing of it may run or load.
func TestPage(t *testing.T) {
	const hostile = `<script>alert(1)</script>"'<img src=x onerror=alert(1)>`
	source := []byte("Subject: " + hostile + "\nContent-Type: text/plain; name=\"" + `<b>` + "\"\n\n" + hostile + "\n")
	header := message.Header{}
	if err := header.Receive(message.NewField("Subject", " "+hostile)); err != nil {
		t.Fatal(err)
	}
	l := &report.Letter{Name: hostile + ".eml", File: hostile, FirstLine: 1, Source: source, Header: &header,
		Findings: []message.Finding{{Check: "lint", Rule: "H01", Action: "reject", Where: hostile, Detail: hostile}}}
	page := Page{Letter: l, Content: read(t, string(source)), Rules: lint.Rules(), Remote: []string{hostile},
		Shots: []Shot{{View: View{Name: hostile}, PNG: []byte("x"), Width: 1, Height: 1}}}
	var out bytes.Buffer
	if err := page.Write(&out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Contains(text, "<script") || strings.Contains(text, "<img src=x") || strings.Contains(text, "<b>") {
		t.Errorf("a tag of the message got through:\n%s", text)
	}
	if n := strings.Count(text, "&lt;script&gt;"); n < 6 {
		t.Errorf("only %d places show the text", n)
	}
	shots, remote := rendered(t, &Content{HTML: text})
	if len(remote) != 0 || len(shots) == 0 {
		t.Errorf("the page wants to load %q", remote)
	}
}
