package munin

import (
	"regexp"
	"strings"
	"testing"
)

const metrics = `# HELP pratique_messages_total m
# TYPE pratique_messages_total counter
pratique_messages_total{check="none",verdict="accepted"} 7
pratique_messages_total{check="lint",verdict="refused"} 2
pratique_messages_total{check="rates",verdict="refused"} 1
# HELP pratique_sent_unsigned_total u
# TYPE pratique_sent_unsigned_total counter
pratique_sent_unsigned_total{reason="no_key"} 1
pratique_sent_unsigned_total{reason="4 odd#"} 0
# HELP pratique_message_duration_seconds d
# TYPE pratique_message_duration_seconds histogram
pratique_message_duration_seconds_bucket{le="1"} 9
pratique_message_duration_seconds_bucket{le="+Inf"} 10
pratique_message_duration_seconds_sum 12.3456
pratique_message_duration_seconds_count 10
# HELP pratique_clamd_up c
# TYPE pratique_clamd_up gauge
pratique_clamd_up 1
`

func TestValues(t *testing.T) {
	f, err := Read(strings.NewReader(metrics))
	if err != nil {
		t.Fatal(err)
	}
	var values, config strings.Builder
	if err := f.WriteValues(&values); err != nil {
		t.Fatal(err)
	}
	want := `multigraph pratique_messages
accepted.value 7
refused.value 3

multigraph pratique_refused
lint.value 2
rates.value 1

multigraph pratique_unsigned
no_key.value 1
_4_odd_.value 0

multigraph pratique_duration
messages.value 10
mean.value 12345

multigraph pratique_health
clamd.value 1

`
	if values.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &values, want)
	}
	if err := f.WriteConfig(&config); err != nil {
		t.Fatal(err)
	}
	// Both speak of the same fields.
	field := regexp.MustCompile(`(?m)^(\w+)\.(?:value|label) `)
	a, b := field.FindAllStringSubmatch(values.String(), -1), field.FindAllStringSubmatch(config.String(), -1)
	if len(a) != len(b) {
		t.Fatalf("%d fields have values, %d are configured:\n%s", len(a), len(b), &config)
	}
	for i := range a {
		if a[i][1] != b[i][1] {
			t.Errorf("field %d is %s and %s", i, a[i][1], b[i][1])
		}
	}
	for _, part := range []string{"graph_title Outgoing mail by outcome\n", "_4_odd_.label 4 odd\n", "accepted.type DERIVE\naccepted.min 0\naccepted.draw AREASTACK\n",
		"mean.cdef mean,messages,/,1000,/\n", "clamd.critical 1:\n"} {
		if !strings.Contains(config.String(), part) {
			t.Errorf("no %q in\n%s", part, &config)
		}
	}
}

func TestReadRefusesWhatIsNoMetrics(t *testing.T) {
	if _, err := Read(strings.NewReader("<html>no</html>\n")); err == nil {
		t.Error("no error")
	}
}
