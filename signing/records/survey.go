package records

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pratique/signing"
)

// Survey is what all authoritative servers together are for a private key.
type Survey struct {
	// State is Match only if every server has the record, and Unknown only if no
	// server is known to have anything else.
	State    State
	Text     string
	Warnings []string      // what is not well with a record that matches
	TTL      time.Duration // the longest one of the records that match
	Servers  []Seen        // empty if the servers could not be found
}

// Seen is what one server has for the key.
type Seen struct {
	Server string
	State  State
	Text   string
}

// Survey asks every authoritative server for the record under a name and compares
// it with the key.
func (a *Authority) Survey(ctx context.Context, name string, key *signing.PrivateKey) Survey {
	answers, err := a.Ask(ctx, name)
	if err != nil {
		return Survey{State: Unknown, Text: err.Error()}
	}
	return Conclude(answers, key)
}

// Conclude sums up what the servers say.
func Conclude(answers []Answer, key *signing.PrivateKey) Survey {
	if len(answers) == 0 {
		return Survey{State: Unknown, Text: "no server was found to ask"}
	}
	s := Survey{State: Match}
	for _, a := range answers {
		v := Verdict{State: Unknown, Text: fmt.Sprint(a.Err)}
		if a.Err == nil {
			v = Examine(a.Records, key)
		}
		if v.State == Match {
			s.TTL, s.Warnings = max(s.TTL, a.TTL), v.Warnings
		} else if s.State == Match || s.State == Unknown {
			s.State = v.State
		}
		s.Servers = append(s.Servers, Seen{a.Server, v.State, v.Text})
	}
	s.Text = s.describe()
	return s
}

// describe says how many servers have the record, and what the others have, each
// of that once.
func (s Survey) describe() string {
	matching := 0
	said := map[string][]string{} // servers by what they say
	var texts []string
	for _, seen := range s.Servers {
		if seen.State == Match {
			matching++
			continue
		}
		if said[seen.Text] == nil {
			texts = append(texts, seen.Text)
		}
		said[seen.Text] = append(said[seen.Text], seen.Server)
	}
	switch {
	case len(texts) == 0 && matching == 1:
		return "published, and fits the key"
	case len(texts) == 0:
		return fmt.Sprintf("published at all of %d servers, and fits the key", matching)
	case matching == 0 && len(texts) == 1:
		return texts[0]
	}
	for i, text := range texts {
		texts[i] = strings.Join(said[text], ", ") + ": " + text
	}
	return fmt.Sprintf("published at %d of %d servers; %s", matching, len(s.Servers), strings.Join(texts, "; "))
}
