package reason

import "strings"

// row is phrases, in lower case, that mean one reason.
type row struct {
	class   Class
	name    string
	only    string // "4": in temporary replies only, "5": in permanent ones, or without a code
	phrases []string
}

// table is looked through from the top; the first phrase that stands in the reply
// decides. What is special stands before what is general: a name of a blocklist
// before "rejected", the full mailbox before "mailbox unavailable".
//
// Receivers whose words are in here: Gmail (its list "SMTP error reference"),
// Outlook and Exchange Online ("NDR codes", with RESOLVER.* of Exchange Server),
// Yahoo and AOL ("SMTP error codes": TSS*, PH01, BL21), iCloud (CS01, HM08), GMX
// and web.de, T-Online, Orange (OFR*), Comcast (BL*, RL*), mail.ru, QQ; and the
// MTAs and filters Postfix, sendmail, Exim, qmail, Domino, Proofpoint, Mimecast,
// Barracuda, Cisco, Cloudmark, SpamAssassin and rspamd as they come.
var table = []row{
	// What holds words of other reasons, or names several.
	{Hard, "unknown_user", "5", []string{
		"account or domain may not exist", "suppressed sending", "suppression list", "destinataire invalide", "ofr_402", "ofr_416", "ofr004_402", "ofr004_416",
	}},
	{Soft, "mailbox_full", "", []string{"ofr_417", "ofr004_417", "mailbox exceeds allowed size", "mailbox exceeded the"}},
	{Hard, "bad_domain", "5", []string{"dns lookup failure…not found"}},
	{Policy, "restricted", "", []string{
		"domain of sender", "sender domain", "sender's domain", "domain of the sender", "unroutable sender", "unrouteable sender", "from: domain is invalid", "permission to post",
		"groups.google.com/support", "address is not verified", "not accepting mail from", "not accepting mail with", "not accepting messages from", "email address not verified",
		// About the sender, in the words of other reasons for which recipients are refused.
		"sender address rejected: user unknown", "sender address rejected: undeliverable", "sender address rejected: unverified", "sender address rejected…does not exist",
		"sender verify failed", "verification failed for", "unknown sender", "sender unknown", "sender is unknown", "sender does not exist", "sender address does not exist",
		"invalid dns mx", "dns check failed", "sender address has null mx", "sender address is not allowed",
	}},

	// The DNS did not answer. Before "host not found", which is for good.
	{Soft, "dns", "", []string{
		"host not found, try again", "name service error…try again", "temporary lookup failure", "dns lookup failure",
		"lowest numbered mx record points to local host", "temporary dns", "dns error", "dns timeout", "host lookup did not complete",
		"servfail", "domain lookup error", "unexpected name server reply", "failure in name resolution", "name server timeout", "name server:…host name lookup failure", "host name lookup failure",
	}},

	// What leaves no doubt, before words that it may hold ("not listed in …").
	{Hard, "unknown_user", "5", []string{
		"user unknown", "unknown user", "no such user", "not listed in", "recipientnotfound", "recipnotfound", "recipient address rejected: access denied", "p=nosuchuser",
	}},

	// Us: the address, the domain or the content has a bad name.
	{Block, "blocklisted", "", []string{
		"spamhaus", "spamcop", "barracudacentral", "uceprotect", "sorbs.net", "invaluement", "mailspike", "psbl.", "senderscore", "abusix",
		"ix.dnsbl", "dnsbl", "blacklist", "black list", "blocklist", "block list", "block-list", "blocklisted", "denylist", "deny list",
		"rbl restriction", " rbl ", "(rbl)", "blocked using", "listed in", "listed at", "listed on", "banned sending ip", "banned sender",
		"[bl2", "[bl0", "(s3140)", "(s3150)", "5.7.511", "[cs01]", "bl000", "hvu:b", "rly:b", "rtr:b", "ipcheck.proofpoint", "csi.cloudmark",
		"ofr_", "ofr004", "ofr006", "access denied, banned", " ip address…blocked", " ip…is blocked", "your ip…blocked", "client host…blocked", "a problem occurred. (ask your postmaster",
		"blocked by…your ip", "sender ip…reject", "bad reputation ip",
		"sc-00", "dy-00", "ou-00", "open relay", "insecure mail relay", "client host rejected: access denied", "blocked for abuse", "refused by blackhole", "blackhole site", "intrusion prevention active",
	}},
	{Block, "reputation", "", []string{
		"unusual rate of", "tss0", "low reputation", "poor reputation", "bad reputation", "reputation", "user complaints",
		"unexpected volume", "excessive complaints", "5.7.750", "5.7.705", "5.7.708", "5.7.501", "5.7.502", "5.7.503", "suspicious activity",
		"too much spam", "sending spam", "too many spam", "abuse report", "senderbase", "rly:ch", "[hm0",
		"unwanted messages",
	}},
	{Policy, "virus", "", []string{
		"virus", "malware", "infected", "trojan", "potential security issue", "security issue", "blocked attachment", "attachment…not allowed",
		"attachment…blocked", "attachment…reject", "banned file", "banned attachment", "executable content",
		"attachment type", "dangerous attachment",
	}},
	{Block, "spam", "", []string{
		"unsolicited", "spam message", "as spam", "is spam", "spam content", "spam detected", "spam score", "looks like spam", "spam-like", "spammy",
		"considered spam", "classified as spam", "identified as spam", "suspected spam", "spam filter", "spam rejected", "spamassassin", "antispam",
		"anti-spam", "content rejected", "message content", "mail content denied", "dt:spm", "suspicious due to the nature", "suspected bounce attacks", "rejected by content", "high probability of spam",
		"ph01", "phish", "junk mail", "bulk mail rejected", "rejected due to content", "rejected for policy reasons. see", "gtube", "554 5.7.1…spam",
		"message filtered", "blacklisted url", "uribl", "surbl",
	}},

	// Our set-up.
	{Policy, "authentication", "", []string{
		"dmarc", "spf", "dkim", "sender is unauthenticated", "unauthenticated email", "not authenticated", "required authentication level",
		"sender id", "authentication checks", "unable to authenticate", "authentication-results", "5.7.509", "5.7.515",
		"invalid ip for sending mail",
		"sender policy framework",
	}},
	{Policy, "reverse_dns", "", []string{
		"ptr record", "ptr resource record", "reverse dns", "reverse-dns", "rdns", "reverse lookup", "reverse mapping", "reverse hostname", "no ptr",
		"cannot find your hostname", "cannot find your reverse", "client host rejected: cannot find", "helo command rejected", "invalid helo", "bad helo",
		"helo/ehlo", "ehlo/helo", "bad dns", "fqdn required", "need fully-qualified hostname",
		"ip name lookup failed", "may not be mail exchanger", "unverifyable sending ip", "unverifiable sending ip", "ip name possibly forged", "my name was rejected",
	}},
	{Policy, "tls", "", []string{
		"must issue a starttls", "starttls first", "starttls is required", "tls is required", "tls required", "requires tls", "require tls",
		"encryption required", "session encryption", "offers no starttls", "offered no starttls", "not offer…starttls", "cannot start tls", "tls handshake",
		"server certificate", "mta-sts", "tlsa",
		"does not support tls", "doesn't support tls", "must support tls", "certificate has expired", "starttls-not-supported", "certificate-host-mismatch", "certificate-expired",
		"over a tls",
	}},
	{Policy, "too_big", "", []string{
		"message size exceeds", "message too large", "message too big", "message is too large", "message is too big", "message exceeds",
		"exceeds size limit", "exceeds maximum message size", "exceeds fixed maximum", "exceeds the maximum", "maximum message size", "size limit exceeded for message",
		"message length exceeds", "message file too big", "too large to send", "file size limit", "larger than the current system limit",
		"resolver.rst.sendsizelimit", "resolver.rst.recipsizelimit", "sizelimit",
		"mail size limit exceeded", "size violation", "message size limit exceeded", "line limit exceeded", "maximum size", "maximum allowed size",
	}},
	{Policy, "malformed", "", []string{
		"rfc 5322", "rfc 2822", "rfc 822", "rfc5322", "rfc2822", "rfc 5321", "not rfc", "rfc-compliant", "non-compliant", "valid from header", "missing…header", "missing a valid",
		"header…missing", "invalid header", "malformed", "bare lf", "bare <lf>", "bare cr", "bare newline", "line too long", "lines longer than",
		"line length", "duplicate…header", "multiple…header", "messageid", "message-id header", "date header", "mime error", "nul characters",
		"null character", "invalid characters", "non-ascii addresses", "illegal 8-bit", "smtputf8", "8bitmime",
		"protocol violation", "header error", "mime malformed",
		"without to: field", "without a to",
	}},
	{Policy, "relay_denied", "", []string{
		"relay access denied", "relaying denied", "relay denied", "relaying not", "relay not permitted", "relay not allowed", "not permitted to relay", "unable to relay",
		"relay prohibited", "relaying prohibited", "no relaying", "do not relay", "don't relay", "isn't in my list of allowed rcpthosts", "rcpthosts",
		"not a gateway", "we do not accept mail for", "authentication is required for relay", "relaying mail",
		"remote domains not supported",
	}},
	{Policy, "loop", "", []string{
		"loops back to myself", "mail loop", "mail loops", "routing loop", "loop detected", "too many hops", "hop count exceeded", "hop count", "too many \"received\"",
		"too many received", "mail forwarding loop", "message is looping", "i'm not going to try again; this message has been in the queue too long…loop",
	}},
	{Policy, "restricted", "", []string{
		"resolver.rst.notauthorized", "resolver.rst.authrequired", "resolver.rst.restricted", "restricted to", "not authorized to send", "not allowed to send", "delivery not authorized",
		"only accepts…from", "permitted senders", "sender not authenticated for group", "sender address rejected", "sender rejected", "sender denied", "authentication required",
		"5.7.124", "5.7.133", "5.7.134", "5.7.135", "5.7.136", "not permitted to send", "does not accept messages from",
	}},

	// The recipient's mailbox, for the time being.
	{Soft, "rate_limited", "", []string{
		"receiving mail at a rate", "receiving mail too quickly", "rate limit", "ratelimit", "rate-limit", "rate that", "too many connections", "too many concurrent",
		"too many messages", "too many recipients", "too many errors", "too many requests", "too much mail", "throttl", "slow down", "too fast", "exceeded the maximum number of",
		"max message per connection", "connection limit", "connections from your", "sending limit", "frequency limited", "frequency is limited", "4.7.500", "server busy…(s77714)", "(s77714)",
		"(s775b)", "rl000", "deferred due to volume", "message rate", "sending quota", "daily quota", "sending limit exceeded",
		"relay quota",
		"daily limit", "hourly limit", "exceeded their limit for the number of messages",
	}},
	{Soft, "mailbox_full", "", []string{
		"mailbox full", "mailbox is full", "mailbox…is full", "inbox is full", "over quota", "overquota", "over the quota", "quota exceeded", "exceeded…quota", "exceeds…quota",
		"quota", "out of storage", "exceeded storage", "storage limit", "storage allocation", "mailbox size limit", "mailfolder is full", "user is over the limit",
		"not enough space", "not enough storage", "insufficient space", "insufficient storage in mailbox", "mailbox has exceeded", "maildir over", "disk full",
		"too many messages in the mailbox", "messages in recipient's mailbox", "too much mail stored", "mailbox limit", "casilla de mail agotado", "postfach ist voll", "postfach…ist voll", "mailbox ist voll", "speicherplatz", "boîte…pleine", "boite…pleine", "messagerie…pleine", "buzón…lleno", "buzon…lleno", "casella…piena", "caixa…cheia", "caixa…lotada", "postvak…is vol", "postbus…is vol", "skrzynka…pełna", "przepełnion", "переполнен", "邮箱已满", "邮箱空间", "信箱已滿", "信箱空間", "メールボックスが一杯", "メールボックスの容量",
	}},
	{Soft, "greylisted", "4", []string{
		"greylist", "graylist", "[gl0", "grey-list", "grey list", "gray-list", "postgrey", "please try again in…minutes", "try again in…seconds", "retry in…seconds",
		"try again after", "retry later…first time", "first attempt",
	}},

	// The recipient, for good.
	{Hard, "disabled", "5", []string{
		"account…is disabled", "account…been disabled", "account disabled", "mailbox disabled", "mailbox is disabled", "mailbox…disabled", "user disabled", "disabled user",
		"disabled recipient", "account is inactive", "is inactive", "inactive user", "inactive mailbox", "inactive account", "mailbox inactive", "suspended", "deactivated", "account…closed",
		"account…expired", "account has been terminated", "account is locked", "mailbox is locked", "account…blocked", "not accepting mail", "not accepting messages",
		"no longer accepting", "no longer accepts", "discontinued",
		"is frozen", "account frozen", "temporary locked", "temporarily locked", "por falta de uso", "no longer in use",
	}},
	{Hard, "bad_domain", "5", []string{
		"host or domain name not found", "domain not found", "host not found", "unknown host", "host unknown", "hostname not found", "no such domain", "domain does not exist", "domain…not exist",
		"domain name not found", "nxdomain", "non-existent host", "nonexistent domain", "non-existent domain", "unknown domain", "invalid domain", "bad destination host", "bad destination system",
		"couldn't find any host", "unrouteable mail domain", "unrouteable domain", "null mx", "nullmx", "does not accept mail", "accepts no mail", "domain does not receive", "mail server for…not found",
		"no mx record", "no mail exchanger", "no mail hosts for domain", "unable to find a mail server", "no route found to domain", "couldn't be found…domain", "domain…couldn't be found",
		"no mx found", "indicated no smtp service", "domain is not reachable", "could not find a gateway", "hostname lookup failed", "nameserver error",
		"name or service not known",
	}},
	{Hard, "unknown_user", "5", []string{
		"unknown recipient", "recipient unknown", "unknown local part", "unknown local-part", "unknown mailbox", "unknown account", "unknown address", "address unknown",
		"unknown or illegal alias", "unknown virtual", "no such recipient", "no such mailbox", "no such address", "no such person", "no such account", "no such local user", "no mailbox here",
		"no mailbox by", "no account by", "no user here", "no recipient", "does not exist", "doesn't exist", "do not exist", "doesn't have a", "does not have an account", "not have an account",
		"mailbox not found", "user not found", "recipient not found", "account not found", "address not found", "not found by smtp address lookup", "mailbox not available", "mailbox unavailable",
		"couldn't be found", "wasn't found", "was not found", "could not be found", "not in the address book", "invalid recipient", "invalid mailbox", "invalid user",
		"invalid address", "illegal user", "not a valid mailbox", "not a valid recipient", "not a valid user", "not a known user", "not known here", "not our customer", "is not valid", "addressee unknown", "addressee is unknown",
		"bad destination mailbox", "bad address", "undeliverable address", "undeliverable mail", "unrouteable address", "unrouteable", "mailbox does not", "no longer valid", "no longer available", "no longer on server", "no longer exists", "no longer active",
		"user has moved", "moved to an unknown", "recipient rejected", "recipient is invalid", "recipient does not", "no valid recipients", "unbekannter benutzer", "empfänger unbekannt", "existiert nicht",
		"utilisateur inconnu", "adresse inconnue", "n'existe pas", "usuario desconocido", "no existe", "delivery error: dd", "(#5.1.1)", "[ir0", "account that you tried to reach",
		"user not exist", "recipient not exist", "mailbox not exist", "not exist", "final delivery userid", "not a valid", "not a registered", "no account", "not known to", "no matches to", "does not have a final", "recipient name is not recognized", "can't be found", "couldn't find", "not recognized", "не существует", "не найден", "nicht gefunden", "nicht bekannt", "nicht vorhanden", "inconnu", "não existe", "non esiste", "inesistente", "sconosciuto", "bestaat niet", "用户不存在", "不存在", "見つかりません",
		"no mail box", "bad_recipient", "not an active address", "address is not active", "desconoc", "not unique", "recipient was unavailable",
		"has no mailbox", "no mailbox for", "kein konto",
	}},

	// The way there.
	{Soft, "connection", "", []string{
		"connection timed out", "connection refused", "connection reset", "connection closed", "connection dropped", "connection lost", "lost connection", "no route to host", "network is unreachable", "host is down",
		"operation timed out", "session timed out", "timed out while", "timed out waiting", "read timeout", "command timeout", "connect to", "able to establish", "couldn't establish", "could not connect", "unable to connect", "can't connect", "not respond", "no response", "didn't respond", "did not respond", "broken pipe", "conversation with", "refused to talk to me",
		"retry time not reached", "all hosts…have been failing", "connection died", "deferred: connection", "requests to connect",
		"network error", "remote host is not responding", "host is not responding", "network problem", "not reachable", "unreachable",
		"dropped by remote host",
	}},
	{Soft, "expired", "", []string{
		"delivery time expired", "message expired", "has expired", "retry timeout exceeded", "in the queue too long", "retry time not reached for any host after a long failure",
		"cannot send message for", "could not be delivered for", "could not deliver for", "delivery has been attempted for", "message timed out", "queue expired", "queue.expired", "not deliver the message in the time limit", "undelivered after", "delivery expired", "message too old",
		"envelope expired", "multiple retries", "failed…attempts", "has been delayed", "been postponed", "not yet been delivered", "will be retried", "not been collected", "allowed queue period", "retry timeout", "was aborted after", "maximum delivery attempts",
	}},
	{Soft, "system", "4", []string{
		"mailbox unavailable", "mailbox busy", "mailbox locked", "temporarily unavailable", "temporary failure", "temporary error", "temporarily deferred", "temporarily rejected", "service unavailable", "service not available", "system not accepting",
		"insufficient system", "insufficient storage", "internal error", "local error", "server error", "server busy", "server too busy", "resources", "try again later", "try later", "not available", "mail transport unavailable", "unknown mail transport",
		"unverified address", "address verification in progress", "queue file write error",
	}},

	// A refusal that gives no other reason.
	{Policy, "refused", "5", []string{
		"client host rejected", "rejected by a remote mail server", "message rejected", "policy", "policies", "administrative prohibition", "administratively", "prohibited", "not permitted", "not allowed", "access denied", "not acceptable", "550 rejected", "554 rejected", "message refused", "mail refused",
	}},
}

// weak is words that are in names and links as well: they count where neither the table
// nor the code tells more than that the message was refused.
var weak = []row{
	{Block, "spam", "", []string{"spam"}},
	{Block, "blocklisted", "", []string{"blocked"}},
}

// byCode tells the reason from a code alone: RFC 3463, the registry of RFC 5248
// (with RFC 7372, 7505 and 8689), and RFC 5321 4.2.3 for the reply codes of SMTP.
func byCode(code string) (Class, string) {
	if len(code) == 3 {
		return byReply(code)
	}
	if len(code) < len("5.1.1") {
		return Unknown, "unknown"
	}
	permanent, detail := code[0] == '5', code[2:]
	switch detail {
	case "2.2":
		return Soft, "mailbox_full"
	case "2.3", "3.4":
		return Policy, "too_big"
	case "4.6":
		return Policy, "loop"
	case "4.7":
		return Soft, "expired"
	case "5.3", "2.121", "2.122": // Exchange Online: too much mail for this recipient
		return Soft, "rate_limited"
	case "7.20", "7.21", "7.22", "7.23", "7.24", "7.26":
		return Policy, "authentication"
	case "7.25":
		return Policy, "reverse_dns"
	case "7.28":
		return Block, "reputation"
	case "7.10", "7.29", "7.30", "7.321", "7.322", "7.323", "7.324", "7.325": // the last five: Exchange Online, by DANE
		return Policy, "tls"
	case "1.7", "1.8", "7.27":
		return Policy, "restricted"
	}
	subject, _, _ := strings.Cut(detail, ".")
	if subject == "6" || subject == "5" && permanent {
		return Policy, "malformed"
	}
	if subject == "7" {
		if permanent {
			return Policy, "refused"
		}
		return Soft, "refused"
	}
	if !permanent {
		return temporary(subject)
	}
	switch {
	case detail == "1.2" || detail == "1.10" || detail == "4.4":
		return Hard, "bad_domain"
	case subject == "1":
		return Hard, "unknown_user"
	case detail == "2.1":
		return Hard, "disabled"
	case subject == "3":
		return Soft, "system"
	case subject == "4":
		return Soft, "connection"
	}
	return Unknown, "unknown"
}

func temporary(subject string) (Class, string) {
	if subject == "4" {
		return Soft, "connection"
	}
	return Soft, "system"
}

func byReply(code string) (Class, string) {
	switch {
	case len(code) < 3:
		return Unknown, "unknown"
	case code[0] == '4':
		return Soft, "system"
	case code == "552": // RFC 5321 4.2.3: exceeded storage allocation
		return Soft, "mailbox_full"
	case code == "556" || code == "521": // RFC 7504
		return Hard, "bad_domain"
	case code <= "504": // RFC 5321 4.2.2: syntax, or a command that is not known
		return Policy, "malformed"
	case code == "554": // RFC 5321 4.2.3: transaction failed, which is what filters say
		return Policy, "refused"
	}
	return Unknown, "unknown"
}
