// Package rates counts outgoing mail by who sends it and to where, and holds it to limits.
package rates
