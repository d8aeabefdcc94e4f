package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed scripts/windows.lua
var windowsLua string

//go:embed scripts/reserve.lua
var reserveLua string

//go:embed scripts/apply.lua
var applyLua string

//go:embed scripts/hello.lua
var helloLua string

// scripts are sent by their digest, and whole to a server that does not know them.
type scripts struct{ reserve, apply, hello *goredis.Script }

// newScripts returns them with what all of them begin with.
func newScripts(windows string) scripts {
	return scripts{
		reserve: goredis.NewScript(windows + reserveLua),
		apply:   goredis.NewScript(windows + applyLua),
		hello:   goredis.NewScript(windows + helloLua),
	}
}

// inSeconds is a time as the scripts take it.
func inSeconds(d time.Duration) int64 { return int64(d / time.Second) }

// known is what Redis knew of an instance when it was greeted.
type known struct {
	second  int64 // Redis's time now
	owner   string
	seq     uint64 // the last batch that was taken over
	at      int64  // when it heard of the instance last
	through int64  // what left before this second is in the windows
	windows map[string]bool
}

var errReply = errors.New("redis answered something else than our script returns")

func (c *Counts) hello(ctx context.Context) (known, error) {
	asOf := int64(-1)
	if c.link.sending == nil && c.state.size() == 0 {
		asOf = 1
	}
	values, err := c.scripts.hello.Run(ctx, c.client, c.keys.Load().both(),
		c.owner, inSeconds(remembered), c.link.seq, asOf).StringSlice()
	if err != nil {
		return known{}, err
	}
	return parseKnown(values)
}

func parseKnown(values []string) (known, error) {
	k := known{windows: map[string]bool{}}
	if len(values)%2 != 1 {
		return k, errReply
	}
	var failed error
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		failed = errors.Join(failed, err)
		return n
	}
	k.second = number(values[0])
	for i := 1; i < len(values); i += 2 {
		value := values[i+1]
		switch field := values[i]; field {
		case "owner":
			k.owner = value
		case "seq":
			k.seq = uint64(number(value))
		case "at":
			k.at = number(value)
		case "through":
			k.through = number(value)
		default:
			if name, ok := strings.CutPrefix(field, "window:"); ok {
				k.windows[name] = true
			}
		}
	}
	if failed != nil {
		return k, fmt.Errorf("%w: %w", errReply, failed)
	}
	return k, nil
}

// Answers to a batch.
const (
	answerOK     = "ok"
	answerAgain  = "again"
	answerFenced = "fenced"
	answerLost   = "lost"
)

// apply sends a batch and returns Redis's time.
func (c *Counts) apply(ctx context.Context, b *batch) (second int64, err error) {
	keys, args := c.applyArgs(b)
	reply, err := c.scripts.apply.Run(ctx, c.client, keys, args...).Slice()
	if err != nil {
		return 0, err
	}
	if len(reply) != 2 {
		return 0, errReply
	}
	second, ok := reply[0].(int64)
	answer, is := reply[1].(string)
	switch {
	case !ok || !is:
		return 0, errReply
	case answer == answerOK || answer == answerAgain:
		return second, nil
	}
	return second, &unknownError{answer}
}

// unknownError is met when Redis does not know the instance as the instance knows itself.
type unknownError struct{ answer string }

func (e *unknownError) Error() string {
	if e.answer == answerFenced {
		return "redis was told of another process with the name of this instance"
	}
	return "redis has lost what it knew of this instance"
}

func (c *Counts) applyArgs(b *batch) (keys []string, args []any) {
	keys = c.keys.Load().both()
	index := map[string]int{}
	var cells []any
	at := func(h *hold) int {
		i, ok := index[h.key]
		if !ok {
			keys = append(keys, h.key)
			cells = append(cells, h.every, h.width)
			i = len(keys)
			index[h.key] = i
		}
		return i
	}
	var rest []any
	for _, places := range [][]*Place{b.ended, b.renewed} {
		rest = append(rest, len(places))
		for _, p := range places {
			rest = append(rest, p.id, len(p.holds))
			for i := range p.holds {
				rest = append(rest, at(&p.holds[i]), p.holds[i].amount)
			}
		}
	}
	now := c.seconds()
	rest = append(rest, len(b.counts))
	for i := range b.counts {
		e := &b.counts[i]
		// Both clocks are read in whole seconds: rather a second too young than too old.
		rest = append(rest, at(&e.hold), max(0, now-e.last-1), e.amount)
	}
	rest = append(rest, len(b.marks))
	for _, mark := range b.marks {
		rest = append(rest, mark)
	}
	asOf := int64(-1)
	if b.complete {
		asOf = now - b.asOf + 1
	}
	if b.closing {
		asOf = -2 // whatever comes is not of this process
	}
	args = append([]any{c.owner, b.seq, inSeconds(lease), inSeconds(remembered), asOf}, cells...)
	return keys, append(args, rest...)
}
