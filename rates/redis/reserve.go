package redis

import (
	"context"
	"strconv"
)

// Ask is what a message wants of one window of one key. No two asks of a message may
// be about the same one.
type Ask struct {
	Window Window
	Key    string
	Since  int64  // seconds since it was reset: what left before does not count; Never: it was not
	Amount uint64 // at least 1
	Bounds []Bound
}

// Bound is a limit to a window.
type Bound struct {
	Max     uint64
	Refuses bool // nothing is reserved for a message that is over it
}

// Answer is how a window is.
type Answer struct {
	Used  uint64  // sent in the window, or under way
	Frees []int64 // for each bound: NoExcess, or in how many seconds there is room, 0 if that is not known
}

// Never is the Since of what was not reset.
const Never int64 = -1

// NoExcess stands for a bound that has room.
const NoExcess int64 = -1

// Counted is what left for one window of one key.
type Counted struct {
	Window Window
	Key    string
	Amount uint64
}

// maxAmount keeps a message from coming near what a sum can hold.
const maxAmount = 1 << 50

// Reserve takes a place in all windows, unless a bound that refuses is against it: then
// the place is nil. The answers are in the order of the asks. The error is ErrAway, at
// once, while Redis does not answer, and the first time why it does not.
func (c *Counts) Reserve(ctx context.Context, asks []Ask) (*Place, []Answer, error) {
	if !c.joined.Load() {
		return nil, nil, ErrAway
	}
	p := &Place{id: c.owner + "." + strconv.FormatUint(c.ids.Add(1), 36), renewed: c.seconds()}
	keys, args := c.reserveArgs(p, asks)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
	defer cancel()
	began := c.opts.Now()
	values, err := c.scripts.reserve.Run(ctx, c.client, keys, args...).Int64Slice()
	if c.opts.Events.Asked != nil {
		c.opts.Events.Asked(c.opts.Now().Sub(began), err)
	}
	var answers []Answer
	if err == nil {
		answers, err = parseAnswers(values, asks)
	}
	if err != nil {
		c.state.abandon(p)
		c.broke(err)
		return nil, nil, err
	}
	if values[1] == 0 {
		return nil, answers, nil
	}
	c.state.hold(p)
	return p, answers, nil
}

func (c *Counts) reserveArgs(p *Place, asks []Ask) (keys []string, args []any) {
	names := c.keys.Load()
	keys = append(make([]string, 0, len(asks)+2), names.both()...)
	args = append(make([]any, 0, 2+8*len(asks)), p.id, inSeconds(lease))
	p.holds = make([]hold, len(asks))
	for i, a := range asks {
		h := hold{key: names.window(a.Window, a.Key), every: a.Window.Every, width: a.Window.width(), amount: min(a.Amount, maxAmount)}
		p.holds[i] = h
		keys = append(keys, h.key)
		args = append(args, h.every, h.width, a.Since, h.amount, len(a.Bounds))
		for _, b := range a.Bounds {
			refuses := 0
			if b.Refuses {
				refuses = 1
			}
			args = append(args, b.Max, refuses)
		}
	}
	return keys, args
}

// parseAnswers reads what reserve.lua returns.
func parseAnswers(values []int64, asks []Ask) ([]Answer, error) {
	if len(values) < 2 {
		return nil, errReply
	}
	if values[1] < 0 {
		return nil, &unknownError{answerLost}
	}
	rest := values[2:]
	answers := make([]Answer, len(asks))
	for i, a := range asks {
		if len(rest) < 1+len(a.Bounds) {
			return nil, errReply
		}
		answers[i].Used = uint64(max(rest[0], 0))
		answers[i].Frees = rest[1 : 1+len(a.Bounds)]
		for b, frees := range answers[i].Frees {
			switch frees {
			case 0:
				answers[i].Frees[b] = NoExcess
			case -1:
				answers[i].Frees[b] = 0
			}
		}
		rest = rest[1+len(a.Bounds):]
	}
	if len(rest) > 0 {
		return nil, errReply
	}
	return answers, nil
}

// Settle ends the places of a message and counts what left of it. It never waits.
// What it is told while Redis is away is told to Redis when that is back.
func (c *Counts) Settle(places []*Place, counted []Counted) {
	entries := make([]entry, 0, len(counted))
	now := c.seconds()
	for _, n := range counted {
		if n.Amount > 0 {
			entries = append(entries, c.entry(n, now))
		}
	}
	if len(places)+len(entries) > 0 {
		c.state.settle(places, entries)
		c.wake()
	}
}

func (c *Counts) entry(n Counted, last int64) entry {
	h := hold{key: c.keys.Load().window(n.Window, n.Key), every: n.Window.Every, width: n.Window.width(), amount: min(n.Amount, maxAmount)}
	return entry{hold: h, window: n.Window, last: last}
}

func (c *Counts) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}
