package posture

import (
	"context"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// place moves lines to publish to where the CNAMEs of their names lead, if records of
// their kind are there, and says of all others that a CNAME has to go first: beside one
// nothing may stand (RFC 1034 3.6.2), and servers refuse a zone in which something does.
func (a *audit) place(ctx context.Context, found []Finding) {
	for i := range found {
		f := &found[i]
		if f.Topic == "dkim" { // says by itself what to do about a CNAME
			continue
		}
		for j, line := range f.Publish {
			placed, note := a.placed(ctx, line)
			f.Publish[j] = placed
			if note != "" && !strings.Contains(f.Do, note) {
				f.Do = strings.TrimPrefix(f.Do+"; "+note, "; ")
			}
		}
	}
}

// placed returns a line under the name at which it can stand, and what to say about it.
func (a *audit) placed(ctx context.Context, line string) (placed, note string) {
	owner, record, _ := strings.Cut(line, ". IN ")
	kind, _, _ := strings.Cut(record, " ")
	answer, err := a.dns.Ask(ctx, owner, dns.StringToType[kind])
	switch {
	case err != nil || len(answer.Aliases) == 0:
		return line, ""
	case len(answer.Records) > 0:
		return answer.Name + ". IN " + record, fmt.Sprintf("%s is a CNAME that leads to %s: whoever has that zone has to publish it there", owner, answer.Name)
	}
	return line, fmt.Sprintf("%s is a CNAME, which has to go first, or have the record published where it leads, at %s", owner, answer.Name)
}
