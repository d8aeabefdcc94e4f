package milter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/emersion/go-milter"

	"pratique/message"
)

// macros are the values of those macros that we asked for.
type macros struct {
	queueID    string // i
	login      string // {auth_authen}
	daemon     string // {daemon_name}
	tls        string // {tls_version}
	clientAddr string // {client_addr}
}

// read takes macros from the data of a MACRO frame: pairs of name and value,
// each ended by NUL. What was read before and does not come again is kept,
// because both MTAs send a macro once, at its step.
func (m *macros) read(pairs []byte) {
	for len(pairs) > 0 {
		var name, value []byte
		name, pairs, _ = bytes.Cut(pairs, nul)
		value, pairs, _ = bytes.Cut(pairs, nul)
		switch string(name) {
		case "i", "{i}":
			if m.queueID != string(value) { // Postfix repeats it with each header field
				m.queueID = string(value)
			}
		case "{auth_authen}":
			m.login = string(value)
		case "{daemon_name}":
			m.daemon = string(value)
		case "{tls_version}":
			m.tls = string(value)
		case "{client_addr}":
			m.clientAddr = string(value)
		}
	}
}

var nul = []byte{0}

// peer is what CONNECT says of the SMTP client.
type peer struct {
	name   string
	family milter.ProtoFamily
	port   uint16
	addr   string
}

// parseConnect reads the data of CONNECT: name, NUL, family, and, unless the
// family is unknown, port and address.
func parseConnect(data []byte) (peer, error) {
	name, rest, ok := bytes.Cut(data, nul)
	if !ok || len(rest) == 0 {
		return peer{}, errors.New("the MTA sent a malformed CONNECT: no address family")
	}
	p := peer{name: string(name), family: milter.ProtoFamily(rest[0])}
	switch p.family {
	case milter.FamilyUnknown:
		return p, nil
	case milter.FamilyInet, milter.FamilyInet6, milter.FamilyUnix:
	default:
		return peer{}, fmt.Errorf("the MTA sent a malformed CONNECT: unknown address family %q", rune(p.family))
	}
	rest = rest[1:]
	if len(rest) < 2 {
		return peer{}, errors.New("the MTA sent a malformed CONNECT: no port")
	}
	p.port = binary.BigEndian.Uint16(rest)
	p.addr = cString(rest[2:])
	return p, nil
}

// cString returns what stands before the first NUL.
func cString(b []byte) string {
	before, _, _ := bytes.Cut(b, nul)
	return string(before)
}

// loopback stands for the machine itself where an MTA gives no address.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// client turns CONNECT into what the checks see.
func (p peer) client(m macros) message.Client {
	c := message.Client{Name: p.name, Port: p.port, Daemon: m.daemon}
	if p.family == milter.FamilyInet || p.family == milter.FamilyInet6 {
		c.Addr = parseAddr(p.addr)
	}
	if !c.Addr.IsValid() {
		c.Addr = parseAddr(m.clientAddr)
	}
	c.Local = p.local(c.Addr)
	if c.Local && !c.Addr.IsValid() {
		c.Addr = loopback
	}
	return c
}

// local reports mail that did not come by SMTP over the network.
//
// Postfix (3.7.11, non_smtpd_milters): pickup, bounces and re-injected mail
// come as CONNECT "localhost", family 4 or 6, port 0, 127.0.0.1 or ::1, HELO
// "localhost", and MAIL and RCPT without angle brackets; an SMTP client from
// loopback has a port. Answers to such mail: 5xx at MAIL, at the end of the
// header or of the message all return it to its sender (a bounce that is
// refused is lost); 4xx at any of them leaves it in the maildrop, from where it
// is tried again; at RCPT any refusal is an error of configuration to Postfix,
// and the mail stays in the maildrop until that ends.
//
// Sendmail (8.17.1): "sendmail -bs" comes as CONNECT "localhost" with the
// unknown family and nothing after it; "sendmail -bm" and bounces do not meet
// milters. Postfix uses the unknown family for SMTP clients that were gone
// before it could ask for their address, under the name "unknown".
func (p peer) local(addr netip.Addr) bool {
	switch p.family {
	case milter.FamilyUnix:
		return true
	case milter.FamilyUnknown:
		return p.name == "localhost"
	default:
		return p.name == "localhost" && p.port == 0 && addr.IsLoopback()
	}
}

// parseAddr reads an address in any of the forms that MTAs write: "192.0.2.1",
// "::1" (Postfix), "IPv6:::1" (sendmail, and Postfix in macros). What is no
// address gives the zero Addr, which is on nobody's allowlist.
func parseAddr(s string) netip.Addr {
	const tag = "IPv6:"
	if len(s) > len(tag) && strings.EqualFold(s[:len(tag)], tag) {
		s = s[len(tag):]
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// parsePath reads the data of MAIL or RCPT: the path, and its ESMTP arguments,
// each ended by NUL. Postfix leaves out the angle brackets for mail that is not
// from SMTP.
func parsePath(data []byte) (addr string, args []string) {
	path, rest, _ := bytes.Cut(data, nul)
	for len(rest) > 0 {
		var arg []byte
		if arg, rest, _ = bytes.Cut(rest, nul); len(arg) > 0 {
			args = append(args, string(arg))
		}
	}
	if len(path) >= 2 && path[0] == '<' && path[len(path)-1] == '>' {
		path = path[1 : len(path)-1]
	}
	return string(path), args
}
