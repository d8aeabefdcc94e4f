package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"pratique/watch/receiver"
)

// Resolver finds mail exchangers, as a *net.Resolver does.
type Resolver interface {
	LookupMX(ctx context.Context, domain string) ([]*net.MX, error)
}

const (
	// askAgain is how long an answer is taken for true: domains seldom move.
	askAgain = 7 * day
	// askSoon is when a look-up that failed is tried again.
	askSoon = time.Hour
	// askPatience bounds the look-ups of one round; what takes longer has failed.
	askPatience = 3 * time.Second
	// askAtOnce bounds the look-ups of one round, all at the same time.
	askAtOnce = 10
)

// LearnExchangers looks up who takes the mail of a few domains, those first to which
// most was sent in the last day, unless the log or an earlier look-up told. So domains
// that a provider has the mail of count as that provider. It returns how many it asked
// for; 0 is that nothing is left to ask.
func (s *Store) LearnExchangers(ctx context.Context, r Resolver) (asked int, err error) {
	var domains []string
	q := &query{ctx: ctx, db: s.db}
	q.each(`SELECT key, sum(recipients) FROM sent WHERE dimension = ? AND hour > ? AND key NOT IN (SELECT domain FROM hosts WHERE at > ?)
		GROUP BY key ORDER BY 2 DESC, 1 LIMIT ?`, func(scan scanner) {
		var domain string
		var n int
		scan(&domain, &n)
		domains = append(domains, domain)
	}, byDomain, s.now().Add(-day).Unix(), s.now().Add(-askAgain).Unix(), askAtOnce)
	if q.err != nil {
		return 0, fmt.Errorf("find domains whose mail exchangers are not known: %w", q.err)
	}
	for i, answer := range exchangersOf(ctx, r, domains) {
		if err := s.putExchanger(ctx, domains[i], answer); err != nil {
			return 0, err
		}
	}
	return len(domains), nil
}

// Providers returns the providers that take the mail of domains, as far as the log, or a
// look-up, told of a host of theirs: the names are those of package receiver.
func (s *Store) Providers(ctx context.Context) (map[string]string, error) {
	q := &query{ctx: ctx, db: s.db}
	q.learnProviders()
	if q.err != nil {
		return nil, fmt.Errorf("find who takes the mail of domains: %w", q.err)
	}
	return q.providers, nil
}

// putExchanger keeps an answer, unless the log has told meanwhile, which knows better.
func (s *Store) putExchanger(ctx context.Context, domain string, answer exchanger) error {
	at := s.now()
	if answer.failed {
		at = at.Add(askSoon - askAgain)
	}
	_, err := s.db.ExecContext(ctx, `INSERT INTO hosts (domain, host, at) VALUES (?, ?, ?)
		ON CONFLICT DO UPDATE SET host = excluded.host, at = excluded.at WHERE at <= ?`, domain, answer.host, at.Unix(), s.now().Add(-askAgain).Unix())
	if err != nil {
		return fmt.Errorf("keep the mail exchanger of %s: %w", domain, err)
	}
	return nil
}

// exchanger is what a look-up told.
type exchanger struct {
	host   string // the preferred one; "" if there is none
	failed bool
}

// exchangersOf asks for all of some domains at the same time.
func exchangersOf(ctx context.Context, r Resolver, domains []string) []exchanger {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	answers := make([]exchanger, len(domains))
	var asking sync.WaitGroup
	for i, domain := range domains {
		asking.Go(func() { answers[i] = exchangerOf(ctx, r, domain) })
	}
	asking.Wait()
	return answers
}

func exchangerOf(ctx context.Context, r Resolver, domain string) exchanger {
	if domain == "" || domain == others || receiver.ByDomain(domain) != "" {
		return exchanger{} // known without asking, or nothing to ask for
	}
	all, err := r.LookupMX(ctx, domain+".") // the full stop keeps the system's search list out
	if len(all) == 0 {
		var dns *net.DNSError
		return exchanger{failed: err != nil && !(errors.As(err, &dns) && dns.IsNotFound)}
	}
	best := slices.MinFunc(all, func(a, b *net.MX) int { return int(a.Pref) - int(b.Pref) })
	return exchanger{host: hostName(best.Host)}
}
