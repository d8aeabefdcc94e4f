package mta

import (
	"net"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// milterRef is one milter that a list names.
type milterRef struct {
	word    string            // all of it as it is written
	text    string            // the address in it
	options map[string]string // of { address, name = value }
}

// milterList reads the value of smtpd_milters or non_smtpd_milters (MILTER_README):
// addresses, or { address, name=value, { name = value } }.
func milterList(value string) []milterRef {
	var list []milterRef
	for _, word := range words(value) {
		inner, braced := strings.CutPrefix(word, "{")
		if !braced {
			list = append(list, milterRef{word: word, text: word})
			continue
		}
		parts := words(strings.TrimSuffix(inner, "}"))
		if len(parts) == 0 {
			continue
		}
		ref := milterRef{word: word, text: parts[0], options: map[string]string{}}
		for _, setting := range parts[1:] {
			name, value, _ := strings.Cut(unbraced(setting), "=")
			ref.options[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		list = append(list, ref)
	}
	return list
}

// with returns the milter with another address.
func (m milterRef) with(text string) string { return strings.Replace(m.word, m.text, text, 1) }

// joined writes a list of milters.
func joined(list []milterRef) string {
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.word
	}
	return strings.Join(texts, ", ")
}

// withoutOption returns the list with one milter without one of its options.
func withoutOption(list []milterRef, milter milterRef, option string) []milterRef {
	list = slices.Clone(list)
	for i, m := range list {
		if m.word != milter.word {
			continue
		}
		kept := []string{m.text}
		for _, setting := range words(unbraced(m.word))[1:] {
			if name, _, _ := strings.Cut(unbraced(setting), "="); strings.TrimSpace(name) != option {
				kept = append(kept, setting)
			}
		}
		list[i].word = "{ " + strings.Join(kept, ", ") + " }"
		if len(kept) == 1 {
			list[i].word = m.text
		}
	}
	return list
}

// address is where a milter is reached: "unix:/path" or "inet:host:port".
type address string

// of returns the address that a Postfix daemon connects to. Postfix takes a
// relative path from its queue folder, and in a chroot an absolute one as well.
func (m milterRef) of(queue string, jailed bool) address {
	kind, rest, _ := strings.Cut(m.text, ":")
	switch kind {
	case "unix", "local":
		if jailed || !path.IsAbs(rest) {
			rest = path.Join(queue, rest)
		}
		return address("unix:" + path.Clean(rest))
	case "inet", "inet6":
		return inet(rest)
	}
	return address(m.text)
}

// inet writes an address one way, whoever wrote it: loopback by number.
func inet(text string) address {
	host, port, err := net.SplitHostPort(text)
	if at, other, ok := strings.Cut(text, "@"); ok { // sendmail's port@host
		host, port, err = strings.Trim(other, "[]"), at, nil
	}
	if err != nil {
		return address("inet:" + text)
	}
	host = strings.ToLower(host)
	if addr, err := netip.ParseAddr(host); err == nil {
		host = addr.Unmap().String()
	}
	if host == "localhost" || host == "" {
		host = "127.0.0.1"
	}
	return address("inet:" + net.JoinHostPort(host, port))
}

// isOurs reports whether the milter listens at an address.
func (o Ours) isOurs(a address) bool {
	for _, l := range o.Listen {
		kind, rest, _ := strings.Cut(l, ":")
		switch kind {
		case "unix", "local":
			if a == address("unix:"+path.Clean(rest)) {
				return true
			}
		default:
			if a == inet(rest) || anyHost(inet(rest), a) {
				return true
			}
		}
	}
	return false
}

// anyHost reports whether a listener on all addresses is reached by a connection to one of loopback's.
func anyHost(listener, a address) bool {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(string(listener), "inet:"))
	if err != nil || host != "0.0.0.0" && host != "::" {
		return false
	}
	to, toPort, err := net.SplitHostPort(strings.TrimPrefix(string(a), "inet:"))
	if err != nil || toPort != port {
		return false
	}
	addr, err := netip.ParseAddr(to)
	return err == nil && addr.IsLoopback()
}

// oursIn returns the place of our milter in a list, -1 if it is not there.
func (p *Postfix) oursIn(value string, jailed bool, ours Ours) int {
	queue := p.value("queue_directory")
	for i, m := range milterList(value) {
		if ours.isOurs(m.of(queue, jailed)) {
			return i
		}
	}
	return -1
}

// named is oursIn for the address as it is written, reached or not: a path that
// only a chroot leads astray is still meant to be ours.
func (p *Postfix) named(value string, ours Ours) int {
	for _, jailed := range []bool{false, true} {
		if i := p.oursIn(value, jailed, ours); i >= 0 {
			return i
		}
	}
	return -1
}

// meant is how the milter is written into a list.
func (p *Postfix) meant(ours Ours) string {
	if len(ours.Listen) == 0 {
		return "inet:127.0.0.1:8891"
	}
	queue := path.Clean(p.value("queue_directory")) + "/"
	for _, l := range ours.Listen {
		if rest, ok := strings.CutPrefix(l, "unix:"+queue); ok {
			return "unix:" + rest
		}
	}
	for _, l := range ours.Listen {
		if _, rest, _ := strings.Cut(l, ":"); strings.HasPrefix(l, "inet") {
			return connectable(inet(rest))
		}
	}
	return ours.Listen[0]
}

// connectable is where a listener on all addresses is reached from this host.
func connectable(a address) string {
	text := string(a)
	if port, all := strings.CutPrefix(text, "inet:0.0.0.0:"); all {
		return "inet:127.0.0.1:" + port
	}
	if port, all := strings.CutPrefix(text, "inet:[::]:"); all {
		return "inet:[::1]:" + port
	}
	return text
}
