package watch

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"pratique/watch/queue"
)

// Options is the [watch] table of the configuration.
type Options struct {
	// Queue names the MTA's queue that is looked at; see queue.CheckName.
	Queue string `toml:"queue"`
	// QueueEvery is how often the daemon looks at it.
	QueueEvery time.Duration `toml:"queue_every"`
	// QueueSize and QueueAge raise an alarm, in messages and as the age of the oldest; 0: none.
	QueueSize int           `toml:"queue_size"`
	QueueAge  time.Duration `toml:"queue_age"`
	// Maildir is a folder that reports are delivered to; "": none.
	Maildir string `toml:"maildir"`
	// Log is the MTA's log, a file, "journald" or "journald:/folder"; "": none.
	Log string `toml:"log"`
	// Keep is how long what came back is kept.
	Keep time.Duration `toml:"keep"`
	// Suppress is how long a recipient that bounced for good is refused; 0: not at all.
	Suppress time.Duration `toml:"suppress"`
	// Shares of what was sent in a day that raise an alarm.
	ComplaintsWarning  Share `toml:"complaints_warning"`
	ComplaintsCritical Share `toml:"complaints_critical"`
	BouncesWarning     Share `toml:"bounces_warning"`
	BouncesCritical    Share `toml:"bounces_critical"`
	// BouncesUnusual is how many times the share of the four weeks before raises an alarm,
	// too; 0: none.
	BouncesUnusual int `toml:"bounces_unusual"`
	// AlarmFrom is how many bounces or complaints of a domain there must be in a day
	// before their share raises an alarm.
	AlarmFrom int `toml:"alarm_from"`
	// MXLookups has the mail exchangers of recipients' domains looked up, so that domains
	// count as the provider that has their mail.
	MXLookups bool `toml:"mx_lookups"`
}

// JournalFolder reports whether Log is the journal of systemd, and the folder of its
// files; "" is that of this machine.
func (o Options) JournalFolder() (folder string, ok bool) {
	kind, folder, _ := strings.Cut(o.Log, ":")
	return folder, kind == "journald"
}

const (
	day     = 24 * time.Hour
	maxKeep = 400 * day
)

// DefaultOptions look at a queue if there is one, and await reports from "pratique ingest".
func DefaultOptions() Options {
	return Options{
		Queue: "auto", QueueEvery: time.Minute, Keep: 30 * day,
		ComplaintsWarning: 0.001, ComplaintsCritical: 0.003, // what Gmail and Yahoo ask of senders
		BouncesWarning: 0.05, BouncesCritical: 0.10,
		BouncesUnusual: 4,
		AlarmFrom:      5,
	}
}

// Problems reports everything in o that can't be meant.
func (o Options) Problems(report func(key, problem string)) {
	if err := queue.CheckName(o.Queue); err != nil {
		report("queue", err.Error())
	}
	if o.QueueEvery < 5*time.Second {
		report("queue_every", fmt.Sprintf("%v is too often to list a whole queue; \"1m\" is the default", o.QueueEvery))
	}
	if o.QueueSize < 0 {
		report("queue_size", fmt.Sprintf("%d is no number of messages; 0 is none", o.QueueSize))
	}
	if o.QueueAge < 0 {
		report("queue_age", fmt.Sprintf("%v is no age; \"0s\" is none", o.QueueAge))
	}
	if o.Maildir != "" && !filepath.IsAbs(o.Maildir) {
		report("maildir", fmt.Sprintf("%q is not an absolute path such as \"/var/lib/pratique/bounces\"", o.Maildir))
	}
	if folder, journal := o.JournalFolder(); o.Log != "" && o.Log != "journald" && !filepath.IsAbs(o.Log) && !(journal && filepath.IsAbs(folder)) {
		report("log", fmt.Sprintf("%q is none of an absolute path such as \"/var/log/mail.log\", \"journald\", \"journald:/var/log/journal/remote\"", o.Log))
	}
	if o.Keep < day || o.Keep > maxKeep {
		report("keep", fmt.Sprintf("%v is not from \"1d\" to \"400d\"", o.Keep))
	}
	if o.Suppress < 0 || o.Suppress > o.Keep {
		report("suppress", fmt.Sprintf("%v is not from \"0s\" (off) to what keep says, beyond which a bounce is forgotten", o.Suppress))
	}
	o.shareProblems(report)
	if o.BouncesUnusual != 0 && (o.BouncesUnusual < 2 || o.BouncesUnusual > 1000) {
		report("bounces_unusual", fmt.Sprintf("%d is not from 2 to 1000 times what is usual; 0 is none", o.BouncesUnusual))
	}
	if o.AlarmFrom < 1 {
		report("alarm_from", fmt.Sprintf("%d is not at least 1", o.AlarmFrom))
	}
}

func (o Options) shareProblems(report func(key, problem string)) {
	for _, pair := range []struct {
		key               string
		warning, critical Share
	}{
		{"complaints_critical", o.ComplaintsWarning, o.ComplaintsCritical},
		{"bounces_critical", o.BouncesWarning, o.BouncesCritical},
	} {
		if pair.critical < pair.warning {
			report(pair.key, fmt.Sprintf("%v is below the share for a warning, %v", pair.critical, pair.warning))
		}
	}
}

// Share is a part of a whole, 0 to 1. In the configuration it is a percentage, "0.1%".
type Share float64

// UnmarshalText reads "0.1%".
func (s *Share) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(string(text), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(value > 0 && value <= 100) {
		return fmt.Errorf("%q is no share; a percentage above 0 is wanted, such as \"0.1%%\"", text)
	}
	*s = Share(value / 100)
	return nil
}

func (s Share) String() string { return strconv.FormatFloat(100*float64(s), 'g', 3, 64) + " %" }
