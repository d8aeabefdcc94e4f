package signing

import (
	"time"

	"pratique/message"
)

// Options is the [signing] table of the configuration.
type Options struct {
	OnError          message.OnError `toml:"on_error"`
	Unsigned         string          `toml:"unsigned"`         // mail for whose From domain there is no key: accept or reject
	Canonicalization string          `toml:"canonicalization"` // header/body, each simple or relaxed (RFC 6376 3.4)
	Expire           time.Duration   `toml:"expire"`           // x= this long after t=; 0: none
	Domains          []Domain        `toml:"domains"`
}

// Domain is the keys of one signing domain.
type Domain struct {
	Domain   string `toml:"domain"`   // "example.org", or "*.example.org" for what lies below it
	Identity string `toml:"identity"` // i=, "" for none (RFC 6376 3.5)
	Keys     []Key  `toml:"keys"`     // one signature each
}

// Key is a private key with the selector under which it is published.
type Key struct {
	Selector string `toml:"selector"`
	File     string `toml:"file"` // PEM: PKCS#1 or PKCS#8
}

// DefaultOptions has no keys.
func DefaultOptions() Options {
	return Options{OnError: message.Tempfail, Unsigned: "accept", Canonicalization: "relaxed/relaxed"}
}
