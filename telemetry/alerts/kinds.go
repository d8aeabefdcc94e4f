package alerts

// Kind is a kind of alert.
type Kind struct {
	Name string // as in Alert.Name
	Of   string // what Subject names
	Says string // when it is raised
}

// Kinds returns every kind of alert. A new one is a row here; the metric counts
// alerts of names that are not in here together, under the name "other".
func Kinds() []Kind {
	return []Kind{
		{"rate_spike", "series, such as \"client 10.0.0.1\"", "far more mail than this series has at this hour of the week"},
		{"rate_drop", "series", "far less mail than at this hour of the week, or none"},
		{"mix_changed", "series and share", "the share of new recipients, bounces or refusals is far above what is usual"},
		{"bulk_near", "domain or receiver", "a domain nears the number of messages a day from which a receiver calls it a bulk sender, for good"},
		{"redis_away", "store", "the shared store of counts is away, and each machine counts alone"},
		{"counters_unsaved", "store", "counts can't be written down, and would be lost in a restart"},
		{"journal_failing", "", "records of messages are lost"},
		{"clamd_away", "address", "messages can't be scanned"},
		{"signing_broken", "domain", "a key is of no use, and the mail of its domain is not signed"},
		{"canary", "", "a message sent through the MTA did not arrive, or not as it should"},
		{"config_stale", "", "the configuration on disk is not the one in force, because it has errors"},
		{"blocklisted", "address and list", "an address from which mail leaves is on a blocklist"},
		{"audit_failing", "check", "something that receivers demand is not there any more"},
		{"queue_shrinking", "queue", "the MTA's queue is far shorter than it ever is at this hour of the week: somebody emptied it, or nothing comes in"},
		{"queue_growing", "queue", "the MTA's queue is far longer than at this hour of the week"},
		{"bounces_high", "series", "far more mail comes back than usual"},
		{"complaints_high", "domain", "recipients report too much mail as spam"},
		{deliveryFailing, "channel", "alerts can't be delivered this way; told by the others"},
		{tooMany, "", "more alerts are active than are kept apart"},
	}
}

// The kinds that the package raises itself.
const (
	deliveryFailing = "alert_delivery_failing"
	tooMany         = "too_many_alerts"
)

// metricName bounds the names that become labels of a metric.
func metricName(name string) string {
	for _, k := range Kinds() {
		if k.Name == name {
			return name
		}
	}
	return "other"
}
