package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestQueue(t *testing.T) {
	m := newMetrics()
	m.Queue(QueueStats{Messages: map[string]int{"active": 1, "deferred": 9}, Oldest: map[string]float64{"deferred": 60}, Recipients: 12,
		Deferred: map[string]int{"soft": 7}, Top: map[string]int{"gmail.com": 5}, Took: .5})
	m.Queue(QueueStats{Messages: map[string]int{"deferred": 8}, Top: map[string]int{"yahoo.com": 4}})
	want := `
# HELP pratique_queue_destination_recipients Recipients that messages wait for at the domains with the most of them.
# TYPE pratique_queue_destination_recipients gauge
pratique_queue_destination_recipients{destination="yahoo.com"} 4
# HELP pratique_queue_messages Messages in the MTA's queue, by the name of the queue.
# TYPE pratique_queue_messages gauge
pratique_queue_messages{queue="deferred"} 8
# HELP pratique_queue_up 1 if the last look into the MTA's queue succeeded, 0 if it did not, or none was taken.
# TYPE pratique_queue_up gauge
pratique_queue_up 1
`
	names := []string{"pratique_queue_destination_recipients", "pratique_queue_messages", "pratique_queue_up"}
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
	// A queue that can't be seen is not shown as it was.
	m.QueueDown()
	down := "# HELP pratique_queue_up 1 if the last look into the MTA's queue succeeded, 0 if it did not, or none was taken.\n" +
		"# TYPE pratique_queue_up gauge\npratique_queue_up 0\n"
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(down), names...); err != nil {
		t.Error(err)
	}
}

func TestFeedback(t *testing.T) {
	m := newMetrics()
	m.Feedback(FeedbackStats{Bounces: map[string]int{"hard": 3, "unverified": 1}, Certain: 2, BounceShare: .25, ComplaintShare: .001})
	m.FeedbackFailing(true)
	want := `
# HELP pratique_bounces_last_day Recipients whose mail bounced in the last day, by the class of the reason; unverified: not joined with a message that left.
# TYPE pratique_bounces_last_day gauge
pratique_bounces_last_day{class="hard"} 3
pratique_bounces_last_day{class="unverified"} 1
# HELP pratique_feedback_failing 1 if what came back could not be kept or read the last time.
# TYPE pratique_feedback_failing gauge
pratique_feedback_failing 1
# HELP pratique_feedback_share_last_day Bounces and complaints of the last day as a part of the recipients sent to.
# TYPE pratique_feedback_share_last_day gauge
pratique_feedback_share_last_day{kind="bounces"} 0.25
pratique_feedback_share_last_day{kind="complaints"} 0.001
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "pratique_bounces_last_day", "pratique_feedback_failing", "pratique_feedback_share_last_day"); err != nil {
		t.Error(err)
	}
}
