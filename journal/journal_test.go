package journal

import (
	"context"
	"reflect"
	"testing"
	"time"

	"pratique/message"
)

func TestRecordSurvivesTheStore(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		outcome func(*message.Message) message.Outcome
		opts    func(*Options)
	}{
		"accepted":       {func(*message.Message) message.Outcome { return message.Outcome{} }, nil},
		"refused":        {refuse, nil},
		"with addresses": {refuse, func(o *Options) { o.Recipients, o.Subject = byAddress, true }},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := newClock(), t.TempDir()
			j := begin(t, dir, c, tc.opts)
			m := letter(1, c.now)
			o := tc.outcome(m)
			want := take(m, o, c.now, j.opts.Load()).record()
			j.Observe(m, o)
			settled(t, j)
			found, err := reader(t, dir).Find(context.Background(), m.QueueID)
			if err != nil || len(found) != 1 {
				t.Fatalf("found %d records, error %v", len(found), err)
			}
			want.ID = c.now.UnixMicro()
			if !reflect.DeepEqual(&found[0], want) {
				t.Errorf("stored\n%+v\nread\n%+v", *want, found[0])
			}
		})
	}
}

func TestFindsByIDs(t *testing.T) {
	t.Parallel()
	c, dir := newClock(), t.TempDir()
	j := begin(t, dir, c, nil)
	for n := range 1500 { // more than a batch
		j.Observe(letter(n%1000, c.time()), message.Outcome{}) // queue ids come again
		c.advance(time.Second)
	}
	settled(t, j)
	r := reader(t, dir)
	for id, want := range map[string]int{
		"4F00000001": 2, "4F000003E7": 1, " 4F00000001\n": 2, "4f00000001": 0, // queue ids have a case
		"<1@example.org>": 2, "1@example.org": 2, "<1@EXAMPLE.org>": 2, "nobody@example.org": 0, "": 0, "<>": 0,
	} {
		found, err := r.Find(context.Background(), id)
		if err != nil || len(found) != want {
			t.Errorf("%q: found %d, want %d (%v)", id, len(found), want, err)
		}
		if len(found) == 2 && !found[0].Time.After(found[1].Time) {
			t.Errorf("%q: the newest is not first", id)
		}
	}
}
