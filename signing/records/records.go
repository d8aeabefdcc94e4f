// Package records looks at the records under which DKIM keys are published
// (RFC 6376 3.6), where they are published: at every authoritative server of the
// zone, because a resolver shows only one of them, and perhaps what was there an
// hour ago.
//
// What a server did not say is not known: a server that fails, refuses or is
// silent has never said that a record is there, nor that it is missing.
package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Answer is what one authoritative server says of the TXT records of one name.
// Without records and with Err nil, the server says that there are none.
type Answer struct {
	Server  string        // the server's name and address, "ns1.example.org (192.0.2.1:53)", or its address alone
	Name    string        // where the records are: the name that was asked for, or the one that a CNAME leads to
	Records []string      // each with its strings joined
	TTL     time.Duration // of the records; without any, how long resolvers may remember that (RFC 2308 5); 0: not said
	Err     error         // why it is not known what the server has
}

// Options says whom to ask.
type Options struct {
	// Resolver is the recursive resolver by which servers are found, host:port;
	// "": those of the system.
	Resolver string
	// Authoritative are servers, host:port, that are asked instead of the
	// zone's own, wherever they serve the zone: the DNS as it is seen from inside
	// may name others than receivers see, and a hidden primary is named nowhere.
	Authoritative []string
	// Timeout bounds each try to get an answer from one server, of which there
	// are two; 0: DefaultTimeout.
	Timeout time.Duration
	Port    string // of the zones' own servers; "": 53
}

// DefaultTimeout is for servers on the other side of the world.
const DefaultTimeout = 3 * time.Second

// Bounds of what one name can make us do.
const (
	maxAliases   = 8  // CNAMEs, one after the other
	maxServers   = 32 // of one zone; the root has 13
	maxAddresses = 16 // of one server
	parallel     = 6  // servers that are asked at a time
)

// Authority asks authoritative servers. It keeps nothing between questions, and
// may be used by several goroutines.
type Authority struct {
	opts     Options
	resolver *resolver
	wire     wire
}

// New returns an Authority. Nothing is read or asked yet.
func New(o Options) *Authority {
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Port = cmp.Or(o.Port, "53")
	w := wire{timeout: o.Timeout}
	return &Authority{opts: o, resolver: &resolver{wire: w, addr: o.Resolver}, wire: w}
}

// errNotServed is wrapped by the errors of servers that do not serve the zone of a name.
var errNotServed = errors.New("does not serve the zone")

// Ask asks every authoritative server of the zone that holds a name for its TXT
// records. Where a server has a CNAME, the servers of the zone that it leads to
// answer in its place. The error says why the servers could not be found.
func (a *Authority) Ask(ctx context.Context, name string) ([]Answer, error) {
	return a.ask(ctx, dns.CanonicalName(name), nil)
}

// ask is Ask for a name to which these aliases led.
func (a *Authority) ask(ctx context.Context, name string, aliases []string) ([]Answer, error) {
	if slices.Contains(aliases, name) {
		return nil, fmt.Errorf("CNAME loop: %s", chain(append(aliases, name)))
	}
	if len(aliases) > maxAliases {
		return nil, fmt.Errorf("more than %d CNAMEs: %s", maxAliases, chain(append(aliases, name)))
	}
	replies, err := a.replies(ctx, name)
	if err != nil {
		return nil, err
	}
	return a.follow(ctx, replies, append(slices.Clone(aliases), name)), nil
}

func chain(names []string) string {
	shown := make([]string, len(names))
	for i, name := range names {
		shown[i] = show(name)
	}
	return strings.Join(shown, " → ")
}

// show returns a name as people write it, without the dot at its end.
func show(name string) string { return cmp.Or(strings.TrimSuffix(name, "."), ".") }

// reply is an answer that may be a CNAME instead.
type reply struct {
	Answer
	alias string // where its CNAME leads; "": it has none
}

// replies returns what the servers of a name's zone have under it.
func (a *Authority) replies(ctx context.Context, name string) ([]reply, error) {
	if len(a.opts.Authoritative) > 0 {
		if replies := slices.DeleteFunc(a.askAll(ctx, a.configured(), name), notServed); len(replies) > 0 {
			return replies, nil
		}
	}
	servers, err := a.resolver.servers(ctx, name, a.opts.Port)
	if err != nil {
		return nil, err
	}
	return a.askAll(ctx, servers, name), nil
}

func notServed(r reply) bool { return errors.Is(r.Err, errNotServed) }

func (a *Authority) configured() []server {
	servers := make([]server, len(a.opts.Authoritative))
	for i, addr := range a.opts.Authoritative {
		servers[i] = server{addrs: []string{addr}}
	}
	return servers
}

// each asks servers, a few at a time, and returns what they say in the same order.
func each[T any](servers []server, ask func(server) []T) []T {
	perServer := make([][]T, len(servers))
	turn := make(chan struct{}, parallel)
	var group sync.WaitGroup
	for i, s := range servers {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			perServer[i] = ask(s)
		})
	}
	group.Wait()
	return slices.Concat(perServer...)
}

// askAll asks servers for TXT records.
func (a *Authority) askAll(ctx context.Context, servers []server, name string) []reply {
	return each(servers, func(s server) []reply { return a.askServer(ctx, s, name) })
}

// askServer asks a server at each of its addresses. An address of a kind that
// this machine can't reach, IPv6 as a rule, counts only if there is no other.
func (a *Authority) askServer(ctx context.Context, s server, name string) []reply {
	if s.err != nil {
		return []reply{{Answer: Answer{Server: show(s.name), Name: show(name), Err: s.err}}}
	}
	var replies, unreachable []reply
	for _, addr := range s.addrs {
		r := reply{Answer: Answer{Server: s.at(addr), Name: show(name)}}
		var m *dns.Msg
		if m, r.Err = a.wire.ask(ctx, addr, name, dns.TypeTXT, false); r.Err == nil {
			r.read(m, name)
		}
		if noRoute(r.Err) {
			unreachable = append(unreachable, r)
		} else {
			replies = append(replies, r)
		}
	}
	if len(replies) == 0 {
		return unreachable
	}
	return replies
}

// follow replaces the replies that are CNAMEs by the answers of the zones that
// they lead to, each of which is asked once.
func (a *Authority) follow(ctx context.Context, replies []reply, aliases []string) []Answer {
	var answers []Answer
	var followed []string
	for _, r := range replies {
		if r.alias == "" {
			answers = append(answers, r.Answer)
			continue
		}
		if slices.Contains(followed, r.alias) {
			continue
		}
		followed = append(followed, r.alias)
		behind, err := a.ask(ctx, r.alias, aliases)
		if err != nil {
			r.Err = fmt.Errorf("has a CNAME to %s: %w", show(r.alias), err)
			behind = []Answer{r.Answer}
		}
		answers = append(answers, behind...)
	}
	return answers
}
