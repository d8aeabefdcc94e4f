package watch

// migrations lead from one version of the schema (PRAGMA user_version) to the next.
// Times are Unix seconds.
var migrations = []string{`
	CREATE TABLE events (
		id            INTEGER PRIMARY KEY,
		kind          TEXT    NOT NULL, -- bounce, complaint
		status        TEXT    NOT NULL, -- failed, deferred, delivered; complaint
		at            INTEGER NOT NULL, -- when it came to that status
		times         INTEGER NOT NULL, -- attempts, or incidents
		source        TEXT    NOT NULL, -- log, dsn, arf, …; several with "+"
		certain       INTEGER NOT NULL, -- 1: joined with a message that left
		next_try      INTEGER NOT NULL, -- when to try to join it; 0: not again
		waited        INTEGER NOT NULL, -- seconds between the last two tries
		record        INTEGER NOT NULL, -- of the journal; 0: none
		queue_id      TEXT    NOT NULL,
		message_id    TEXT    NOT NULL,
		recipient     BLOB    NOT NULL, -- keyed hash; empty if it is not told
		domain        TEXT    NOT NULL, -- of the recipient
		host          TEXT    NOT NULL, -- that decided
		sender_domain TEXT    NOT NULL,
		client        TEXT    NOT NULL,
		rules         TEXT    NOT NULL, -- " M09 H30 "
		class         TEXT    NOT NULL,
		reason        TEXT    NOT NULL,
		code          TEXT    NOT NULL,
		words         TEXT    NOT NULL  -- of the receiver, without addresses
	) STRICT;
	CREATE INDEX events_at ON events (at);
	CREATE INDEX events_recipient ON events (recipient, kind);
	CREATE INDEX events_next_try ON events (next_try) WHERE next_try > 0;

	CREATE TABLE sent (
		hour       INTEGER NOT NULL, -- its start
		dimension  TEXT    NOT NULL, -- total, sender_domain, client, domain, rule
		key        TEXT    NOT NULL,
		messages   INTEGER NOT NULL,
		recipients INTEGER NOT NULL,
		PRIMARY KEY (hour, dimension, key)
	) STRICT, WITHOUT ROWID;

	CREATE TABLE attempts ( -- to deliver, from the log
		hour     INTEGER NOT NULL,
		domain   TEXT    NOT NULL,
		status   TEXT    NOT NULL, -- sent, deferred, bounced
		n        INTEGER NOT NULL,
		delay_ms INTEGER NOT NULL, -- all delays added up
		PRIMARY KEY (hour, domain, status)
	) STRICT, WITHOUT ROWID;

	CREATE TABLE hosts ( -- who takes the mail of a domain: a provider's host from the log, any from the DNS
		domain TEXT PRIMARY KEY,
		host   TEXT    NOT NULL,
		at     INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;

	CREATE TABLE ingested ( -- messages, so that one that comes twice counts once
		hash BLOB PRIMARY KEY,
		at   INTEGER NOT NULL,
		form TEXT    NOT NULL  -- dsn, arf, dmarc, tlsrpt, …; none: not understood
	) STRICT, WITHOUT ROWID;
	CREATE INDEX ingested_at ON ingested (at);

	CREATE TABLE dmarc (
		org         TEXT    NOT NULL,
		report      TEXT    NOT NULL,
		domain      TEXT    NOT NULL,
		at          INTEGER NOT NULL, -- the end of its time
		source      TEXT    NOT NULL,
		header_from TEXT    NOT NULL,
		dkim        TEXT    NOT NULL, -- pass, fail: aligned or not
		spf         TEXT    NOT NULL,
		disposition TEXT    NOT NULL,
		auth        TEXT    NOT NULL, -- domains that passed without being aligned
		messages    INTEGER NOT NULL
	) STRICT;
	CREATE INDEX dmarc_at ON dmarc (at);
	CREATE INDEX dmarc_report ON dmarc (org, report, domain);

	CREATE TABLE tls (
		org       TEXT    NOT NULL,
		report    TEXT    NOT NULL,
		domain    TEXT    NOT NULL,
		at        INTEGER NOT NULL, -- the end of its time
		policy    TEXT    NOT NULL,
		result    TEXT    NOT NULL, -- "success", or a failure
		mx        TEXT    NOT NULL,
		info      TEXT    NOT NULL,
		sessions  INTEGER NOT NULL
	) STRICT;
	CREATE INDEX tls_at ON tls (at);
	CREATE INDEX tls_report ON tls (org, report);

	CREATE TABLE released ( -- recipients that are not refused for what was before
		recipient BLOB PRIMARY KEY,
		at        INTEGER NOT NULL
	) STRICT, WITHOUT ROWID;

	CREATE TABLE positions (log TEXT PRIMARY KEY, position TEXT NOT NULL) STRICT, WITHOUT ROWID;
`, `
	ALTER TABLE events ADD COLUMN dead BLOB NOT NULL DEFAULT x''; -- keyed hash of the address that would be refused
	ALTER TABLE events ADD COLUMN proven INTEGER NOT NULL DEFAULT 0; -- 1: that address was sent this message
	CREATE INDEX events_dead ON events (dead) WHERE proven = 1;
	CREATE INDEX events_queue_id ON events (queue_id) WHERE status = 'deferred';

	CREATE TABLE envelopes ( -- who a message went to, while recipients are suppressed
		day  INTEGER NOT NULL, -- since 1970
		mark INTEGER NOT NULL, -- keyed hash of queue id and recipient
		PRIMARY KEY (day, mark)
	) STRICT, WITHOUT ROWID;
`, `
	CREATE INDEX dmarc_source ON dmarc (source, header_from);
	CREATE INDEX tls_failure ON tls (domain, result, mx) WHERE result <> 'success';
`, `
	ALTER TABLE events ADD COLUMN dead_domain TEXT NOT NULL DEFAULT ''; -- of the address that would be refused
	UPDATE events SET dead_domain = domain WHERE proven = 1 AND dead = recipient;
`}
