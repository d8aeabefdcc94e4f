package mta

// fixture is a configuration of Postfix that differs from the good one by what
// postconf was told.
type fixture struct {
	name     string
	postconf [][]string        // arguments, without -c
	files    map[string]string // tables beside main.cf
}

// set is "postconf -e" with these settings.
func set(settings ...string) []string { return append([]string{"-e"}, settings...) }

// in is "postconf -P" with these settings of services.
func in(settings ...string) []string { return append([]string{"-P"}, settings...) }

// oneByOne has postconf, which adds several settings in no certain order, set one at a time.
func oneByOne(args []string) [][]string {
	if args[0] != "-e" && args[0] != "-P" {
		return [][]string{args}
	}
	var list [][]string
	for _, setting := range args[1:] {
		list = append(list, []string{args[0], setting})
	}
	return list
}

// reinjection adds a service that takes mail back from a filter.
func reinjection(milters string) [][]string {
	return [][]string{
		{"-M", "127.0.0.1:10025/inet=127.0.0.1:10025 inet n - n - - smtpd"},
		in("127.0.0.1:10025/inet/content_filter=", "127.0.0.1:10025/inet/smtpd_milters="+milters),
	}
}

const socket = "unix:pratique/milter.sock"

var fixtures = []fixture{
	{name: "good"},
	{name: "no-milter", postconf: [][]string{set("smtpd_milters=", "non_smtpd_milters=")}},
	{name: "no-non-smtpd", postconf: [][]string{set("non_smtpd_milters=")}},
	{name: "no-bounce", postconf: [][]string{set("internal_mail_filter_classes=notify")}},
	{name: "service-override", postconf: [][]string{
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_milters=", "submission/inet/syslog_name=postfix/submission")}},
	{name: "service-other-milter", postconf: [][]string{
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_milters=inet:127.0.0.1:8899")}},
	{name: "no-milters-option", postconf: [][]string{
		{"-M", "smtps/inet=smtps inet n - y - - smtpd"}, in("smtps/inet/receive_override_options=no_milters,no_address_mappings")}},
	{name: "cleanup-override", postconf: [][]string{in("cleanup/unix/non_smtpd_milters=")}},
	{name: "milter-maps", postconf: [][]string{set("smtpd_milter_maps=cidr:${config_directory}/milter_map")},
		files: map[string]string{"milter_map": "# monitoring\n10.9.0.0/16 DISABLE\n10.8.0.0/16 " + socket + "\n"}},
	{name: "proxy-filter", postconf: [][]string{in("smtp/inet/smtpd_proxy_filter=127.0.0.1:10025"),
		{"-M", "127.0.0.1:10026/inet=127.0.0.1:10026 inet n - n - - smtpd"}}},
	{name: "accept", postconf: [][]string{set("milter_default_action=accept")}},
	{name: "reject", postconf: [][]string{set("milter_default_action=reject")}},
	{name: "accept-of-one", postconf: [][]string{set("smtpd_milters={ " + socket + ", connect_timeout=10s, default_action=accept }")}},
	{name: "accept-in-service", postconf: [][]string{in("smtp/inet/milter_default_action=accept")}},
	{name: "chroot", postconf: [][]string{set("smtpd_milters=unix:/var/spool/postfix/pratique/milter.sock")}},
	{name: "chroot-left", postconf: [][]string{set("smtpd_milters=unix:/var/spool/postfix/pratique/milter.sock"),
		{"-F", "smtp/inet/chroot=n"}, {"-F", "cleanup/unix/chroot=-"}}},
	{name: "not-last", postconf: [][]string{set("smtpd_milters=" + socket + ", inet:localhost:8893")}},
	{name: "last", postconf: [][]string{set("smtpd_milters=inet:localhost:8893 " + socket)}},
	{name: "protocol", postconf: [][]string{set("milter_protocol=2")}},
	{name: "timeouts", postconf: [][]string{set("milter_content_timeout=3s", "milter_command_timeout=2s", "milter_connect_timeout=1s", "smtpd_timeout=1h")}},
	{name: "filter-after", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024")}, reinjection("")...)},
	{name: "filter-twice", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024")}, reinjection(socket)...)},
	{name: "filter-before", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024", "smtpd_milters=", "non_smtpd_milters=")}, reinjection(socket)...)},
	{name: "milter-header-checks", postconf: [][]string{set("milter_header_checks=regexp:${config_directory}/milter_checks")},
		files: map[string]string{"milter_checks": "/^X-Spam-Flag: YES/ HOLD\n/^DKIM-/ IGNORE\n"}},
	{name: "smtp-header-checks", postconf: [][]string{set("smtp_header_checks=regexp:${config_directory}/out", "smtp_body_checks=pcre:${config_directory}/gone")},
		files: map[string]string{"out": "/^Received:.*\\[10\\./ IGNORE\n/^Subject:(.*)/i REPLACE Subject: [ext]$1\n/^X-Mailer:/ WARN\n/foo/ REPLACE X-Foo: bar\nif /^To:/\n/^To:/ PREPEND Cc: archive@example.org\nendif\n"}},
	{name: "generic", postconf: [][]string{set("smtp_generic_maps=hash:${config_directory}/generic")},
		files: map[string]string{"generic": "root@mail.example.org admin@example.org\n@host.example.org @example.org\n"}},
	{name: "line-limit", postconf: [][]string{set("smtp_line_length_limit=512")}},
	{name: "8bit", postconf: [][]string{set("force_mime_input_conversion=no")}},
	{name: "8bit-old", postconf: [][]string{set("mail_version=3.7.11"), {"-X", "force_mime_input_conversion"}}},
	{name: "discard-8bitmime", postconf: [][]string{set("force_mime_input_conversion=no", "smtp_discard_ehlo_keywords=8bitmime, silent-discard"),
		in("relay/unix/smtp_never_send_ehlo=yes")}},
	{name: "discard-8bitmime-converted", postconf: [][]string{set("smtp_discard_ehlo_keywords=8bitmime, silent-discard")}},
	{name: "discard-by-address", postconf: [][]string{set("force_mime_input_conversion=no", "smtp_discard_ehlo_keyword_address_maps=cidr:${config_directory}/keywords, pgsql:/etc/postfix/keywords")},
		files: map[string]string{"keywords": "192.0.2.0/24 chunking\n198.51.100.0/24 starttls, 8BITMIME\n"}},
	{name: "8bit-of-one-cleanup", postconf: [][]string{{"-M", "subcleanup/unix=subcleanup unix n - y - 0 cleanup"}, in("subcleanup/unix/force_mime_input_conversion=no"),
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/cleanup_service_name=subcleanup", "cleanup/unix/disable_mime_input_processing=yes")}},
	{name: "8bit-unknown", postconf: [][]string{set("mail_version=3.7.11")}},
	{name: "8bit-left", postconf: [][]string{set("force_mime_input_conversion=no"), in("smtp/unix/disable_mime_output_conversion=yes", "relay/unix/disable_mime_output_conversion=yes")}},
	{name: "8bit-left-by-one", postconf: [][]string{set("force_mime_input_conversion=no", "smtp_discard_ehlo_keywords=8bitmime"), in("smtp/unix/disable_mime_output_conversion=yes")}},
	{name: "networks-wide", postconf: [][]string{set("mynetworks=127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 10.0.0.0/8 198.51.100.0/24")}},
	{name: "networks-world", postconf: [][]string{set("mynetworks=127.0.0.0/8 0.0.0.0/0")}},
	{name: "relay-open", postconf: [][]string{set("smtpd_relay_restrictions=permit", "smtpd_recipient_restrictions=permit_mynetworks, permit")}},
	{name: "relay-by-recipient", postconf: [][]string{set("smtpd_relay_restrictions=", "smtpd_recipient_restrictions=permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/policy")}},
	{name: "relay-sender-map", postconf: [][]string{set("smtpd_relay_restrictions=permit_mynetworks, check_sender_access hash:${config_directory}/senders, reject_unauth_destination")},
		files: map[string]string{"senders": "partner.example OK\nspam.example REJECT\n"}},
	{name: "relay-in-service", postconf: [][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,permit")}},
	{name: "relay-class", postconf: [][]string{set("smtpd_restriction_classes=partners", "partners=reject_unknown_helo_hostname, permit",
		"smtpd_relay_restrictions=permit_mynetworks, partners, reject_unauth_destination")}},
	{name: "xclient", postconf: [][]string{set("smtpd_authorized_xclient_hosts=127.0.0.1, 10.0.0.0/8")}},
	{name: "size", postconf: [][]string{set("message_size_limit=0")}},
	{name: "instances", postconf: [][]string{set("multi_instance_directories=/etc/postfix-out")}},
	// Postfix as it is set up elsewhere.
	{name: "user-variable", postconf: [][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"}, // mua_milters is set nowhere
		in("submission/inet/smtpd_milters=$mua_milters")}},
	{name: "user-variable-set", postconf: [][]string{set("mua_milters={ " + socket + ", connect_timeout=10s }"), {"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/smtpd_milters=$mua_milters")}},
	{name: "postscreen", postconf: [][]string{{"-M", "smtp/inet=smtp inet n - y - 1 postscreen"}, {"-M", "smtpd/pass=smtpd pass - - y - - smtpd"},
		in("smtpd/pass/smtpd_milters=inet:localhost:11332")}},
	{name: "mx-unsigned", postconf: [][]string{set("smtpd_milters=inet:localhost:11332", "non_smtpd_milters="+socket),
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_milters="+socket, "submission/inet/smtpd_sasl_auth_enable=yes")}},
	{name: "opendkim-and-rspamd", postconf: [][]string{set("smtpd_milters=inet:localhost:8893, " + socket + ", { inet:localhost:11332, default_action=accept, {connect_timeout=3s} }")}},
	{name: "sendmail-words", postconf: [][]string{set("smtpd_milters=local:pratique/milter.sock", "non_smtpd_milters=local:pratique/milter.sock")}},
	{name: "sendmail-port", postconf: [][]string{set("smtpd_milters={ inet:8891@localhost, default_action=tempfail }", "non_smtpd_milters=inet6:[::1]:8891")}},
	{name: "braces-in-service", postconf: [][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/smtpd_milters={" + socket + ",default_action=accept,{command_timeout=1s}},inet:127.0.0.1:11332")}},
	{name: "braces", postconf: [][]string{set("smtpd_milters={ " + socket + ", protocol=3, content_timeout=5s, {command_timeout = 1s} }")}},
	{name: "cleanup-for-smtpd", postconf: [][]string{{"-M", "subcleanup/unix=subcleanup unix n - y - 0 cleanup"},
		in("subcleanup/unix/non_smtpd_milters=", "subcleanup/unix/milter_default_action=accept"), {"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/cleanup_service_name=subcleanup")}},
	{name: "cleanup-for-pickup", postconf: [][]string{{"-M", "localcleanup/unix=localcleanup unix n - y - 0 cleanup"},
		in("localcleanup/unix/non_smtpd_milters=", "pickup/unix/cleanup_service_name=localcleanup")}},
	{name: "amavis-debian", postconf: [][]string{set("content_filter=smtp-amavis:[127.0.0.1]:10024"), {"-M", "smtp-amavis/unix=smtp-amavis unix - - y - 2 smtp"},
		in("smtp-amavis/unix/smtp_data_done_timeout=1200", "smtp-amavis/unix/smtp_send_xforward_command=yes"),
		{"-M", "127.0.0.1:10025/inet=127.0.0.1:10025 inet n - y - - smtpd"},
		in("127.0.0.1:10025/inet/content_filter=", "127.0.0.1:10025/inet/mynetworks=127.0.0.0/8", "127.0.0.1:10025/inet/smtpd_milters=",
			"127.0.0.1:10025/inet/receive_override_options=no_header_body_checks,no_unknown_recipient_checks,no_milters")}},
	{name: "amavis-submission-around", postconf: append([][]string{set("content_filter=smtp-amavis:[127.0.0.1]:10024", "smtpd_milters=", "non_smtpd_milters="),
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/content_filter=")}, reinjection(socket)...)},
	{name: "filter-of-one-service", postconf: append([][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/content_filter=disclaimer:[127.0.0.1]:10024")}, reinjection("")...)},
	{name: "filter-by-pipe", postconf: [][]string{set("non_smtpd_milters=$smtpd_milters"), {"-M", "dfilt/unix=dfilt unix - n n - - pipe flags=Rq user=filter argv=/etc/postfix/disclaimer -f ${sender} -- ${recipient}"},
		in("smtp/inet/content_filter=dfilt:")}},
	{name: "filter-by-pipe-before", postconf: [][]string{{"-M", "dfilt/unix=dfilt unix - n n - - pipe flags=Rq user=filter argv=/etc/postfix/disclaimer -f ${sender} -- ${recipient}"},
		in("smtp/inet/content_filter=dfilt:", "smtp/inet/smtpd_milters=")}},
	{name: "proxy-known", postconf: [][]string{in("smtp/inet/smtpd_proxy_filter=127.0.0.1:10025"), {"-M", "127.0.0.1:10026/inet=127.0.0.1:10026 inet n - n - - smtpd"},
		in("127.0.0.1:10026/inet/smtpd_milters=", "127.0.0.1:10026/inet/receive_override_options=no_milters")}},
	{name: "checks-if", postconf: [][]string{set("milter_header_checks=pcre:${config_directory}/milter_checks", "smtp_header_checks=regexp:${config_directory}/out")},
		files: map[string]string{"milter_checks": "if /^X-Spam/\n/./ IGNORE\nendif\n/^X-\n  Foo/ IGNORE\n", "out": "if /^X-Internal:/\n/secret/ IGNORE\nendif\nif /^From:/\n/root@/\n   REPLACE From: postmaster@example.org\nendif\n"}},
	{name: "checks-inline", postconf: [][]string{set("smtp_generic_maps=pipemap:{inline:{ {root@mail.example.org = admin@example.org}, x@host.example.org=y@example.org },hash:${config_directory}/generic}"),
		in("relay/unix/smtp_generic_maps=")}, files: map[string]string{"generic": "@host.example.org @example.org\n"}},
	{name: "checks-names", postconf: [][]string{set("smtp_header_checks=pcre:${config_directory}/out")},
		files: map[string]string{"out": "/^(X-Mailer|User-Agent):/ IGNORE\n/^\\s*X-Enigmail/ IGNORE\n/^(?:X-Foo|Cc)\\s*:/ IGNORE\n/^Dat/ IGNORE\n/^X?-?Sub/ REPLACE X-Sub: a\n/^Received: .*/ REPLACE Received: x\n"}},
	{name: "two-ways-back", postconf: append(append([][]string{set("content_filter=smtp-amavis:[127.0.0.1]:10024")}, reinjection(socket)...),
		[]string{"-M", "[127.0.0.1]:10028/inet=[127.0.0.1]:10028 inet n - n - - smtpd"}, in("[127.0.0.1]:10028/inet/content_filter=", "[127.0.0.1]:10028/inet/smtpd_milters=",
			"[127.0.0.1]:10028/inet/mynetworks=127.0.0.0/8,192.168.0.0/16"),
		[]string{"-M", "[127.0.0.1]:10030/inet=[127.0.0.1]:10030 inet n - n - - smtpd"}, in("[127.0.0.1]:10030/inet/content_filter=scan:[127.0.0.1]:10032", "[127.0.0.1]:10030/inet/smtpd_milters=inet:localhost:8465"))},
	{name: "checks-in-main", postconf: [][]string{set("smtp_header_checks=pcre:{ {/^Subject: (.*)/ REPLACE Subject: [ext] $1}, {/^X-Mailer:/ IGNORE} }",
		"mynetworks=127.0.0.0/8, 2001:db8::/32, cidr:{ {10.0.0.0/8 OK}, {198.51.100.0/24 OK} }")}},
	{name: "checks-lmtp", postconf: [][]string{set("lmtp_header_checks=regexp:${config_directory}/in")}, files: map[string]string{"in": "/^Subject:/ REPLACE Subject: x\n"}},
	{name: "checks-cleared", postconf: [][]string{set("smtp_header_checks=regexp:${config_directory}/out"), in("relay/unix/smtp_header_checks=", "smtp/unix/smtp_header_checks=")},
		files: map[string]string{"out": "/^Subject:/ IGNORE\n"}},
	{name: "checks-gone", postconf: [][]string{set("smtp_header_checks=pcre:${config_directory}/gone", "milter_header_checks=mysql:/etc/postfix/my.cf", "smtp_generic_maps=ldap:generic")}},
	{name: "line-limit-of-one", postconf: [][]string{in("relay/unix/smtp_line_length_limit=990")}},
	{name: "header-checks-before", postconf: [][]string{set("header_checks=regexp:${config_directory}/h", "always_bcc=archive@example.org", "canonical_maps=hash:/etc/postfix/canonical", "smtpd_discard_ehlo_keywords=8bitmime,chunking")},
		files: map[string]string{"h": "/^Subject:/ IGNORE\n"}},
	{name: "networks-world-in-service", postconf: [][]string{{"-M", "smtps/inet=smtps inet n - y - - smtpd"}, in("smtps/inet/mynetworks=127.0.0.0/8,[::]/0,0.0.0.0/1")}},
	{name: "networks-tables", postconf: [][]string{set("mynetworks=cidr:${config_directory}/nets, !10.3.0.0/16, [2001:db8::]/48, [fd00::1]", "smtpd_authorized_xclient_hosts=localhost, [::1]")},
		files: map[string]string{"nets": "10.1.0.0/16 OK\n192.0.2.0/24 OK\n"}},
	{name: "relay-domains-all", postconf: [][]string{set("relay_domains=example.com, static:all")}},
	{name: "relay-domains-pattern", postconf: [][]string{set("virtual_alias_domains=regexp:${config_directory}/domains")}, files: map[string]string{"domains": "/^example\\.org$/ OK\n/./ OK\n"}},
	{name: "relay-client-all", postconf: [][]string{set("smtpd_relay_restrictions=permit_mynetworks, check_client_access cidr:${config_directory}/clients, reject_unauth_destination")},
		files: map[string]string{"clients": "192.0.2.0/24 OK\n203.0.113.0/24 REJECT\n0.0.0.0/0 OK\n"}},
	{name: "relay-recipient-all", postconf: [][]string{set("smtpd_relay_restrictions=", "smtpd_recipient_restrictions=permit_mynetworks, check_recipient_access pcre:${config_directory}/rcpt, permit_dnswl_client list.dnswl.org, check_policy_service { inet:127.0.0.1:10023, timeout=10s }, reject_unauth_destination")},
		files: map[string]string{"rcpt": "/^abuse@/ OK\n/@/ DUNNO\n"}},
	{name: "relay-certificates", postconf: [][]string{set("smtpd_relay_restrictions=permit_mynetworks, permit_tls_all_clientcerts, check_reverse_client_hostname_access hash:${config_directory}/names, reject_unauth_destination")},
		files: map[string]string{"names": "mail.partner.example OK\n"}},
	{name: "relay-sasl-only", postconf: [][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/smtpd_client_restrictions=permit_sasl_authenticated,reject", "submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,reject", "submission/inet/smtpd_recipient_restrictions=")}},
	{name: "relay-nothing-refused", postconf: [][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/smtpd_client_restrictions=permit_sasl_authenticated,reject", "submission/inet/smtpd_relay_restrictions=", "submission/inet/smtpd_recipient_restrictions=")}},
	{name: "relay-mua-class", postconf: [][]string{set("mua_client_restrictions=permit_sasl_authenticated, reject"), {"-M", "submissions/inet=submissions inet n - y - - smtpd"},
		in("submissions/inet/smtpd_client_restrictions=$mua_client_restrictions", "submissions/inet/smtpd_relay_restrictions=", "submissions/inet/smtpd_recipient_restrictions=$mua_recipient_restrictions")}},
	{name: "relay-loopback", postconf: [][]string{set("inet_interfaces=loopback-only", "smtpd_relay_restrictions=permit")}},
	{name: "submission-ports", postconf: append(append([][]string{set("content_filter=scan:127.0.0.1:10024", "smtpd_milters=", "non_smtpd_milters=")}, reinjection(socket)...),
		[]string{"-M", "127.0.0.1:10587/inet=127.0.0.1:10587 inet n - y - - smtpd"}, in("127.0.0.1:10587/inet/content_filter=", "127.0.0.1:10587/inet/smtpd_sasl_auth_enable=yes"),
		[]string{"-M", "2525/inet=2525 inet n - y - - smtpd"}, in("2525/inet/content_filter="),
		[]string{"-M", "192.0.2.1:4465/inet=192.0.2.1:4465 inet n - y - - smtpd"}, in("192.0.2.1:4465/inet/content_filter=", "192.0.2.1:4465/inet/smtpd_tls_wrappermode=yes"),
		[]string{"-M", "8025/inet=8025 inet n - y - - smtpd"}, in("8025/inet/content_filter=", "8025/inet/syslog_name=postfix/submission"))},
	{name: "submission-signs", postconf: append(append([][]string{set("content_filter=scan:127.0.0.1:10024", "smtpd_milters=", "non_smtpd_milters=")}, reinjection(socket)...),
		[]string{"-M", "10587/inet=10587 inet n - y - - smtpd"}, in("10587/inet/content_filter=", "10587/inet/smtpd_milters="+socket, "10587/inet/smtpd_sasl_auth_enable=yes"))},
	{name: "filter-by-access", postconf: append(append([][]string{set("content_filter=amavis:[127.0.0.1]:10024", "smtpd_milters=", "non_smtpd_milters=",
		"smtpd_sender_restrictions=check_client_access cidr:${config_directory}/inside")}, reinjection(socket)...),
		[]string{"-M", "127.0.0.1:10027/inet=127.0.0.1:10027 inet n - n - - smtpd"}, in("127.0.0.1:10027/inet/content_filter=", "127.0.0.1:10027/inet/receive_override_options=no_milters")),
		files: map[string]string{"inside": "10.0.0.0/8 FILTER amavis:[127.0.0.1]:10026\n192.0.2.0/24 REJECT\n"}},
	{name: "filter-by-access-all", postconf: append(append([][]string{set("content_filter=amavis:[127.0.0.1]:10024", "smtpd_milters=", "non_smtpd_milters="),
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_sender_restrictions=check_sender_access,regexp:${config_directory}/originating")}, reinjection("")...),
		[]string{"-M", "127.0.0.1:10027/inet=127.0.0.1:10027 inet n - n - - smtpd"}, in("127.0.0.1:10027/inet/content_filter=", "127.0.0.1:10027/inet/smtpd_milters="+socket)),
		files: map[string]string{"originating": "/^/ FILTER amavis:[127.0.0.1]:10026\n"}},
	{name: "filter-by-header", postconf: append([][]string{set("header_checks=regexp:${config_directory}/h")}, reinjection(socket)...),
		files: map[string]string{"h": "/^X-Encrypt:/ FILTER gpg:[127.0.0.1]:10024\n/^X-Old:/ FILTER\n"}},
	{name: "filter-by-header-alone", postconf: [][]string{set("header_checks=regexp:${config_directory}/h"), {"-M", "127.0.0.1:10026/inet=127.0.0.1:10026 inet n - n - - smtpd"},
		in("127.0.0.1:10026/inet/smtpd_milters=")}, files: map[string]string{"h": "/^X-Encrypt:/ FILTER gpg:[127.0.0.1]:10025\n"}},
	{name: "filter-by-body", postconf: append([][]string{set("body_checks=pcre:${config_directory}/b"), in("pickup/unix/receive_override_options=no_header_body_checks")}, reinjection("")...),
		files: map[string]string{"b": "/disclaimer/ FILTER maildrop:dummy\n"}},
	{name: "filter-strips", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024", "header_checks=regexp:${config_directory}/h")}, reinjection("")...),
		files: map[string]string{"h": "/^(DKIM-Signature|Authentication-Results):/ IGNORE\n/^X-Mailer:/ IGNORE\n"}},
	{name: "filter-strips-not", postconf: append(append([][]string{set("content_filter=scan:127.0.0.1:10024", "header_checks=regexp:${config_directory}/h")}, reinjection("")...),
		in("127.0.0.1:10025/inet/receive_override_options=no_header_body_checks")), files: map[string]string{"h": "/^DKIM-Signature:/ IGNORE\n"}},
	{name: "disabled-services", postconf: [][]string{set("master_service_disable=!smtp/inet, inet"), {"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_milters=")}},
	{name: "named-twice", postconf: [][]string{set("smtpd_milters=inet:127.0.0.1:8891, inet:localhost:11332, " + socket)}},
	{name: "filter-as-route", postconf: [][]string{set("smtpd_sender_restrictions=check_sender_access texthash:${config_directory}/routes")},
		files: map[string]string{"routes": "bulk.example.org FILTER bulk:\nold.example.org FILTER relay:[smart.example.net]:587\n"}},
	{name: "networks-world-on-loopback", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024", "smtpd_milters=", "non_smtpd_milters=")},
		append(reinjection(socket), in("127.0.0.1:10025/inet/mynetworks=0.0.0.0/0"))...)},
	{name: "units", postconf: [][]string{set("smtpd_timeout=1h", "milter_content_timeout=300", "milter_connect_timeout=1m", "milter_command_timeout=2")}},
	{name: "checks-in-database", postconf: [][]string{set("smtpd_sender_restrictions=check_sender_access proxy:mysql:/etc/postfix/senders.cf", "header_checks=pcre:/etc/postfix/gone")}},
	{name: "quarantine", postconf: [][]string{set("milter_default_action=quarantine", "internal_mail_filter_classes=bounce, notify")}},
}
