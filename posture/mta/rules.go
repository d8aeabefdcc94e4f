package mta

// rule is one thing that is looked at in a configuration of Postfix.
type rule struct {
	name  string
	fine  string // what to say when nothing was found
	judge func(p *Postfix, ours Ours) []Finding
}

// postfixRules is every rule, in the order in which mail meets what they are about.
var postfixRules = []rule{
	{"smtpd_milters", "all mail by SMTP meets the milter", judgeEntries},
	{"no_milters", "no service leaves the milters out", judgeNoMilters},
	{"smtpd_milter_maps", "no client is led around the milter", judgeMilterMaps},
	{"smtpd_proxy_filter", "no proxy filter hides messages from the milter", judgeProxyFilter},
	{"non_smtpd_milters", "mail by sendmail(1) and re-injected mail meets the milter", judgeNonSMTP},
	{"internal_mail_filter_classes", "bounces meet the milter", judgeBounces},
	{"milter_default_action", "mail waits while the milter is down", judgeDefaultAction},
	{"milter_socket", "every service reaches the socket of the milter", judgeSocket},
	{"milter_order", "the milter is the last of its list", judgeOrder},
	{"milter_protocol", "the protocol is one that keeps headers exact", judgeProtocol},
	{"milter_timeouts", "Postfix waits longer than the milter takes", judgeTimeouts},
	{"content_filter", "no after-queue filter stands behind the signature", judgeContentFilter},
	{"milter_header_checks", "no table touches the fields that the milter adds", judgeMilterHeaderChecks},
	{"smtp_header_checks", "no table rewrites messages at delivery", judgeDeliveryChecks},
	{"smtp_generic_maps", "no address is rewritten at delivery unknown to the milter", judgeGeneric},
	{"smtp_line_length_limit", "lines are wrapped where the milter expects it", judgeLineLimit},
	{"8bit_conversion", "8bit mail is converted before it is signed", judgeConversion},
	{"smtp_discard_ehlo_keywords", "8BITMIME is used where the next hop offers it", judgeDiscardedKeywords},
	{"mynetworks", "every client that Postfix trusts may send through the milter", judgeNetworks},
	{"smtpd_relay_restrictions", "strangers can't relay", judgeRelay},
	{"smtpd_authorized_xclient_hosts", "nobody but this host may claim to be another client", judgeXclient},
	{"message_size_limit", "Postfix takes no more than is scanned", judgeSize},
	{"multi_instance_directories", "there is one instance", judgeInstances},
}
