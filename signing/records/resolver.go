package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// server is an authoritative server.
type server struct {
	name  string   // "" if it was configured by its address
	addrs []string // host:port
	err   error    // why it has no addresses
}

// at names a server at one of its addresses.
func (s server) at(addr string) string {
	if s.name == "" {
		return addr
	}
	return fmt.Sprintf("%s (%s)", show(s.name), addr)
}

// resolver finds authoritative servers through a recursive resolver.
type resolver struct {
	wire wire
	addr string // host:port; "": the system's
}

// resolvConf is where the system names its resolvers (resolv.conf(5)).
const resolvConf = "/etc/resolv.conf"

func (r *resolver) upstream() ([]string, error) {
	if r.addr != "" {
		return []string{r.addr}, nil
	}
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("find the system's resolver: %w", err)
	}
	if len(conf.Servers) == 0 {
		return nil, fmt.Errorf("%s names no resolver; set dns.resolver", resolvConf)
	}
	var addrs []string
	for _, host := range conf.Servers {
		addrs = append(addrs, net.JoinHostPort(host, conf.Port))
	}
	return addrs, nil
}

// ask asks the resolvers one after the other until one knows. A name that does not
// exist is an answer; a failure is an error.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	addrs, err := r.upstream()
	if err != nil {
		return nil, err
	}
	var failures []error
	for _, addr := range addrs {
		m, err := r.wire.ask(ctx, addr, name, kind, true)
		if err == nil && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
			err = fmt.Errorf("it answers %s", rcode(m.Rcode))
		}
		if err == nil {
			return m, nil
		}
		failures = append(failures, fmt.Errorf("resolver %s, asked for the %s of %s: %w", addr, dns.TypeToString[kind], show(name), err))
	}
	return nil, errors.Join(failures...)
}

// A Resolver asks a recursive resolver for records of any kind, as receivers of
// mail do. It keeps nothing between questions, and may be used by several
// goroutines.
type Resolver struct{ resolver *resolver }

// NewResolver returns a Resolver. Nothing is read or asked yet; of the options those
// about authoritative servers do not matter.
func NewResolver(o Options) *Resolver {
	return &Resolver{&resolver{wire: wire{timeout: cmp.Or(o.Timeout, DefaultTimeout)}, addr: o.Resolver}}
}

// Exchange puts a question to each of the resolvers until one answers, whatever the
// answer is: SERVFAIL, too, from the last one. By TCP if the answer is too long for UDP.
// The error says in words why there is none.
func (r *Resolver) Exchange(ctx context.Context, question *dns.Msg) (*dns.Msg, error) {
	addrs, err := r.resolver.upstream()
	if err != nil {
		return nil, err
	}
	var failures []error
	var failed *dns.Msg
	for _, addr := range addrs {
		m, err := r.resolver.wire.put(ctx, addr, question)
		if err != nil {
			failures = append(failures, fmt.Errorf("resolver %s: %w", addr, err))
			continue
		}
		if m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError {
			return m, nil
		}
		failed = m
	}
	if failed != nil {
		return failed, nil
	}
	return nil, errors.Join(failures...)
}

// servers finds the zone that holds a name, by going up from the name to the
// first one that has servers, and returns these with their addresses.
//
// A resolver that fails at one name is asked for the one above all the same: some
// servers do not answer for the NS of a name below the top of their zone. If that
// leads too far up, the servers found there say that they do not serve the name.
func (r *resolver) servers(ctx context.Context, name, port string) ([]server, error) {
	var failure error
	for zone := name; ; zone = parent(zone) {
		m, err := r.ask(ctx, zone, dns.TypeNS)
		if err != nil && failure == nil {
			failure = err
		}
		if err == nil {
			if names := serversOf(m, zone); len(names) > 0 {
				return r.addresses(ctx, names, port), nil
			}
		}
		if zone == "." || ctx.Err() != nil {
			break
		}
	}
	if failure == nil {
		failure = errors.New("no name above it has NS records")
	}
	return nil, fmt.Errorf("the authoritative servers of %s could not be found: %w", show(name), failure)
}

func parent(name string) string {
	next, end := dns.NextLabel(name, 0)
	if end {
		return "."
	}
	return name[next:]
}

// serversOf returns the names of a zone's servers, sorted: resolvers shuffle them.
func serversOf(m *dns.Msg, zone string) []string {
	var names []string
	for _, rr := range m.Answer {
		if ns, ok := rr.(*dns.NS); ok && strings.EqualFold(ns.Hdr.Name, zone) {
			names = append(names, dns.CanonicalName(ns.Ns))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (r *resolver) addresses(ctx context.Context, names []string, port string) []server {
	servers := make([]server, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		if i >= maxServers {
			servers[i] = server{name: name, err: fmt.Errorf("not asked: the zone has more than %d servers", maxServers)}
			continue
		}
		group.Go(func() { servers[i] = r.address(ctx, name, port) })
	}
	group.Wait()
	return servers
}

// address looks up a server's addresses, of both kinds.
func (r *resolver) address(ctx context.Context, name, port string) server {
	s := server{name: name}
	var failures []error
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := r.ask(ctx, name, kind)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		for _, rr := range m.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				s.addrs = append(s.addrs, net.JoinHostPort(rr.A.String(), port))
			case *dns.AAAA:
				s.addrs = append(s.addrs, net.JoinHostPort(rr.AAAA.String(), port))
			}
		}
	}
	slices.Sort(s.addrs)
	s.addrs = slices.Compact(s.addrs)
	s.addrs = s.addrs[:min(maxAddresses, len(s.addrs))]
	if len(s.addrs) == 0 {
		s.err = errors.New("the server has no address in the DNS")
		if failures != nil {
			s.err = fmt.Errorf("the server's address could not be found: %w", errors.Join(failures...))
		}
	}
	return s
}
