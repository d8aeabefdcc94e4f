package signing

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Broken is a domain that can't be signed for: of its keys one at least is of no use.
type Broken struct {
	Domain string // as configured: "example.org" or "*.example.org"
	Err    error  // with selector, file and cause of each such key
}

// Broken returns the domains that could not be signed for when the signer was
// built, in order of their names.
func (s *Signer) Broken() []Broken { return s.table.broken }

// Worse returns an error if there is a domain that this signer can't sign for and
// that the other one could, or had nothing to do with. It names the first ones.
func (s *Signer) Worse(than *Signer) error {
	was := map[string]bool{}
	for _, b := range than.Broken() {
		was[b.Domain] = true
	}
	var errs []error
	more := 0
	for _, b := range s.Broken() {
		switch {
		case was[b.Domain]:
		case len(errs) == maxNamed:
			more++
		default:
			errs = append(errs, b.Err)
		}
	}
	if more > 0 {
		errs = append(errs, fmt.Errorf("and no signature for %d more domains", more))
	}
	return errors.Join(errs...)
}

// maxNamed is how many domains the log names at most for one kind of trouble: a
// folder that can't be read may hold the keys of all.
const maxNamed = 20

// judge marks the entries that have keys of no use, and says so, as it says which keys are weak.
func (t *table) judge(log *slog.Logger) {
	bad, weak := &roll{what: "key can't be used", say: log.Error}, &roll{what: "key is weak", say: log.Warn}
	for name, e := range t.all() {
		var errs []error
		for _, k := range e.keys {
			if k.err == nil && k.weakness == "" {
				continue
			}
			args := []any{"domain", name, "selector", k.selector, "file", k.file}
			if e.line > 0 {
				args = append(args, "table_line", e.line)
			}
			if k.err != nil {
				errs = append(errs, fmt.Errorf("no signature for %s with selector %s: %w", name, k.selector, k.err))
				bad.add(name, append(args, "error", k.err))
			}
			if k.weakness != "" {
				weak.add(name, append(args, "weakness", k.weakness))
			}
		}
		if e.broken = errors.Join(errs...); e.broken != nil {
			t.broken = append(t.broken, Broken{name, e.broken})
		}
	}
	slices.SortFunc(t.broken, func(a, b Broken) int { return strings.Compare(a.Domain, b.Domain) })
	bad.call()
	weak.call()
}

// roll is what there is to say of domains, in the order of their names.
type roll struct {
	what string
	say  func(text string, args ...any)
	rows []rollRow
}

type rollRow struct {
	domain string
	args   []any
}

func (r *roll) add(domain string, args []any) { r.rows = append(r.rows, rollRow{domain, args}) }

// call says it of the first domains, and of how many more.
func (r *roll) call() {
	slices.SortStableFunc(r.rows, func(a, b rollRow) int { return strings.Compare(a.domain, b.domain) })
	for _, row := range r.rows[:min(len(r.rows), maxNamed)] {
		r.say(r.what, row.args...)
	}
	if more := len(r.rows) - maxNamed; more > 0 {
		r.say(r.what, "more", more)
	}
}
