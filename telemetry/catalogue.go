package telemetry

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Metric is a row of the catalogue of all metrics.
type Metric struct {
	Name   string
	Type   string // counter, gauge or histogram
	Labels []Label
	When   string // what has to be set up for it; "": it is always there
	Watch  string // what to make of it
}

// Label is a label of a metric. Every one has a bounded number of values.
type Label struct {
	Name   string
	Values string // which there are
}

// Labels that several metrics have.
func checkLabel() Label {
	return Label{"check", "access, rates, lint, scanning, mending, signing, survival and what else is a check; header for one that is too large"}
}

// Catalogue returns every metric, in the order in which the manual has them. What the
// registry has and the catalogue has not, or the other way round, fails the tests.
func Catalogue() []Metric {
	return []Metric{
		{Name: "pratique_messages_total", Type: "counter", Labels: []Label{
			{"verdict", "accepted, held, passed, discarded, refused, tempfailed, aborted, lost"},
			{"check", "the check that decided, or none"}},
			Watch: "Traffic by outcome. A rise of tempfailed is mail that waits; a fall of accepted to nothing is a job that stopped."},
		{Name: "pratique_message_duration_seconds", Type: "histogram",
			Watch: "How long messages are held up, with the time in which the client sends. At the end of a message it is mostly clamd."},
		{Name: "pratique_sent_bytes_total", Type: "counter"},
		{Name: "pratique_sent_recipients_total", Type: "counter"},
		{Name: "pratique_sent_unsigned_total", Type: "counter", Labels: []Label{{"reason", "a closed list, each from zero: no_key, excluded, …"}},
			Watch: "Mail that receivers may not accept. Each reason stands in the record of the message (pratique why)."},
		{Name: "pratique_findings_total", Type: "counter", Labels: []Label{
			{"rule", "the rules of docs/rules.md, infected, and the limits of the configuration"},
			{"action", "reject, warn, fix, observe, hold, discard, tempfail"}},
			Watch: "What is wrong with mail, and by which rule. The rule infected is malware that somebody tried to send."},
		{Name: "pratique_check_failures_total", Type: "counter", Labels: []Label{checkLabel(),
			{"stage", "mail, begin, header, body, end, close, observe"},
			{"policy", "tempfail, hold, accept: what on_error made of the message"}},
			Watch: "Faults of ours. With the policy accept, mail went out unchecked."},
		{Name: "pratique_scans_spared_total", Type: "counter", When: "scanning.cache"},
		{Name: "pratique_clamd_up", Type: "gauge", When: "scanning.clamd", Watch: "0: no message can be scanned."},
		{Name: "pratique_signing_domains_broken", Type: "gauge", Watch: "More than 0: their mail meets signing.on_error."},
		{Name: "pratique_signing_domain_broken", Type: "gauge", Labels: []Label{{"domain", "at most 20, and only while they are broken"}}},
		{Name: "pratique_keys", Type: "gauge", Labels: []Label{{"state", "created, published, active, retiring, done"}}},
		{Name: "pratique_keys_unverifiable", Type: "gauge", Watch: "More than 0: receivers can't verify what is signed."},
		{Name: "pratique_keys_oldest_active_age_seconds", Type: "gauge", Watch: "Rotate keys at half a year."},
		{Name: "pratique_config_last_reload_successful", Type: "gauge", Watch: "0: the daemon runs with an older configuration than the one on disk."},
		{Name: "pratique_config_reloads_total", Type: "counter", Labels: []Label{{"result", "ok, failed"}}},
		{Name: "pratique_alerts_active", Type: "gauge", Labels: []Label{
			{"name", "the kinds of pratique alerts, or other"}, {"severity", "warning, critical"}},
			Watch: "What pratique itself alerts on, spikes and drops among it."},
		{Name: "pratique_alert_deliveries_total", Type: "counter", Labels: []Label{
			{"channel", "log, webhook, command, mail"}, {"result", "delivered, retried, failed"}}},
		{Name: "pratique_journal_records_written_total", Type: "counter", Labels: []Label{{"store", "sqlite, json"}}, When: "journal"},
		{Name: "pratique_journal_records_lost_total", Type: "counter", Labels: []Label{{"store", "sqlite, json"}}, When: "journal",
			Watch: "Records that are missing from pratique why. No mail was lost."},
		{Name: "pratique_journal_queue_records", Type: "gauge", Labels: []Label{{"store", "sqlite, json"}}, When: "journal"},
		{Name: "pratique_journal_size_bytes", Type: "gauge", When: "journal"},
		{Name: "pratique_canaries_total", Type: "counter", Labels: []Label{{"result", "ok, warn, fail"}}, When: "canary"},
		{Name: "pratique_canary_delay_seconds", Type: "gauge", When: "canary"},
		{Name: "pratique_canary_last_good_timestamp_seconds", Type: "gauge", When: "canary",
			Watch: "The whole way of a message, watched: alert when it is too long ago."},
		{Name: "pratique_audit_findings", Type: "gauge", Labels: []Label{
			{"topic", "the topics of docs/audit.md"}, {"status", "ok, info, unknown, warn, fail"}},
			Watch: "What receivers demand and this server does not have: pratique audit tells the whole."},
		{Name: "pratique_audit_blocklistings", Type: "gauge", Watch: "More than 0: an address or domain of yours is on a blocklist."},
		{Name: "pratique_audit_last_run_timestamp_seconds", Type: "gauge"},
		{Name: "pratique_audit_duration_seconds", Type: "gauge"},
		{Name: "pratique_queue_up", Type: "gauge", When: "watch", Watch: "0: the queue can't be looked into, or never was."},
		{Name: "pratique_queue_messages", Type: "gauge", Labels: []Label{{"queue", "active, deferred, hold, incoming and what else the MTA has"}}, When: "watch",
			Watch: "A queue that grows is mail that does not get through: pratique queue tells why."},
		{Name: "pratique_queue_oldest_seconds", Type: "gauge", Labels: []Label{{"queue", "the same"}}, When: "watch"},
		{Name: "pratique_queue_recipients", Type: "gauge", When: "watch"},
		{Name: "pratique_queue_deferred_recipients", Type: "gauge", Labels: []Label{{"class", "hard, soft, block, policy"}}, When: "watch",
			Watch: "block and policy are receivers that do not want this server's mail."},
		{Name: "pratique_queue_destination_recipients", Type: "gauge", Labels: []Label{{"destination", "the few domains with the most, at each look"}}, When: "watch"},
		{Name: "pratique_queue_look_seconds", Type: "gauge", When: "watch"},
		{Name: "pratique_bounces_last_day", Type: "gauge", Labels: []Label{{"class", "hard, soft, block, policy, unverified"}}, When: "watch"},
		{Name: "pratique_complaints_last_day", Type: "gauge", Labels: []Label{{"certain", "yes, no"}}, When: "watch"},
		{Name: "pratique_feedback_share_last_day", Type: "gauge", Labels: []Label{{"kind", "bounces, complaints"}}, When: "watch",
			Watch: "Receivers act at 0.003 of complaints, and at bounces above 0.05."},
		{Name: "pratique_suppressed_recipients", Type: "gauge", When: "watch"},
		{Name: "pratique_feedback_failing", Type: "gauge", When: "watch"},
		{Name: "pratique_redis_up", Type: "gauge", When: "rates.store = redis://…", Watch: "0: each machine holds to the limits by itself."},
		{Name: "pratique_redis_backlog", Type: "gauge", When: "rates.store = redis://…"},
		{Name: "pratique_redis_request_duration_seconds", Type: "histogram", When: "rates.store = redis://…", Watch: "What the shared store adds to each message."},
		{Name: "pratique_redis_request_failures_total", Type: "counter", When: "rates.store = redis://…"},
		{Name: "pratique_redis_fallbacks_total", Type: "counter", When: "rates.store = redis://…"},
		{Name: "pratique_graphite_pushes_total", Type: "counter", Labels: []Label{{"result", "ok, failed"}}, When: "telemetry.graphite"},
		{Name: "pratique_build_info", Type: "gauge", Labels: []Label{{"version", "that of this binary"}, {"goversion", "that of Go"}},
			Watch: "Always 1; the labels tell."},
	}
}

// describe is what the registry knows of a metric.
type describe struct{ help string }

// writeManual writes docs/metrics.md: the catalogue, with what the metrics say of themselves.
func writeManual(w io.Writer, known map[string]describe) error {
	var b strings.Builder
	b.WriteString(manualHead)
	for _, m := range Catalogue() {
		fmt.Fprintf(&b, "\n### `%s`\n\n%s", m.Name, m.Type)
		if m.When != "" {
			fmt.Fprintf(&b, ", with `%s`", m.When)
		}
		fmt.Fprintf(&b, ". %s\n", known[m.Name].help)
		if m.Watch != "" {
			fmt.Fprintf(&b, "%s\n", m.Watch)
		}
		if len(m.Labels) > 0 {
			b.WriteByte('\n')
		}
		for _, l := range slices.SortedFunc(slices.Values(m.Labels), func(a, b Label) int { return strings.Compare(a.Name, b.Name) }) {
			fmt.Fprintf(&b, "- `%s`: %s\n", l.Name, l.Values)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

const manualHead = `# Metrics

<!-- Written from telemetry/catalogue.go: go test ./telemetry -run Manual -update -->

Everything that the daemon counts, at ` + "`http://127.0.0.1:8892/metrics`" + ` (the key ` + "`http`" + `) for
Prometheus, and sent to Graphite if you like: [monitoring.md](monitoring.md) tells how
to take it in, and has alerts and a dashboard. What Go tells of itself (` + "`go_`" + `,
` + "`process_`" + `) stands there as well.

No label has a client, a login or an address in it, and a domain only where there are a
few at a time (20 that are broken, the busiest of the queue): anybody who can send could make as many time series as he likes.
Those figures are in ` + "`pratique rates`" + `, in ` + "`pratique check-rate`" + ` and in the journal.
In Graphite a name is that of the metric without ` + "`pratique_`" + `, followed by the values of
its labels in the order of their names.
`
