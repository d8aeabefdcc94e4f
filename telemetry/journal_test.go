package telemetry

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestJournal(t *testing.T) {
	m := New(time.Now)
	stats := map[string]JournalStats{"sqlite": {Written: 5, Lost: 2, Waiting: 3, Bytes: 4096}, "json": {}}
	m.Journal(func() map[string]JournalStats { return stats })
	want := `
# HELP pratique_journal_queue_records Records of messages that wait to be written.
# TYPE pratique_journal_queue_records gauge
pratique_journal_queue_records{store="json"} 0
pratique_journal_queue_records{store="sqlite"} 3
# HELP pratique_journal_records_lost_total Records of messages that could not be written to the journal, and are lost. No mail was.
# TYPE pratique_journal_records_lost_total counter
pratique_journal_records_lost_total{store="json"} 0
pratique_journal_records_lost_total{store="sqlite"} 2
# HELP pratique_journal_records_written_total Records of messages that were written to the journal.
# TYPE pratique_journal_records_written_total counter
pratique_journal_records_written_total{store="json"} 0
pratique_journal_records_written_total{store="sqlite"} 5
# HELP pratique_journal_size_bytes Octets of the journal's files in the state folder.
# TYPE pratique_journal_size_bytes gauge
pratique_journal_size_bytes 4096
`
	if err := testutil.GatherAndCompare(m.registry, strings.NewReader(want), "pratique_journal_queue_records",
		"pratique_journal_records_lost_total", "pratique_journal_records_written_total", "pratique_journal_size_bytes"); err != nil {
		t.Error(err)
	}
}
