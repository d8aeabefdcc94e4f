package records

import (
	"context"
	"errors"
	"slices"

	"github.com/miekg/dns"
)

// Said is what one authoritative server answers to a question of any kind.
type Said struct {
	Server string   // as in Answer
	Msg    *dns.Msg // nil if there is an error
	Err    error    // why it is not known: no answer, a failure, or no authority
}

// Hear puts a question of any kind to every authoritative server of the zone that
// holds a name. It follows no CNAME. The error says why the servers could not be found.
func (a *Authority) Hear(ctx context.Context, name string, kind uint16) ([]Said, error) {
	name = dns.CanonicalName(name)
	if len(a.opts.Authoritative) > 0 {
		said := slices.DeleteFunc(a.hearAll(ctx, a.configured(), name, kind), func(s Said) bool { return errors.Is(s.Err, errNotServed) })
		if len(said) > 0 {
			return said, nil
		}
	}
	servers, err := a.resolver.servers(ctx, name, a.opts.Port)
	if err != nil {
		return nil, err
	}
	return a.hearAll(ctx, servers, name, kind), nil
}

// hearAll puts a question to servers, a few at a time.
func (a *Authority) hearAll(ctx context.Context, servers []server, name string, kind uint16) []Said {
	return each(servers, func(s server) []Said { return a.hear(ctx, s, name, kind) })
}

// hear puts a question to a server at each of its addresses that this machine can reach.
func (a *Authority) hear(ctx context.Context, s server, name string, kind uint16) []Said {
	if s.err != nil {
		return []Said{{Server: show(s.name), Err: s.err}}
	}
	var said, unreachable []Said
	for _, addr := range s.addrs {
		one := Said{Server: s.at(addr)}
		if one.Msg, one.Err = a.wire.ask(ctx, addr, name, kind, false); one.Err == nil {
			if one.Err = refusal(one.Msg, name); one.Err != nil {
				one.Msg = nil
			}
		}
		if noRoute(one.Err) {
			unreachable = append(unreachable, one)
		} else {
			said = append(said, one)
		}
	}
	if len(said) == 0 {
		return unreachable
	}
	return said
}
