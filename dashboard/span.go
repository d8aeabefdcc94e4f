package dashboard

import (
	"fmt"
	"net/http"
	"time"
)

// span is a stretch of time up to now that a page shows.
type span struct {
	Name  string // as in the address
	Words string
	Long  time.Duration
	Step  time.Duration // of one bar
}

var spans = []span{
	{"24h", "24 hours", 24 * time.Hour, 30 * time.Minute},
	{"7d", "7 days", 7 * 24 * time.Hour, 3 * time.Hour},
}

// chosenSpan returns what a request asks to see.
func chosenSpan(r *http.Request) (span, error) {
	name := r.URL.Query().Get("range")
	if name == "" {
		return spans[0], nil
	}
	for _, s := range spans {
		if s.Name == name {
			return s, nil
		}
	}
	return span{}, &problem{http.StatusBadRequest, fmt.Sprintf("There is no range %q, only 24h and 7d.", name)}
}

// window is a span up to now: from the beginning of a bar.
func (s span) window(now time.Time) (since, until time.Time) {
	return now.Add(-s.Long).UTC().Truncate(s.Step).Add(s.Step), now.UTC()
}
