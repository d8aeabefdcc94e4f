package preview

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Names are the programs that are looked for, in this order.
func Names() []string {
	return []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"}
}

// ErrNoBrowser is returned by Find.
var ErrNoBrowser = errors.New("no Chromium is installed")

// Find returns the path of the first browser that is installed.
func Find() (string, error) {
	for _, name := range Names() {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoBrowser
}

// browser is a Chromium with one page, driven by the DevTools protocol over a
// pipe: file descriptors 3 and 4 of the process, each message ended by NUL
// (--remote-debugging-pipe). It listens on no port.
type browser struct {
	process *exec.Cmd
	folder  string
	to      io.WriteCloser
	from    *bufio.Reader
	pipe    io.Closer
	last    int    // id of the last command
	session string // of the page

	document string   // what the page is served
	loaded   bool     // the page has loaded
	refused  []string // URLs that it wanted to load, each once
}

// pageURL is where the document is served, by answering the request for it.
const pageURL = "http://message.invalid/"

// startBrowser starts a Chromium that ends with the context.
func startBrowser(ctx context.Context, path string) (*browser, error) {
	folder, err := os.MkdirTemp("", "pratique-preview-")
	if err != nil {
		return nil, err
	}
	b := &browser{folder: folder}
	if err := b.spawn(ctx, path); err != nil {
		b.close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	if err := b.openPage(); err != nil {
		b.close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

func (b *browser) spawn(ctx context.Context, path string) error {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirIn.Close()
	b.to = ourOut
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirOut.Close()
	b.pipe, b.from = ourIn, bufio.NewReaderSize(ourIn, 64<<10)

	process := exec.CommandContext(ctx, path, b.flags()...)
	process.ExtraFiles = []*os.File{theirIn, theirOut}
	process.WaitDelay = 5 * time.Second
	if err := process.Start(); err != nil {
		return err
	}
	b.process = process
	go func() { // a read from the pipe knows no context
		<-ctx.Done()
		ourIn.SetReadDeadline(time.Now())
	}()
	return nil
}

func (b *browser) flags() []string {
	flags := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + b.folder,
		"--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
		// Whatever gets past the refusals below, such as a preconnect, ends at a closed port.
		"--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP * ~NOTFOUND",
		"--disable-dev-shm-usage", "about:blank",
	}
	if os.Geteuid() == 0 {
		flags = append([]string{"--no-sandbox"}, flags...) // as root Chromium starts no other way
	}
	return flags
}

// openPage attaches to a page that runs no scripts and has every request told to us.
func (b *browser) openPage() error {
	var target struct{ TargetID string }
	if err := b.call("Target.createTarget", object{"url": "about:blank"}, &target); err != nil {
		return err
	}
	var attached struct{ SessionID string }
	if err := b.call("Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return err
	}
	b.session = attached.SessionID
	for _, c := range []struct {
		method string
		params object
	}{
		{"Page.enable", nil},
		{"Emulation.setScriptExecutionDisabled", object{"value": true}},
		{"Fetch.enable", object{"patterns": []object{{"urlPattern": "*"}}}},
	} {
		if err := b.call(c.method, c.params, nil); err != nil {
			return err
		}
	}
	return nil
}

// object is a JSON object.
type object map[string]any

// reply is what the browser says: the answer to a command, or an event.
type reply struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// call sends a command and waits for its answer, while it serves the page.
func (b *browser) call(method string, params object, result any) error {
	id, err := b.send(method, params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	for {
		r, err := b.receive()
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", method, err)
		case r.ID != id:
			continue
		case r.Error != nil:
			return fmt.Errorf("%s: %s", method, r.Error.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(r.Result, result)
	}
}

func (b *browser) send(method string, params object) (id int, err error) {
	b.last++
	command := object{"id": b.last, "method": method}
	if b.session != "" {
		command["sessionId"] = b.session
	}
	if params != nil {
		command["params"] = params
	}
	text, err := json.Marshal(command)
	if err != nil {
		return 0, err
	}
	_, err = b.to.Write(append(text, 0))
	return b.last, err
}

// receive reads what the browser says next. Events are dealt with here.
func (b *browser) receive() (reply, error) {
	text, err := b.from.ReadBytes(0)
	if err != nil {
		return reply{}, fmt.Errorf("the browser is gone: %w", err)
	}
	var r reply
	if err := json.Unmarshal(text[:len(text)-1], &r); err != nil {
		return reply{}, err
	}
	switch r.Method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Fetch.requestPaused":
		return r, b.answer(r.Params)
	}
	return r, nil
}

// paused is a request of the page that waits for our answer.
type paused struct {
	RequestID    string
	ResourceType string
	Request      struct{ URL string }
}

// answer serves the document and refuses everything else that is asked for.
func (b *browser) answer(params json.RawMessage) error {
	var p paused
	if err := json.Unmarshal(params, &p); err != nil {
		return err
	}
	switch {
	case p.Request.URL == pageURL:
		return b.fulfil(p, 200, b.document)
	case p.Request.URL == pageURL+"favicon.ico": // the browser's own idea
		return b.fulfil(p, 404, "")
	}
	b.refuse(p.Request.URL)
	if p.ResourceType == "Document" {
		return b.fulfil(p, 204, "") // the page stays, where a failure would put an error page in its place
	}
	_, err := b.send("Fetch.failRequest", object{"requestId": p.RequestID, "errorReason": "BlockedByClient"})
	return err
}

func (b *browser) fulfil(p paused, status int, body string) error {
	_, err := b.send("Fetch.fulfillRequest", object{
		"requestId": p.RequestID, "responseCode": status,
		"responseHeaders": []object{{"name": "Content-Type", "value": "text/html; charset=utf-8"}},
		"body":            base64.StdEncoding.EncodeToString([]byte(body)),
	})
	return err
}

// load shows a document and waits until it and what it refers to have loaded or failed.
func (b *browser) load(document string) error {
	b.document, b.loaded = document, false
	if err := b.call("Page.navigate", object{"url": pageURL}, nil); err != nil {
		return err
	}
	for !b.loaded {
		if _, err := b.receive(); err != nil {
			return err
		}
	}
	return nil
}

// close ends the browser and removes what it kept.
func (b *browser) close() {
	if b.process != nil {
		b.to.Close() // it ends when its pipe does
		b.process.Wait()
	}
	if b.pipe != nil {
		b.pipe.Close()
	}
	os.RemoveAll(b.folder)
}
