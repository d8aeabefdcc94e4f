package munin

import dto "github.com/prometheus/client_model/go"

// graphs are what is drawn.
func graphs() []graph {
	stacked := []string{"draw AREASTACK"}
	perMinute := []string{"graph_period minute", "graph_args --base 1000 -l 0"}
	return []graph{
		{name: "pratique_messages", title: "Outgoing mail by outcome", vertical: "messages per ${graph_period}", options: perMinute,
			each: &each{metric: "pratique_messages_total", label: "verdict", options: stacked}},
		{name: "pratique_refused", title: "Outgoing mail by the check that decided", vertical: "messages per ${graph_period}", options: perMinute,
			each: &each{metric: "pratique_messages_total", label: "check", skip: "none", options: stacked}},
		{name: "pratique_recipients", title: "Recipients of outgoing mail", vertical: "recipients per ${graph_period}", options: perMinute,
			fields: []field{{name: "recipients", label: "recipients", metric: "pratique_sent_recipients_total", value: total, derive: true}}},
		{name: "pratique_bytes", title: "Octets of outgoing mail", vertical: "octets per ${graph_period}",
			options: []string{"graph_args --base 1024 -l 0"},
			fields:  []field{{name: "bytes", label: "octets", metric: "pratique_sent_bytes_total", value: total, derive: true}}},
		{name: "pratique_unsigned", title: "Mail that left unsigned, by reason", vertical: "messages per ${graph_period}", options: perMinute,
			each: &each{metric: "pratique_sent_unsigned_total", label: "reason", options: stacked}},
		{name: "pratique_findings", title: "Findings by what was done", vertical: "findings per ${graph_period}", options: perMinute,
			each: &each{metric: "pratique_findings_total", label: "action", options: stacked}},
		{name: "pratique_failures", title: "Checks that broke", vertical: "failures per ${graph_period}", options: perMinute,
			each: &each{metric: "pratique_check_failures_total", label: "check", options: []string{"warning 0:0"}}},
		{name: "pratique_duration", title: "Time of a message", vertical: "seconds", options: []string{"graph_args --base 1000 -l 0"},
			fields: []field{
				{name: "messages", label: "messages", metric: "pratique_message_duration_seconds", value: count, derive: true, options: []string{"graph no"}},
				{name: "mean", label: "from MAIL to the outcome", metric: "pratique_message_duration_seconds", value: milliseconds, derive: true,
					options: []string{"cdef mean,messages,/,1000,/"}},
			}},
		{name: "pratique_health", title: "Health of the milter", vertical: "number", options: []string{"graph_args --base 1000 -l 0", "graph_scale no"},
			fields: []field{
				{name: "clamd", label: "clamd answers", metric: "pratique_clamd_up", value: total, options: []string{"critical 1:"}},
				{name: "redis", label: "the shared store answers", metric: "pratique_redis_up", value: total, options: []string{"warning 1:"}},
				{name: "config", label: "configuration is that on disk", metric: "pratique_config_last_reload_successful", value: total, options: []string{"warning 1:"}},
				{name: "broken", label: "domains that can't be signed for", metric: "pratique_signing_domains_broken", value: total, options: []string{"critical 0:0"}},
				{name: "unverifiable", label: "keys that are not published", metric: "pratique_keys_unverifiable", value: total, options: []string{"critical 0:0"}},
				{name: "alerts", label: "alerts", metric: "pratique_alerts_active", value: total, options: []string{"warning 0:0"}},
				{name: "blocklistings", label: "entries in blocklists", metric: "pratique_audit_blocklistings", value: total, options: []string{"critical 0:0"}},
			}},
	}
}

// total adds up all that a metric has.
func total(f *dto.MetricFamily) float64 { return sumOf("", "")(f) }
