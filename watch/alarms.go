package watch

import (
	"context"
	"fmt"
	"time"
)

// Alarm is told of a share that is too high, and when that is over. Both return at
// once and may be called again and again.
type Alarm interface {
	Raise(name, subject, text string, critical bool, value, threshold float64)
	Clear(name, subject string)
}

// The alarms that are raised; the subject is "sender example.org" or "receiver google".
const (
	AlarmBounces    = "bounces_high"
	AlarmComplaints = "complaints_high"
)

// alarmSpan is how far the shares of the alarms look back. Complaints come up to a
// day or two after the mail, so that both are of about the same mail.
const alarmSpan = day

// Judge holds the shares of the last day against the options, again and again. It
// is used by one goroutine.
type Judge struct {
	alarm   Alarm
	raised  map[[2]string]bool // name and subject
	usual   usualShares
	learned time.Time // when what is usual was learned last
}

// NewJudge returns a Judge that tells an alarm.
func NewJudge(alarm Alarm) *Judge { return &Judge{alarm: alarm, raised: map[[2]string]bool{}} }

// Look tells the alarm of shares that are too high, and of those that are not any
// more. It returns the report that it made, without what others report: that raises no
// alarm, and whoever sends reports decides how much there is of it.
func (j *Judge) Look(ctx context.Context, s *Store, o Options) (*Report, error) {
	q, r := s.shares(ctx, s.now().Add(-alarmSpan))
	err := q.failure()
	if err != nil {
		return nil, err
	}
	if s.now().Sub(j.learned).Abs() >= learnEvery {
		if j.usual, err = s.learnUsual(ctx, r); err != nil {
			return nil, err
		}
		j.learned = s.now()
	}
	before := j.raised
	j.raised = map[[2]string]bool{}
	for _, l := range r.Senders {
		j.share(AlarmComplaints, "sender "+l.Key, "complaints about mail of "+l.Key, l.Complaints, l, o.AlarmFrom, o.ComplaintsWarning, o.ComplaintsCritical)
		j.bounces("sender "+l.Key, "bounces of mail of "+l.Key, l, o)
	}
	for _, l := range r.Receivers {
		j.bounces("receiver "+l.Key, "bounces at "+l.Key, l, o)
	}
	for raised := range before {
		if !j.raised[raised] {
			j.alarm.Clear(raised[0], raised[1])
		}
	}
	return r, nil
}

// bounces tells of a share of bounces that is too high, or far above what is usual.
func (j *Judge) bounces(subject, what string, l Line, o Options) {
	if j.share(AlarmBounces, subject, what, l.Failed, l, o.AlarmFrom, o.BouncesWarning, o.BouncesCritical) {
		return
	}
	usual, is := j.usual.unusual(subject, l, o)
	if !is {
		return
	}
	value, threshold := share(l.Failed, l.Recipients), float64(o.BouncesUnusual)*usual
	text := fmt.Sprintf("%s, where %v was usual in the four weeks before; pratique feedback tells more", countText(l.Failed, what, l), Share(usual))
	j.raise(AlarmBounces, subject, text, false, value, threshold)
}

// share tells of a share that is too high.
func (j *Judge) share(name, subject, what string, n int, l Line, from int, warning, critical Share) (tooHigh bool) {
	value := share(n, l.Recipients)
	if n < from || value < float64(warning) {
		return false
	}
	threshold := warning
	if value >= float64(critical) {
		threshold = critical
	}
	text := fmt.Sprintf("%s (from %v); pratique feedback tells more", countText(n, what, l), threshold)
	j.raise(name, subject, text, value >= float64(critical), value, float64(threshold))
	return true
}

func countText(n int, what string, l Line) string {
	return fmt.Sprintf("%d %s in %d h, of %d recipients: %v", n, what, alarmSpan/time.Hour, l.Recipients, Share(share(n, l.Recipients)))
}

func (j *Judge) raise(name, subject, text string, critical bool, value, threshold float64) {
	j.raised[[2]string{name, subject}] = true
	j.alarm.Raise(name, subject, text, critical, value, threshold)
}
