// Package recordstest has what tests of DNS records need beside real authoritative
// servers (harness.StartNSD): servers with faults that a real one can't be made to
// show, and a resolver that leads to servers on this machine.
package recordstest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Network returns a function that makes loopback addresses of a /24 which is
// unlikely to be in use: servers of one zone have one port and an address each.
func Network() func(host int) string {
	prefix := fmt.Sprintf("127.%d.%d.", 1+rand.IntN(250), rand.IntN(250))
	return func(host int) string { return fmt.Sprint(prefix, host) }
}

// Handler answers a question; nil is silence.
type Handler func(question *dns.Msg, tcp bool) *dns.Msg

// Start starts a DNS server, for UDP and TCP, at host:port, and returns its
// address. Port 0 is any free one.
func Start(t testing.TB, host string, port int, handler Handler) string {
	t.Helper()
	listener, conn, err := listen(host, port)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: listener}, {PacketConn: conn}} {
		tcp := s.Listener != nil
		s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			if m := handler(q, tcp); m != nil {
				w.WriteMsg(m)
			}
		})
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return conn.LocalAddr().String()
}

// listen finds a port that is free for both.
func listen(host string, port int) (net.Listener, net.PacketConn, error) {
	var err error
	for range 20 {
		var conn net.PacketConn
		if conn, err = net.ListenPacket("udp", net.JoinHostPort(host, fmt.Sprint(port))); err != nil {
			return nil, nil, err
		}
		var listener net.Listener
		if listener, err = net.Listen("tcp", conn.LocalAddr().String()); err == nil {
			return listener, conn, nil
		}
		conn.Close()
		if port != 0 {
			break
		}
	}
	return nil, nil, err
}

// Rcode is a Handler that answers everything with a code.
func Rcode(code int) Handler {
	return func(q *dns.Msg, _ bool) *dns.Msg { return new(dns.Msg).SetRcode(q, code) }
}

// Silent is a Handler that answers nothing.
func Silent(*dns.Msg, bool) *dns.Msg { return nil }

// Records is a Handler with these records, in the form of a zone file, and the
// authority to say that there are no others.
func Records(t testing.TB, lines ...string) Handler {
	t.Helper()
	var records []dns.RR
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, rr)
	}
	return func(q *dns.Msg, _ bool) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		for _, rr := range records {
			kind := rr.Header().Rrtype
			if strings.EqualFold(rr.Header().Name, q.Question[0].Name) && (kind == q.Question[0].Qtype || kind == dns.TypeCNAME) {
				m.Answer = append(m.Answer, rr)
			}
		}
		return m
	}
}

// Resolver is a recursive resolver for zones of its own. It has no cache, and
// exists because a real one asks all servers at port 53, which takes root.
type Resolver struct {
	port  string
	mu    sync.Mutex
	zones map[string]map[string][]string // servers and their addresses
}

// StartResolver starts a resolver on a free port of 127.0.0.1, for servers that all
// have this port, and returns it with its address.
func StartResolver(t testing.TB, port int) (*Resolver, string) {
	t.Helper()
	r := &Resolver{port: fmt.Sprint(port), zones: map[string]map[string][]string{}}
	return r, Start(t, "127.0.0.1", 0, func(q *dns.Msg, _ bool) *dns.Msg { return r.answer(q) })
}

// Delegate names a server of a zone. One without addresses does not exist.
func (r *Resolver) Delegate(zone, server string, addrs ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	zone = dns.CanonicalName(zone)
	if r.zones[zone] == nil {
		r.zones[zone] = map[string][]string{}
	}
	r.zones[zone][dns.CanonicalName(server)] = addrs
}

func (r *Resolver) answer(q *dns.Msg) *dns.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	name := dns.CanonicalName(q.Question[0].Name)
	switch q.Question[0].Qtype {
	case dns.TypeNS:
		for server := range r.zones[name] {
			m.Answer = append(m.Answer, &dns.NS{Hdr: header(name, dns.TypeNS), Ns: server})
		}
	case dns.TypeA, dns.TypeAAAA:
		m.Answer = r.addresses(name, q.Question[0].Qtype)
	default:
		r.recurse(m, name, 0)
	}
	return m
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: 60}
}

func (r *Resolver) addresses(name string, kind uint16) []dns.RR {
	var records []dns.RR
	for _, servers := range r.zones {
		for _, addr := range servers[name] {
			ip := net.ParseIP(addr)
			if v4 := ip.To4() != nil; v4 && kind == dns.TypeA {
				records = append(records, &dns.A{Hdr: header(name, kind), A: ip})
			} else if !v4 && kind == dns.TypeAAAA {
				records = append(records, &dns.AAAA{Hdr: header(name, kind), AAAA: ip})
			}
		}
	}
	return records
}

// recurse asks the servers of the zone, in the order of their names, until one
// answers, and follows a CNAME.
func (r *Resolver) recurse(m *dns.Msg, name string, depth int) {
	answer, err := r.forward(name, m.Question[0].Qtype)
	if err != nil || depth > 8 {
		m.Rcode = dns.RcodeServerFailure
		return
	}
	m.Rcode = answer.Rcode
	m.Answer = append(m.Answer, answer.Answer...)
	for _, rr := range answer.Answer {
		alias, ok := rr.(*dns.CNAME)
		if !ok {
			continue
		}
		if target := dns.CanonicalName(alias.Target); !slices.ContainsFunc(answer.Answer, func(rr dns.RR) bool {
			return dns.CanonicalName(rr.Header().Name) == target
		}) {
			r.recurse(m, target, depth+1)
		}
	}
}

var errNobody = errors.New("no server answers")

func (r *Resolver) forward(name string, kind uint16) (*dns.Msg, error) {
	zone, labels := "", -1
	for candidate := range r.zones {
		if dns.IsSubDomain(candidate, name) && dns.CountLabel(candidate) > labels {
			zone, labels = candidate, dns.CountLabel(candidate)
		}
	}
	for _, server := range slices.Sorted(maps.Keys(r.zones[zone])) {
		for _, addr := range r.zones[zone][server] {
			client := dns.Client{Net: "tcp", Timeout: time.Second}
			answer, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, kind), net.JoinHostPort(addr, r.port))
			if err == nil && answer.Authoritative {
				return answer, nil
			}
		}
	}
	return nil, errNobody
}
