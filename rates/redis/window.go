package redis

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pratique/rates"
)

// Window is what is counted apart, over which time.
type Window struct {
	Kind  rates.Kind
	Count rates.Count
	Every int64 // seconds
}

// Name is the window in the names of keys.
func (w Window) Name() string {
	return w.Kind.String() + ":" + w.Count.String() + ":" + strconv.FormatInt(w.Every, 10)
}

// Windows returns those of the limits of a configuration.
func Windows(opts rates.Options) []Window {
	var all []Window
	for _, b := range opts.Bounds() {
		if w := windowOf(&b); !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

func windowOf(b *rates.Bound) Window { return Window{Kind: b.Kind, Count: b.Count, Every: b.Every} }

// widths are the cells that a window can be kept in, in seconds.
var widths = [...]int64{1, 5, 15, 60, 300, 900, 3600}

// width is that of the widest cells of which the window has 60, or a second: what left
// counts for its length and at most so much longer.
func (w Window) width() int64 {
	width := widths[0]
	for _, wider := range widths {
		if 60*wider <= w.Every {
			width = wider
		}
	}
	return width
}

// keys names everything that is in Redis. All of it has one hash tag, so that a
// cluster has it at one place, where one script reaches it.
type keys struct{ prefix, instance, owner string }

func (k keys) of(part, name string) string { return k.prefix + ":{counts}:" + part + ":" + name }

// both are what every script has to do with: the instance, and the places of this
// process's messages, which stay where they are if the instance changes its name.
func (k keys) both() []string {
	return []string{k.of("instance", k.instance), k.of("places", k.owner)}
}

func (k keys) window(w Window, key string) string { return k.of(w.Name(), plain(key)) }

// longestKey is the longest part of a key that stands there as it is, in octets.
const longestKey = 320

// plain keeps what others wrote fit for the name of a key: tools print it, and a long
// one would be kept in every window.
func plain(key string) string {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f }
	if len(key) <= longestKey && !strings.ContainsFunc(key, odd) && !strings.HasPrefix(key, "#") {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "#" + hex.EncodeToString(sum[:])
}

func randomName() (string, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fmt.Errorf("make a name for this instance: %w", err)
	}
	return hex.EncodeToString(random[:]), nil
}
