package lint

import (
	"net/netip"
	"strings"

	"pratique/message"
)

// Rules on what a header tells of the network and the programs that a message comes from.

// clientFields are those in which web mail and gateways name their user's address.
var clientFields = [...]string{"X-Originating-IP", "X-Client-IP", "X-Sender-IP", "X-Remote-IP", "X-Source-IP"}

// addressLeak removes the fields of web mail if it is to fix. A Received field is
// no one's to remove (RFC 5321 4.4), so of it the finding is all there is.
func addressLeak(h *header) {
	for _, name := range clientFields {
		if i := h.first(name); i >= 0 {
			h.remove(name, h.place(i), shown(h.fields[i].Unfolded()))
		}
	}
	for i := range h.fields {
		if !h.fields[i].Is("Received") || h.refused(i) {
			continue
		}
		if addr, ok := h.leakIn(h.fields[i].Unfolded()); ok {
			h.unmended(h.place(i), addr.String())
		}
	}
}

// leakIn returns the first address in a Received field that is private, or that of
// a client that logged in. What a host says to itself is of no use to anyone.
func (h *header) leakIn(received string) (netip.Addr, bool) {
	for word := range strings.FieldsFuncSeq(received, func(r rune) bool { return strings.ContainsRune(" \t()[];<>=,", r) }) {
		if len(word) > len("IPv6:") && strings.EqualFold(word[:len("IPv6:")], "IPv6:") {
			word = word[len("IPv6:"):]
		}
		addr, err := netip.ParseAddr(word)
		if err != nil {
			continue
		}
		addr = addr.Unmap().WithZone("")
		if privateAddr(addr) || h.m.Client.Login != "" && addr == h.m.Client.Addr && !addr.IsLoopback() {
			return addr, true
		}
	}
	return netip.Addr{}, false
}

// sharedSpace is what carriers number their customers from (RFC 6598 7).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// privateAddr reports whether an address is of a private network (RFC 1918, RFC 4193).
func privateAddr(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a)
}

// toolFields tell of the script or the account that made a message: those of PHP
// (mail.add_x_header), of cPanel and its Exim, and of hosts that imitate them.
var toolFields = [...]string{
	"X-PHP-Originating-Script", "X-PHP-Script", "X-PHP-Filename",
	"X-Source", "X-Source-Args", "X-Source-Dir", "X-Source-Auth", "X-Source-Sender",
	"X-Get-Message-Sender-Via", "X-Authenticated-Sender", "X-Authenticated-User", "X-Authenticated-Id", "X-AntiAbuse",
}

// programFields name the program, which is no leak, but that some put its path there.
var programFields = [...]string{"X-Mailer", "User-Agent", "X-Generator", "X-Sent-By"}

func toolLeak(h *header) {
	for _, name := range toolFields {
		if i := h.first(name); i >= 0 && h.fields[i].Unfolded() != "" { // cPanel leaves them empty where there is nothing to tell
			h.remove(name, h.place(i), shown(h.fields[i].Unfolded()))
		}
	}
	for _, name := range programFields {
		if i := h.first(name); i >= 0 && holdsPath(h.fields[i].Unfolded()) {
			h.remove(name, h.place(i), shown(h.fields[i].Unfolded()))
		}
	}
}

// roots are where paths of web hosts begin.
var roots = [...]string{"/home/", "/var/", "/usr/", "/srv/", "/opt/", "/root/", "/etc/", "/tmp/", "/mnt/", "/www/"}

// holdsPath reports whether a value holds an absolute path of Unix or Windows. In
// a URL such a path stands behind a host.
func holdsPath(value string) bool {
	for word := range strings.FieldsFuncSeq(value, func(r rune) bool { return strings.ContainsRune(" \t()[];<>=,\"'", r) }) {
		for _, root := range roots {
			if strings.HasPrefix(word, root) {
				return true
			}
		}
		if len(word) > 3 && letter(word[0]) && word[1] == ':' && word[2] == '\\' {
			return true
		}
	}
	return false
}

// privateSuffixes are names that are not of the public DNS (RFC 6761, RFC 6762,
// RFC 8375; .internal is reserved by ICANN), and those that networks use all the same.
var privateSuffixes = [...]string{".localhost", ".local", ".localdomain", ".home.arpa", ".internal", ".lan", ".home", ".corp", ".intranet", ".private", ".invalid"}

func messageIDPrivate(h *header) {
	for i := range h.fields {
		if !h.fields[i].Is("Message-ID") || h.refused(i) {
			continue
		}
		if right := messageIDRight(h.fields[i]); privateName(right) {
			h.foundAt(i, shown(right))
		}
	}
}

// messageIDRight returns what stands behind the "@", "" if the id is malformed.
func messageIDRight(f message.Field) string {
	value := f.Unfolded()
	if messageIDProblem(value) != "" {
		return ""
	}
	id, _ := withoutComments(value)
	return id[atSign(id)+1 : len(id)-1]
}

// privateName reports whether a name means something inside one network alone. A
// name without a dot is as bad: any number of hosts have it.
func privateName(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if addr, err := netip.ParseAddr(strings.TrimPrefix(strings.Trim(name, "[]"), "ipv6:")); err == nil {
		return privateAddr(addr) || addr.IsLoopback()
	}
	for _, suffix := range privateSuffixes {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return name != "" && !strings.ContainsAny(name, ".[")
}
