package preview

import (
	"context"
	"encoding/base64"
	"encoding/json"

	"pratique/lint/preview/devtools"
)

// browser is a Chromium that shows one document, runs no script, and reaches no network.
type browser struct {
	*devtools.Browser
	document string   // what the page is served
	loaded   bool     // the page has loaded
	refused  []string // URLs that it wanted to load, each once
}

// object is a JSON object.
type object = devtools.Object

// pageURL is where the document is served, by answering the request for it.
const pageURL = "http://message.invalid/"

// startBrowser starts a Chromium that ends with the context.
func startBrowser(ctx context.Context, path string) (*browser, error) {
	// Whatever gets past the refusals below, such as a preconnect, ends at a closed port.
	inside, err := devtools.Start(ctx, path, "--proxy-server=127.0.0.1:9", "--proxy-bypass-list=<-loopback>", "--host-resolver-rules=MAP * ~NOTFOUND")
	if err != nil {
		return nil, err
	}
	b := &browser{Browser: inside}
	b.Event = b.event
	for _, c := range []struct {
		method string
		params object
	}{
		{"Emulation.setScriptExecutionDisabled", object{"value": true}},
		{"Fetch.enable", object{"patterns": []object{{"urlPattern": "*"}}}},
	} {
		if err := b.Call(c.method, c.params, nil); err != nil {
			b.Close()
			return nil, err
		}
	}
	return b, nil
}

func (b *browser) event(method string, params json.RawMessage) error {
	switch method {
	case "Page.loadEventFired":
		b.loaded = true
	case "Fetch.requestPaused":
		return b.answer(params)
	}
	return nil
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
	_, err := b.Send("Fetch.failRequest", object{"requestId": p.RequestID, "errorReason": "BlockedByClient"})
	return err
}

func (b *browser) fulfil(p paused, status int, body string) error {
	_, err := b.Send("Fetch.fulfillRequest", object{
		"requestId": p.RequestID, "responseCode": status,
		"responseHeaders": []object{{"name": "Content-Type", "value": "text/html; charset=utf-8"}},
		"body":            base64.StdEncoding.EncodeToString([]byte(body)),
	})
	return err
}

// load shows a document and waits until it and what it refers to have loaded or failed.
func (b *browser) load(document string) error {
	b.document, b.loaded = document, false
	if err := b.Call("Page.navigate", object{"url": pageURL}, nil); err != nil {
		return err
	}
	return b.Wait(func() bool { return b.loaded })
}
