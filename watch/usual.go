package watch

import (
	"context"
	"fmt"
	"math"
	"time"
)

// How the usual share of bounces is learned, and when one is unlike it.
const (
	usualSpan  = 28 * day // before the last day
	learnEvery = time.Hour
	// leastUsual is how many recipients there must have been to know what is usual.
	leastUsual = 1000
	// usualDoubt is by how many standard deviations of a Poisson count more must have
	// bounced than would be usual.
	usualDoubt = 5
	// usualFloor is the part of bounces_warning below which nothing is worth telling.
	usualFloor = 5
)

// usualShares are the shares of bounces of the four weeks before, by the subject of an
// alarm.
type usualShares map[string]float64

// learnUsual sums up what bounced before the last day. What happened since is taken
// off, so that it is not held against itself.
func (s *Store) learnUsual(ctx context.Context, lastDay *Report) (usualShares, error) {
	q, all := s.shares(ctx, s.now().Add(-alarmSpan-usualSpan))
	if err := q.failure(); err != nil {
		return nil, fmt.Errorf("learn what bounces are usual: %w", err)
	}
	usual := usualShares{}
	usual.add("sender ", all.Senders, lastDay.Senders)
	usual.add("receiver ", all.Receivers, lastDay.Receivers)
	return usual, nil
}

func (u usualShares) add(kind string, all, recent []Line) {
	late := map[string]Line{}
	for _, l := range recent {
		late[l.Key] = l
	}
	for _, l := range all {
		recipients := l.Recipients - late[l.Key].Recipients
		if recipients < leastUsual {
			continue
		}
		// Where nothing bounced, one is taken to have: a share of nothing is no yardstick.
		u[kind+l.Key] = float64(max(1, l.Failed-late[l.Key].Failed)) / float64(recipients)
	}
}

// unusual reports whether the bounces of a line are so many times what is usual, and
// not by chance.
func (u usualShares) unusual(subject string, l Line, o Options) (usual float64, is bool) {
	usual, known := u[subject]
	if !known || o.BouncesUnusual == 0 || l.Failed < o.AlarmFrom {
		return usual, false
	}
	expected := usual * float64(l.Recipients)
	value := share(l.Failed, l.Recipients)
	return usual, value >= float64(o.BouncesUnusual)*usual && value >= float64(o.BouncesWarning)/usualFloor &&
		float64(l.Failed) >= expected+usualDoubt*math.Sqrt(expected)
}
