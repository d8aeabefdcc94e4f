package reason

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestOf(t *testing.T) {
	for _, c := range []struct{ status, text, want string }{
		// Gmail.
		{"5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces. 550 5.1.1  https://support.google.com/mail/?p=NoSuchUser a1-20020a17si", "hard/unknown_user 5.1.1"},
		{"5.2.1", "550-5.2.1 The email account that you tried to reach is inactive.", "hard/disabled 5.2.1"},
		{"5.2.1", "550 5.2.1 The email account that you tried to reach is disabled.", "hard/disabled 5.2.1"},
		{"5.2.2", "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient", "soft/mailbox_full 5.2.2"},
		{"4.2.1", "450-4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.", "soft/rate_limited 4.2.1"},
		{"4.7.28", "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited.", "block/reputation 4.7.28"},
		{"5.7.1", "550-5.7.1 [192.0.2.1      12] Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked.", "block/spam 5.7.1"},
		{"5.7.1", "550-5.7.1 Our system has detected that this message is likely suspicious due to the very low reputation of the sending domain.", "block/reputation 5.7.1"},
		{"5.7.26", "550-5.7.26 Your email has been blocked because the sender is unauthenticated. 550-5.7.26 Gmail requires all senders to authenticate with either SPF or DKIM.", "policy/authentication 5.7.26"},
		{"5.7.26", "550-5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy.", "policy/authentication 5.7.26"},
		{"5.7.25", "550-5.7.25 [192.0.2.1] The IP address sending this message does not have a PTR record setup", "policy/reverse_dns 5.7.25"},
		{"5.7.0", "552-5.7.0 This message was blocked because its content presents a potential security issue.", "policy/virus 5.7.0"},
		{"5.3.4", "552-5.3.4 Your message exceeded Google's message size limits.", "policy/too_big 5.3.4"},
		{"5.7.1", "550-5.7.1 This message is not RFC 5322 compliant. There are multiple From headers.", "policy/malformed 5.7.1"},
		{"4.7.29", "421-4.7.29 Your email has been rate limited because this message wasn't sent over a TLS connection.", "policy/tls 4.7.29"},
		// Outlook, Exchange Online, Exchange.
		{"5.1.90", "550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients", "soft/rate_limited 5.1.90"},
		{"5.7.23", "550 5.7.23 The message was rejected because of Sender Policy Framework violation", "policy/authentication 5.7.23"},
		{"5.7.1", "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).", "block/blocklisted 5.7.1"},
		{"5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).", "hard/unknown_user 5.5.0"},
		{"5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [DB5EUR01FT006.eop-EUR01.prod.protection.outlook.com]", "hard/unknown_user 5.4.1"},
		{"5.1.10", "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient nobody@firm.example not found by SMTP address lookup", "hard/unknown_user 5.1.10"},
		{"5.7.606", "550 5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit", "block/blocklisted 5.7.606"},
		{"5.7.515", "550 5.7.515 Access denied, sending domain EXAMPLE.ORG doesn't meet the required authentication level.", "policy/authentication 5.7.515"},
		{"5.7.509", "550 5.7.509 Access denied, sending domain [EXAMPLE.ORG] does not pass DMARC verification and has a DMARC policy of reject", "policy/authentication 5.7.509"},
		{"4.7.650", "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation.", "block/reputation 4.7.650"},
		{"5.2.2", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded", "soft/mailbox_full 5.2.2"},
		{"5.2.3", "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient", "policy/too_big 5.2.3"},
		{"5.7.133", "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "policy/restricted 5.7.133"},
		{"5.7.708", "550 Service unavailable.", "block/reputation 5.7.708"},
		// Yahoo.
		{"4.7.0", "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints - 4.16.55.1", "block/reputation 4.7.0"},
		{"5.7.1", "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", "block/blocklisted 5.7.1"},
		{"5.0.0", "554 delivery error: dd This user doesn't have a yahoo.com account (nobody@yahoo.com) [0] - mta4", "hard/unknown_user 5.0.0"},
		{"5.0.0", "554 delivery error: dd Sorry, your message to x@yahoo.com cannot be delivered. This mailbox is disabled (554.30).", "hard/disabled 5.0.0"},
		{"5.7.9", "554 5.7.9 Message not accepted for policy reasons. See https://senders.yahooinc.com/error-codes", "policy/refused 5.7.9"},
		// About the sender, whatever words for recipients stand in it.
		{"5.1.0", "550 5.1.0 <news@example.org>: Sender address rejected: User unknown in virtual mailbox table (in reply to RCPT TO command)", "policy/restricted 5.1.0"},
		{"5.1.7", "550 5.1.7 <news@example.org>: Sender address rejected: undeliverable address: host mx[192.0.2.1] said: 550 5.1.1 user unknown (in reply to RCPT TO command)", "policy/restricted 5.1.7"},
		{"5.0.0", "550-Requested action not taken: mailbox unavailable 550 invalid DNS MX or A/AAAA resource record", "policy/restricted 5.0.0"},
		{"5.0.0", "550 Domain may not exist or DNS check failed [MXSMTP]", "policy/restricted 5.0.0"},
		{"5.0.0", "550 Sender callout verification failed: 550 no such user", "policy/restricted 5.0.0"},
		{"5.0.0", "550 Callback failed: the mailbox does not exist", "policy/restricted 5.0.0"},
		{"5.0.0", "550 Return path domain not found", "policy/restricted 5.0.0"},
		{"5.7.1", "550 5.7.1 Mail from example.org refused: domain does not exist", "policy/restricted 5.7.1"},
		{"5.7.0", "550 5.7.0 From: header domain does not exist", "policy/restricted 5.7.0"},
		{"5.7.1", "550 5.7.1 your IP has been suspended", "policy/restricted 5.7.1"},
		{"5.7.8", "535 5.7.8 Authentication failed: account disabled", "policy/restricted 5.7.8"},
		{"5.1.1", "550-5.1.1 Verification failed for <news@example.org> 550 No such user here", "policy/restricted 5.1.1"},
		// Full mailboxes in other languages.
		{"", "Boîte aux lettres pleine", "soft/mailbox_full"},
		{"", "El buzón del destinatario está lleno", "soft/mailbox_full"},
		{"", "Casella piena", "soft/mailbox_full"},
		{"", "A caixa postal do destinatário está cheia", "soft/mailbox_full"},
		{"", "Das Postfach des Empfängers ist voll", "soft/mailbox_full"},
		{"", "Почтовый ящик переполнен", "soft/mailbox_full"},
		{"", "原因: 收件人邮箱已满", "soft/mailbox_full"},
		// Exchange Online, by DANE and by its limits.
		{"5.7.325", "550 5.7.325 certificate-host-mismatch: Remote certificate MUST have a common name", "policy/tls 5.7.325"},
		{"5.7.321", "", "policy/tls 5.7.321"},
		{"5.2.122", "554 5.2.122 The recipient has exceeded their limit for the number of messages they can receive per hour.", "soft/rate_limited 5.2.122"},
		// Others.
		{"5.0.0", "5.4.7 - Delivery expired (message too old) [Default] 451-'4.7.1 Greylisting in action, please come back later' (delivery attempts: 25)", "soft/expired 5.0.0"},
		{"5.0.0", "554 rejected due to spam URL in content", "block/spam 5.0.0"},
		{"4.7.0", "421-4.7.0 Our system has detected that this message is 421-4.7.0 suspicious due to the nature of the content and/or the links within.", "block/spam 4.7.0"},
		{"4.7.0", "421 4.7.0 [GL01] Message from (192.0.2.1) temporarily deferred - 4.16.50", "soft/greylisted 4.7.0"},
		{"4.0.0", "421 4.0.0 Intrusion prevention active for [192.0.2.1]", "block/blocklisted 4.0.0"},
		{"5.7.1", "554-5.7.1 Connection refused. IP name possibly forged 192.0.2.1", "policy/reverse_dns 5.7.1"},
		{"4.4.3", "Name service error for name=example.net type=MX: Malformed or unexpected name server reply", "soft/dns 4.4.3"},
		{"4.4.4", "unable to look up host mx.example.net: Temporary failure in name resolution", "soft/dns 4.4.4"},
		{"5.7.0", "550 5.7.0 Message Size Violation", "policy/too_big 5.7.0"},
		{"5.6.7", "553 5.6.7 Non-ASCII addresses not permitted for sender/recipient", "policy/malformed 5.6.7"},
		{"5.7.1", "550 5.7.1 TLS certificate has expired", "policy/tls 5.7.1"},
		{"5.7.1", "554 5.7.1 [CS01] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137", "block/blocklisted 5.7.1"},
		{"5.0.0", "554-gmx.net (mxgmx017) Nemesis ESMTP Service not available 554-No SMTP service 554-Bad DNS PTR resource record.", "policy/reverse_dns 5.0.0"},
		{"5.0.0", "554 IP=192.0.2.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (BL)", "block/blocklisted 5.0.0"},
		{"5.7.1", "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1", "block/blocklisted 5.7.1"},
		{"5.0.0", "550 Benutzer hat kein Konto bei T-Online / user has no mailbox", "hard/unknown_user 5.0.0"},
		{"5.2.2", "552 5.2.2 Mailbox size limit exceeded 1700000000-abc", "soft/mailbox_full 5.2.2"},
		{"5.1.1", "550 5.1.1 Not our customer - a@comcast.net", "hard/unknown_user 5.1.1"},
		// Postfix and sendmail as they report it themselves.
		{"5.1.1", "host mx.example.net[192.0.2.5] said: 550 5.1.1 <a@example.net>: Recipient address rejected: User unknown in virtual mailbox table (in reply to RCPT TO command)", "hard/unknown_user 5.1.1"},
		{"4.7.1", "host mx.example.net[192.0.2.5] said: 450 4.7.1 <a@example.net>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/help/example.net.html (in reply to RCPT TO command)", "soft/greylisted 4.7.1"},
		{"4.4.1", "connect to mx.example.net[192.0.2.5]:25: Connection timed out", "soft/connection 4.4.1"},
		{"4.4.1", "connect to antispam-quota.example.net[2001:db8::1]:25: No route to host", "soft/connection 4.4.1"},
		{"5.4.4", "Host or domain name not found. Name service error for name=nowhere.example type=AAAA: Host not found", "hard/bad_domain 5.4.4"},
		{"4.4.3", "Host or domain name not found. Name service error for name=slow.example type=MX: Host not found, try again", "soft/dns 4.4.3"},
		{"5.4.6", "mail for example.net loops back to myself", "policy/loop 5.4.6"},
		{"5.3.4", "message size 41943040 exceeds size limit 10240000 of server mx.example.net[192.0.2.5]", "policy/too_big 5.3.4"},
		{"5.1.10", "Domain example.net does not accept mail (nullMX)", "hard/bad_domain 5.1.10"},
		{"5.7.1", "554 5.7.1 <a@b>: Relay access denied", "policy/relay_denied 5.7.1"},
		{"4.4.7", "Message could not be delivered for 5 days", "soft/expired 4.4.7"},
		{"4.7.5", "Server certificate not trusted", "policy/tls 4.7.5"},
		{"", "550 5.1.1 <nobody@example.net>... User unknown", "hard/unknown_user 5.1.1"},
		// qmail, Exim, Domino.
		{"", "Sorry, no mailbox here by that name. (#5.1.1)", "hard/unknown_user 5.1.1"},
		{"", "Sorry, I couldn't find any host named nowhere.example. (#5.1.2)", "hard/bad_domain 5.1.2"},
		{"", "Sorry, I wasn't able to establish an SMTP connection. (#4.4.1) I'm not going to try again; this message has been in the queue too long.", "soft/connection 4.4.1"},
		{"", "Unrouteable address", "hard/unknown_user"},
		{"", "all relevant MX records point to non-existent hosts", "hard/bad_domain"},
		{"", "User nobody (nobody@firm.example) not listed in Domino Directory", "hard/unknown_user"},
		{"5.0.0", "Maximum hop count exceeded. Message probably in a routing loop.", "policy/loop 5.0.0"},
		// What holds the words of another reason.
		{"5.1.8", "553 5.1.8 <a@example.org>... Domain of sender address a@example.org does not exist", "policy/restricted 5.1.8"},
		{"5.1.0", "5.1.0 - Unknown address error 550-'5.7.1 <a@example.net>... Access denied' (delivery attempts: 0)", "policy/refused 5.1.0"},
		{"5.1.1", "550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416 [416]", "hard/unknown_user 5.1.1"},
		{"", "Your mail could not be delivered because they are not accepting mail with attachments", "policy/restricted"},
		{"", "The account or domain may not exist, they may be blacklisted, or missing the proper dns entries.", "hard/unknown_user"},
		{"", "DNS lookup failure: host nowhere.example not found", "hard/bad_domain"},
		{"5.0.0", "501 5.0.0 Invalid domain name: my name was rejected", "policy/reverse_dns 5.0.0"},
		{"5.0.0", "550 5.0.0 Client host rejected: may not be mail exchanger", "policy/reverse_dns 5.0.0"},
		{"", "Amazon SES has suppressed sending to this address because it has a recent history of bouncing", "hard/unknown_user"},
		// A word that is in names, too, where nothing else tells.
		{"5.7.1", "550 5.7.1 Probable Spam", "block/spam 5.7.1"},
		{"5.1.1", "550 5.1.1 see https://spam.example.net/why", "hard/unknown_user 5.1.1"},
		// About the sender, at a command before there is a recipient.
		{"5.1.7", "host mx.example.net [192.0.2.5] SMTP error from remote mail server after MAIL FROM:<a@example.org>: 550 5.1.7 No such domain example.org.", "policy/restricted 5.1.7"},
		{"5.1.1", "host mx.example.net[192.0.2.5] said: 550 5.1.1 user unknown (in reply to MAIL FROM command)", "policy/restricted 5.1.1"},
		{"5.0.0", "delivery temporarily suspended: connect to mx.example.net[192.0.2.5]:25: Connection refused", "soft/connection 5.0.0"},
		{"4.1.1", "550 5.1.1 user unknown", "hard/unknown_user 4.1.1"}, // soft_bounce; the code keeps the recipient from being suppressed
		// Only the reply code tells.
		{"5.0.0", "554 Transaction failed", "policy/refused 5.0.0"},
		{"", "504 Command parameter not implemented", "policy/malformed 504"},
		{"", "521 no mail here", "hard/bad_domain 521"},
		{"5.0.0", "550 Recipient address rejected.", "unknown/unknown 5.0.0"},
		// A name of a host or mailbox says nothing.
		{"5.1.1", "host mx.antispam.example[192.0.2.5] said: 550 5.1.1 <spam@quota.example> user not known here", "hard/unknown_user 5.1.1"},
		// A temporary answer is never hard.
		{"4.1.1", "450 4.1.1 <a@example.net>: Recipient address rejected: User unknown in local recipient table", "soft/system 4.1.1"},
		// The code alone.
		{"5.1.1", "", "hard/unknown_user 5.1.1"},
		{"5.1.2", "", "hard/bad_domain 5.1.2"},
		{"5.2.2", "", "soft/mailbox_full 5.2.2"},
		{"5.7.1", "", "policy/refused 5.7.1"},
		{"5.7.25", "go away", "policy/reverse_dns 5.7.25"},
		{"4.7.1", "come back", "soft/refused 4.7.1"},
		{"4.2.0", "", "soft/system 4.2.0"},
		{"", "421 bye", "soft/system 421"},
		{"", "552 no", "soft/mailbox_full 552"},
		{"", "550 no", "unknown/unknown 550"},
		{"5.0.0", "", "unknown/unknown 5.0.0"},
		{"5.0.0", "no", "unknown/unknown 5.0.0"},
		{"5.0.0", "550 5.7.27 <x> null MX of the sender", "hard/bad_domain 5.7.27"},
		{"", "", "unknown/unknown"},
		{"", "host mxs.example.ru [217.69.139.150]: 550 Message was not accepted -- user not found", "hard/unknown_user 550"},
		{"", "[450.1.2.3] no", "unknown/unknown"},
		{"", "smtp;550 5.1.1 x", "hard/unknown_user 5.1.1"},
	} {
		if got := Of(c.status, c.text).Key(); got != c.want {
			t.Errorf("Of(%q, %.90q) = %s, want %s", c.status, c.text, got, c.want)
		}
	}
}

func TestAnonymous(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"550 5.1.1 <bob@example.net>: no such user", "550 5.1.1 <address>: no such user"},
		{`"odd name"@example.net is gone`, "<address> is gone"},
		{"550-5.1.1 The account\r\n550 5.1.1 https://support.google.com/mail/?p=NoSuchUser abcdef12-20020a17090a3c8b00b0 - gsmtp", "550-5.1.1 The account 550 5.1.1 https://support.google.com/… <id> - gsmtp"},
		{"host mx[192.0.2.1] and 2001:db8:0:1::25 said", "host mx[<ip>] and <ip> said"},
		{"(S2017062302) at DB5EUR01FT006.eop-EUR01.prod", "(S2017062302) at <id>"},
		{"a\x00b\x1b[31mc\u202e", "ab[31mc"},
	} {
		if got := Anonymous(c.text); got != c.want {
			t.Errorf("Anonymous(%q)\n got %q\nwant %q", c.text, got, c.want)
		}
	}
	long := Anonymous(strings.Repeat("über ", 100))
	if len(long) > maxShown+len("…") || !utf8.ValidString(long) {
		t.Errorf("%d octets, %q", len(long), long)
	}
}

// Every phrase can be reached: no earlier row takes all of its replies.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range append(table, weak...) {
		for _, phrase := range r.phrases {
			if phrase != strings.ToLower(phrase) || phrase == "" {
				t.Errorf("%q is not in lower case", phrase)
			}
			if seen[phrase+r.only] {
				t.Errorf("%q stands twice", phrase)
			}
			seen[phrase+r.only] = true
		}
	}
}

func FuzzOf(f *testing.F) {
	f.Add("5.1.1", "550-5.1.1 The email account")
	f.Add("", "(#5.1.1) <a@b> mx[::1]:25 https://x/")
	f.Fuzz(func(t *testing.T, status, text string) {
		r := Of(status, text)
		if r.Class == "" || r.Name == "" {
			t.Errorf("no reason: %+v", r)
		}
		shown := Anonymous(text)
		if len(shown) > maxShown+len("…") || strings.ContainsAny(shown, "\r\n\x00\x1b") {
			t.Errorf("shown: %q", shown)
		}
	})
}

func BenchmarkOf(b *testing.B) {
	for b.Loop() {
		Of("5.7.1", "host mx.example.net[192.0.2.5] said: 550 5.7.1 something that no row of the table has words for (in reply to end of DATA command)")
	}
}
