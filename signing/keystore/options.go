package keystore

import (
	"cmp"
	"fmt"
	"path/filepath"
	"time"
)

// Options is the [keys] table of the configuration.
type Options struct {
	// Folder is where keys are kept; "": the folder "keys" in the state folder.
	Folder string `toml:"folder"`
	// Subdomains are domains whose keys sign for what is below them, too.
	Subdomains []string `toml:"subdomains"`
	// KeyAge is the age from which on an active key is warned of; 0: none.
	KeyAge time.Duration `toml:"key_age"`
	// RotateEvery is the age at which an active key gets a successor by itself; 0: none.
	RotateEvery time.Duration `toml:"rotate_every"`
	// ActivateAfter is how long a record must have been at every server before its
	// key signs: receivers may remember for a while that there was none (RFC 2308).
	ActivateAfter time.Duration `toml:"activate_after"`
	// QueueLifetime is the longest that a message may wait in a queue, ours or
	// another's, before the receiver looks its key up.
	QueueLifetime time.Duration `toml:"queue_lifetime"`
	// CheckEvery is how often the DNS is asked for the records of keys.
	CheckEvery time.Duration `toml:"check_every"`
}

const day = 24 * time.Hour

// DefaultOptions warns of keys that are half a year old, and waits as long as
// Postfix's maximal_queue_lifetime.
func DefaultOptions() Options {
	return Options{
		KeyAge: 180 * day, ActivateAfter: 15 * time.Minute,
		QueueLifetime: 5 * day, CheckEvery: time.Hour,
	}
}

// FolderIn returns the folder of the keys, given the state folder.
func (o Options) FolderIn(state string) string {
	return cmp.Or(o.Folder, filepath.Join(state, "keys"))
}

// Problems reports everything in o that can't be meant.
func (o Options) Problems(report func(key, problem string)) {
	if o.Folder != "" && !filepath.IsAbs(o.Folder) {
		report("folder", fmt.Sprintf("%q is not an absolute path such as \"/var/lib/pratique/keys\"; \"\" is the folder \"keys\" in the state folder", o.Folder))
	}
	for i, domain := range o.Subdomains {
		if err := checkNames(domain, "selector"); err != nil {
			report(fmt.Sprintf("subdomains[%d]", i), err.Error())
		}
	}
	if o.KeyAge < 0 {
		report("key_age", fmt.Sprintf("%v is no age; \"180d\" is usual, \"0s\" never warns", o.KeyAge))
	}
	if o.RotateEvery != 0 && o.RotateEvery < day {
		report("rotate_every", fmt.Sprintf("%v is too short: a successor needs a record of its own in the DNS; \"180d\" is usual, \"0s\" is only by command", o.RotateEvery))
	}
	if o.ActivateAfter < 0 {
		report("activate_after", fmt.Sprintf("%v is no time to wait; \"15m\" is the default, \"0s\" does not wait", o.ActivateAfter))
	}
	if o.QueueLifetime < 0 {
		report("queue_lifetime", fmt.Sprintf("%v is no time to wait; \"5d\" is usual", o.QueueLifetime))
	}
	if o.CheckEvery < time.Second {
		report("check_every", fmt.Sprintf("%v is too often to ask the DNS; \"1h\" is the default", o.CheckEvery))
	}
}
