package telemetry

import "github.com/prometheus/client_golang/prometheus"

// JournalStats are the figures of one place that the records of messages go to.
type JournalStats struct {
	Written, Lost int64
	Waiting       int
	Bytes         int64 // on disk, 0 if not known
}

// Journal adds the metrics of the journal, which are asked for at each scrape. The
// figures come by the name of the place, and the names never change.
func (m *Metrics) Journal(stats func() map[string]JournalStats) {
	byStore := []string{"store"}
	m.registry.MustRegister(&journalCollector{
		stats: stats,
		written: prometheus.NewDesc("pratique_journal_records_written_total",
			"Records of messages that were written to the journal.", byStore, nil),
		lost: prometheus.NewDesc("pratique_journal_records_lost_total",
			"Records of messages that could not be written to the journal, and are lost. No mail was.", byStore, nil),
		waiting: prometheus.NewDesc("pratique_journal_queue_records",
			"Records of messages that wait to be written.", byStore, nil),
		bytes: prometheus.NewDesc("pratique_journal_size_bytes",
			"Octets of the journal's files in the state folder.", nil, nil),
	})
}

// journalCollector gives all figures of the journal as they are at one moment.
type journalCollector struct {
	stats                         func() map[string]JournalStats
	written, lost, waiting, bytes *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *journalCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.written, c.lost, c.waiting, c.bytes} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *journalCollector) Collect(to chan<- prometheus.Metric) {
	var bytes int64
	for name, s := range c.stats() {
		to <- prometheus.MustNewConstMetric(c.written, prometheus.CounterValue, float64(s.Written), name)
		to <- prometheus.MustNewConstMetric(c.lost, prometheus.CounterValue, float64(s.Lost), name)
		to <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(s.Waiting), name)
		bytes += s.Bytes
	}
	to <- prometheus.MustNewConstMetric(c.bytes, prometheus.GaugeValue, float64(bytes))
}
