package rates

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pratique/message"
)

// A Kind is what mail is counted per.
type Kind uint8

// The kinds, in the order in which limits are asked: from the narrowest to the
// widest, so that a client that is over its own limit never takes a place, not
// even for a moment, under a limit that others share.
const (
	PerClient Kind = iota
	PerLogin
	PerSender
	PerSenderDomain
	PerRecipientDomain
	PerTotal
	kinds int = iota
)

var kindNames = [kinds]string{"client", "login", "sender", "sender_domain", "recipient_domain", "total"}

func (k Kind) String() string { return kindNames[k] }

// Keys for what has no name of its own.
const (
	keyLocal = "local" // mail that did not come by SMTP; an address without a domain
	keyNull  = "<>"    // the null sender, of bounces (RFC 5321 4.5.5)
	keyTotal = "total"
)

// maxKey is the longest key that is kept whole, in octets. Every address that
// SMTP allows fits (RFC 5321 4.5.3.1); MTAs let longer ones through.
const maxKey = 320

// claims returns what a message counts for, with its messages and recipients.
// Two spellings of one login, address or domain are one key, and so are IPv6 clients
// that share so many bits.
func claims(m *message.Message, ipv6Prefix int) []Claim {
	recipients := uint64(len(m.Recipients))
	all := make([]Claim, 0, kinds+1)
	add := func(k Kind, key string, recipients uint64) {
		all = append(all, Claim{Kind: k, Key: bounded(key), Want: Amounts{Messages: 1, Recipients: recipients}})
	}
	add(PerClient, clientKey(m.Client, ipv6Prefix), recipients)
	if m.Client.Login != "" {
		add(PerLogin, foldAddress(m.Client.Login), recipients)
	}
	if m.Sender == "" {
		add(PerSender, keyNull, recipients)
		add(PerSenderDomain, keyNull, recipients)
	} else {
		add(PerSender, foldAddress(m.Sender), recipients)
		add(PerSenderDomain, domainKey(m.Sender), recipients)
	}
	domains := recipientDomains(m.Recipients)
	for i := 0; i < len(domains); {
		same := i + 1
		for same < len(domains) && domains[same] == domains[i] {
			same++
		}
		add(PerRecipientDomain, domains[i], uint64(same-i))
		i = same
	}
	add(PerTotal, keyTotal, recipients)
	return all
}

func clientKey(c message.Client, ipv6Prefix int) string {
	switch {
	case c.Local || !c.Addr.IsValid():
		return keyLocal
	case c.Addr.Is6() && ipv6Prefix < c.Addr.BitLen():
		return netip.PrefixFrom(c.Addr, ipv6Prefix).Masked().String()
	}
	return c.Addr.String()
}

// recipientDomains returns the domain of every recipient, sorted.
func recipientDomains(recipients []message.Recipient) []string {
	domains := make([]string, len(recipients))
	for i, r := range recipients {
		domains[i] = domainKey(r.Addr)
	}
	slices.Sort(domains)
	return domains
}

func domainKey(addr string) string {
	if domain := message.Domain(addr); domain != "" {
		return asciiDomain(domain)
	}
	return keyLocal
}

// bounded cuts a key that is longer than any address may be. A digest keeps two of them apart.
func bounded(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:maxKey-2*len(sum)] + hex.EncodeToString(sum[:])
}

// maxDeclared bounds a SIZE= argument, so that sums of them can't wrap around.
const maxDeclared = 1 << 50

// declaredSize returns the octets that the client announced with SIZE= (RFC 1870), or 0.
func declaredSize(m *message.Message) uint64 {
	for _, arg := range m.SenderArgs {
		name, value, _ := strings.Cut(arg, "=")
		if !strings.EqualFold(name, "SIZE") {
			continue
		}
		size, _ := strconv.ParseUint(value, 10, 64) // on an error: 0, or the largest number if it is out of range
		return min(size, maxDeclared)
	}
	return 0
}
