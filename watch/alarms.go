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
	alarm  Alarm
	raised map[[2]string]bool // name and subject
}

// NewJudge returns a Judge that tells an alarm.
func NewJudge(alarm Alarm) *Judge { return &Judge{alarm, map[[2]string]bool{}} }

// Look tells the alarm of shares that are too high, and of those that are not any
// more. It returns the report that it made.
func (j *Judge) Look(ctx context.Context, s *Store, o Options) (*Report, error) {
	r, err := s.Report(ctx, s.now().Add(-alarmSpan))
	if err != nil {
		return nil, err
	}
	before := j.raised
	j.raised = map[[2]string]bool{}
	for _, l := range r.Senders {
		j.complaints(l, o)
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

func (j *Judge) complaints(l Line, o Options) {
	j.share(AlarmComplaints, "sender "+l.Key, "complaints about mail of "+l.Key, l.Complaints, l, o.AlarmFrom, o.ComplaintsWarning, o.ComplaintsCritical)
}

func (j *Judge) bounces(subject, what string, l Line, o Options) {
	j.share(AlarmBounces, subject, what, l.Failed, l, o.AlarmFrom, o.BouncesWarning, o.BouncesCritical)
}

func (j *Judge) share(name, subject, what string, n int, l Line, from int, warning, critical Share) {
	value := share(n, l.Recipients)
	if n < from || value < float64(warning) {
		return
	}
	threshold := warning
	if value >= float64(critical) {
		threshold = critical
	}
	j.raised[[2]string{name, subject}] = true
	text := fmt.Sprintf("%d %s in %d h, of %d recipients: %v (from %v); pratique feedback tells more", n, what, alarmSpan/time.Hour, l.Recipients, Share(value), threshold)
	j.alarm.Raise(name, subject, text, value >= float64(critical), value, float64(threshold))
}
