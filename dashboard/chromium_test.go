package dashboard

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/lint/preview/devtools"
)

// window is a real browser with one page, which notes what it complains of.
type window struct {
	*devtools.Browser
	t          *testing.T
	loaded     bool
	complaints []string
}

func open(t *testing.T) *window {
	t.Helper()
	path, err := devtools.Find()
	if err != nil {
		if os.Getenv("PRATIQUE_REQUIRE_REAL") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	b, err := devtools.Start(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	w := &window{Browser: b, t: t}
	b.Event = w.event
	w.call("Log.enable", nil)
	w.call("Runtime.enable", nil)
	return w
}

func (w *window) event(method string, params json.RawMessage) error {
	switch method {
	case "Page.loadEventFired":
		w.loaded = true
	case "Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening":
		w.complaints = append(w.complaints, fmt.Sprintf("%s %.300s", method, params))
	}
	return nil
}

func (w *window) call(method string, params devtools.Object) {
	w.t.Helper()
	if err := w.Call(method, params, nil); err != nil {
		w.t.Fatal(err)
	}
}

func (w *window) visit(url string) {
	w.t.Helper()
	w.loaded = false
	w.call("Page.navigate", devtools.Object{"url": url})
	if err := w.Wait(func() bool { return w.loaded }); err != nil {
		w.t.Fatal(err)
	}
}

// eval returns what an expression is, as JSON.
func (w *window) eval(expression string) string {
	w.t.Helper()
	var result struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Text string }
	}
	if err := w.Call("Runtime.evaluate", devtools.Object{"expression": expression, "returnByValue": true, "awaitPromise": true}, &result); err != nil {
		w.t.Fatal(err)
	}
	if result.ExceptionDetails != nil {
		w.t.Fatalf("%s: %s", expression, result.ExceptionDetails.Text)
	}
	return string(result.Result.Value)
}

// screen sets how the page is shown.
func (w *window) screen(width, height int, scheme string) {
	w.call("Emulation.setDeviceMetricsOverride", devtools.Object{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})
	w.call("Emulation.setEmulatedMedia", devtools.Object{"features": []devtools.Object{{"name": "prefers-color-scheme", "value": scheme}}})
}

// shoot keeps a picture where PRATIQUE_SHOTS names a folder, to look at.
func (w *window) shoot(name string) {
	folder := os.Getenv("PRATIQUE_SHOTS")
	if folder == "" {
		return
	}
	var shot struct{ Data string }
	if err := w.Call("Page.captureScreenshot", devtools.Object{"captureBeyondViewport": true}, &shot); err != nil {
		w.t.Fatal(err)
	}
	data, err := base64.StdEncoding.DecodeString(shot.Data)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), data, 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// In a real browser, on a desk and a phone, light and dark: nothing is refused by
// the policy, no script of a stranger runs, and nothing is wider than the screen.
func TestInABrowser(t *testing.T) {
	base := serve(t, sources(aDay(t)))
	_, list, _ := get(t, base+"/messages?client=192.0.2.66")
	_, id, _ := strings.Cut(list, `/messages/`)
	id, _, _ = strings.Cut(id, `"`)
	w := open(t)
	for _, s := range []struct {
		name          string
		width, height int
		scheme        string
	}{{"desk-light", 1280, 900, "light"}, {"phone-dark", 390, 844, "dark"}} {
		w.screen(s.width, s.height, s.scheme)
		for _, path := range []string{"/", "/messages", "/messages/" + id, "/alerts", "/limits", "/posture", "/queue"} {
			w.visit(base + path)
			if got := w.eval("window.stolen === undefined && document.querySelectorAll('main script, main img, main iframe').length"); got != "0" {
				t.Errorf("%s %s: a stranger's script or element is in the page: %s", s.name, path, got)
			}
			if got := w.eval("document.documentElement.scrollWidth"); got != fmt.Sprint(s.width) {
				t.Errorf("%s %s: it is %s wide", s.name, path, got)
			}
			if got := w.eval("getComputedStyle(document.querySelector('header')).borderBottomStyle"); got != `"solid"` {
				t.Errorf("%s %s: the style sheet is not in force: %s", s.name, path, got)
			}
			w.shoot(s.name + strings.ReplaceAll(strings.TrimSuffix(path, id), "/", "-"))
		}
		want := map[string]string{"light": `"rgb(244, 245, 247)"`, "dark": `"rgb(18, 21, 25)"`}[s.scheme]
		if got := w.eval("getComputedStyle(document.body).backgroundColor"); got != want {
			t.Errorf("%s: the ground is %s", s.name, got)
		}
	}
	if len(w.complaints) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(w.complaints, "\n"))
	}
}

// The page renews itself when there is news; without scripts it asks for it each minute.
func TestNewsInABrowser(t *testing.T) {
	k := newKept(t)
	k.at(time.Hour, letter(1), messageAccepted)
	defer k.close()
	base := serve(t, sources(k.dir))
	awaitRecord(t, base)
	w := open(t)
	w.visit(base + "/")
	const accepted = "document.querySelector('.tiles .accepted b').textContent"
	if got := w.eval(accepted); got != `"1"` {
		t.Fatalf("accepted %s", got)
	}
	w.eval("document.querySelector('details').open = true; window.same = true; 0")
	k.at(time.Minute, letter(2), messageAccepted)
	deadline := time.Now().Add(30 * time.Second)
	for w.eval(accepted) != `"2"` {
		if time.Now().After(deadline) {
			t.Fatal("the page does not renew itself")
		}
		time.Sleep(200 * time.Millisecond)
	}
	if got := w.eval("window.same && document.querySelector('details').open"); got != "true" {
		t.Errorf("it was loaded anew, or what was opened is closed: %s", got)
	}

	w.call("Emulation.setScriptExecutionDisabled", devtools.Object{"value": true})
	w.visit(base + "/")
	w.call("Emulation.setScriptExecutionDisabled", devtools.Object{"value": false})
	if got := w.eval("document.querySelector('meta[http-equiv=refresh]').content + ' ' + " + accepted); got != `"60 2"` {
		t.Errorf("without scripts: %s", got)
	}
}
