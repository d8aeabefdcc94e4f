package preview

import (
	"context"
	"slices"
	"strings"
)

// View is a way to look at a message.
type View struct {
	Name   string
	width  int // of the window, in CSS pixels
	height int
	mobile bool
	dark   bool
	images bool
}

// Views are all ways in which a message is shown.
func Views() []View {
	return []View{
		{Name: "Desktop", width: 800, height: 600, images: true},
		{Name: "Desktop, dark", width: 800, height: 600, images: true, dark: true},
		{Name: "Desktop, images off", width: 800, height: 600},
		{Name: "Phone", width: 390, height: 844, mobile: true, images: true},
		{Name: "Phone, dark", width: 390, height: 844, mobile: true, images: true, dark: true},
	}
}

// Shot is what a view showed.
type Shot struct {
	View
	PNG           []byte
	Width, Height int  // of what is shown, in CSS pixels
	Cut           bool // the message is longer than is shown
	Sideways      bool // it is wider than the window: the reader has to scroll sideways
}

// The most of a page that is shown, in CSS pixels.
const (
	maxHeight = 6000
	maxWidth  = 1600
)

// maxRefused bounds the URLs that are listed.
const maxRefused = 100

// Render shows the html of a message in every view, in the browser at path. It
// returns the URLs that the message wanted to load too.
func Render(ctx context.Context, path string, c *Content) (shots []Shot, remote []string, err error) {
	b, err := startBrowser(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	for _, v := range Views() {
		shot, err := b.shoot(v, c)
		if err != nil {
			return nil, nil, err
		}
		shots = append(shots, shot)
	}
	return shots, b.refused, nil
}

// refuse puts a URL on the list.
func (b *browser) refuse(url string) {
	if len(b.refused) < maxRefused && !slices.Contains(b.refused, url) {
		b.refused = append(b.refused, url)
	}
}

// shoot shows the message in a view.
func (b *browser) shoot(v View, c *Content) (Shot, error) {
	if err := b.emulate(v, c); err != nil {
		return Shot{}, err
	}
	if err := b.load(c.document(v.images)); err != nil {
		return Shot{}, err
	}
	var metrics struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	if err := b.Call("Page.getLayoutMetrics", nil, &metrics); err != nil {
		return Shot{}, err
	}
	size := metrics.CSSContentSize
	shot := Shot{
		View: v, Cut: size.Height > maxHeight, Sideways: int(size.Width) > v.width,
		Width: min(max(int(size.Width), v.width), maxWidth), Height: min(max(int(size.Height), 1), maxHeight),
	}
	var image struct{ Data []byte } // encoding/json takes the base64 off
	err := b.Call("Page.captureScreenshot", object{
		"format": "png", "captureBeyondViewport": true,
		"clip": object{"x": 0, "y": 0, "width": shot.Width, "height": shot.Height, "scale": 1},
	}, &image)
	shot.PNG = image.Data
	return shot, err
}

// emulate gives the page the window and the preferences of a view. What has no
// style of its own for the dark is darkened as mail programs do it.
func (b *browser) emulate(v View, c *Content) error {
	darken := v.dark && !strings.Contains(c.HTML, "prefers-color-scheme")
	scheme := "light"
	if v.dark {
		scheme = "dark"
	}
	for _, c := range []struct {
		method string
		params object
	}{
		{"Emulation.setDeviceMetricsOverride", object{"width": v.width, "height": v.height, "deviceScaleFactor": 1, "mobile": v.mobile}},
		{"Emulation.setEmulatedMedia", object{"features": []object{{"name": "prefers-color-scheme", "value": scheme}}}},
		{"Emulation.setAutoDarkModeOverride", object{"enabled": darken}},
	} {
		if err := b.Call(c.method, c.params, nil); err != nil {
			return err
		}
	}
	return nil
}
