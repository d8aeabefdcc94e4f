// Package devtools drives a headless Chromium by the DevTools protocol over a
// pipe: file descriptors 3 and 4 of the process, each message ended by NUL
// (--remote-debugging-pipe). It listens on no port. What a page is for does not
// live here.
package devtools

import (
	"bufio"
	"context"
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

// Object is a JSON object.
type Object map[string]any

// Browser is a Chromium with one page. It is used by one goroutine at a time.
type Browser struct {
	// Event is told what the browser says by itself, while a Call or Wait waits. nil: nobody is.
	Event func(method string, params json.RawMessage) error

	process *exec.Cmd
	folder  string
	to      io.WriteCloser
	from    *bufio.Reader
	pipe    io.Closer
	last    int    // id of the last command
	session string // of the page
}

// Start starts a Chromium that ends with the context, with an empty page and a
// profile of its own. The flags come in addition to those that keep it quiet.
func Start(ctx context.Context, path string, flags ...string) (*Browser, error) {
	folder, err := os.MkdirTemp("", "pratique-chromium-")
	if err != nil {
		return nil, err
	}
	b := &Browser{folder: folder}
	err = b.spawn(ctx, path, flags)
	if err == nil {
		err = b.openPage()
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return b, nil
}

func (b *Browser) spawn(ctx context.Context, path string, flags []string) error {
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

	process := exec.CommandContext(ctx, path, append(b.flags(), flags...)...)
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

func (b *Browser) flags() []string {
	flags := []string{
		"--headless", "--remote-debugging-pipe", "--user-data-dir=" + b.folder,
		"--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-extensions", "--mute-audio", "--hide-scrollbars",
		"--disable-dev-shm-usage",
	}
	if os.Geteuid() == 0 {
		flags = append(flags, "--no-sandbox") // as root Chromium starts no other way
	}
	return flags
}

// openPage attaches to a page of its own.
func (b *Browser) openPage() error {
	var target struct{ TargetID string }
	if err := b.Call("Target.createTarget", Object{"url": "about:blank"}, &target); err != nil {
		return err
	}
	var attached struct{ SessionID string }
	if err := b.Call("Target.attachToTarget", Object{"targetId": target.TargetID, "flatten": true}, &attached); err != nil {
		return err
	}
	b.session = attached.SessionID
	return b.Call("Page.enable", nil, nil)
}

// reply is what the browser says: the answer to a command, or an event.
type reply struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// Call sends a command and waits for its answer, which is put into result unless
// that is nil.
func (b *Browser) Call(method string, params Object, result any) error {
	id, err := b.Send(method, params)
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

// Send sends a command and waits for nothing.
func (b *Browser) Send(method string, params Object) (id int, err error) {
	b.last++
	command := Object{"id": b.last, "method": method}
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

// Wait hands on events until done says so.
func (b *Browser) Wait(done func() bool) error {
	for !done() {
		if _, err := b.receive(); err != nil {
			return err
		}
	}
	return nil
}

// receive reads what the browser says next.
func (b *Browser) receive() (reply, error) {
	text, err := b.from.ReadBytes(0)
	if err != nil {
		return reply{}, fmt.Errorf("the browser is gone: %w", err)
	}
	var r reply
	if err := json.Unmarshal(text[:len(text)-1], &r); err != nil {
		return reply{}, err
	}
	if r.Method != "" && b.Event != nil {
		return r, b.Event(r.Method, r.Params)
	}
	return r, nil
}

// Close ends the browser and removes what it kept.
func (b *Browser) Close() {
	if b.process != nil {
		b.to.Close() // it ends when its pipe does
		b.process.Wait()
	}
	if b.pipe != nil {
		b.pipe.Close()
	}
	os.RemoveAll(b.folder)
}
