// Package preview shows what a stored message looks like: its html as a browser
// renders it on a desk and on a phone, light and dark, with images and without,
// its plain text, and what the rules found, in one page that needs nothing else.
//
// The browser is a headless Chromium, driven over a pipe. It runs no script of
// the message and reaches no network: what the message would load from elsewhere
// is refused and listed, for that is what opening the message would tell its sender.
package preview

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"

	"github.com/emersion/go-message"
	"golang.org/x/net/html/charset"
)

// Content is what of a message can be shown.
type Content struct {
	Fields []Field // of the header, those that mail programs show
	HTML   string  // the html to read, UTF-8; "" if there is none
	Text   string  // the plain text to read, UTF-8; "" if there is none
	inline map[string]inlined
}

// Field is a header field, decoded.
type Field struct{ Name, Value string }

// inlined is a part that html can show by its Content-ID (RFC 2392).
type inlined struct {
	mediaType string
	data      []byte
}

// maxParts bounds the entities that are looked at; rule M18 allows fewer.
const maxParts = 1000

var errEnough = errors.New("enough parts")

// Read takes from a message what can be shown. Of several parts of a kind, those
// that are no attachments, the first one counts.
func Read(source []byte) (*Content, error) {
	e, err := message.Read(bytes.NewReader(source))
	if err != nil && !readable(err) {
		return nil, fmt.Errorf("read the message: %w", err)
	}
	c := &Content{inline: map[string]inlined{}}
	for _, name := range []string{"From", "To", "Cc", "Subject", "Date"} {
		if value, err := e.Header.Text(name); err == nil && value != "" {
			c.Fields = append(c.Fields, Field{name, value})
		}
	}
	parts := 0
	// What is broken further down ends the walk: what was read is shown, and the
	// rules say what is broken.
	_ = e.Walk(func(_ []int, part *message.Entity, err error) error {
		if parts++; parts > maxParts {
			return errEnough
		}
		if err != nil && !readable(err) {
			return err
		}
		c.add(part)
		return nil
	})
	return c, nil
}

// readable reports an error that leaves the octets to be read as they are.
func readable(err error) bool {
	return message.IsUnknownCharset(err) || message.IsUnknownEncoding(err)
}

// add takes a part over, if it is one to show.
func (c *Content) add(part *message.Entity) {
	mediaType, params, err := part.Header.ContentType()
	if err != nil {
		mediaType = "text/plain"
	}
	if strings.HasPrefix(mediaType, "multipart/") {
		return
	}
	data, err := io.ReadAll(part.Body)
	if err != nil && len(data) == 0 {
		return // it can't be decoded: the rules say so
	}
	disposition, _, _ := part.Header.ContentDisposition()
	switch {
	case mediaType == "text/html" && c.HTML == "" && disposition != "attachment":
		c.HTML = decode(data, params["charset"])
	case mediaType == "text/plain" && c.Text == "" && disposition != "attachment":
		c.Text = decode(data, params["charset"])
	}
	if id := strings.Trim(part.Header.Get("Content-Id"), "<> \t"); id != "" && strings.HasPrefix(mediaType, "image/") {
		c.inline[id] = inlined{mediaType, data}
	}
}

// decode returns text as UTF-8. go-message leaves that to a hook at package
// level, which is not set here; an unknown label is read as what it looks like.
func decode(data []byte, label string) string {
	if label == "" {
		label = "utf-8"
	}
	r, err := charset.NewReaderLabel(label, bytes.NewReader(data))
	if err != nil {
		return strings.ToValidUTF8(string(data), "\ufffd")
	}
	text, err := io.ReadAll(r)
	if err != nil {
		return strings.ToValidUTF8(string(data), "\ufffd")
	}
	return strings.ToValidUTF8(string(text), "\ufffd")
}

// dataURL returns a part as a URL that holds it (RFC 2397).
func (i inlined) dataURL() string {
	return "data:" + mime.FormatMediaType(i.mediaType, nil) + ";base64," + base64Text(i.data)
}
