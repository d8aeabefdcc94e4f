package dashboard

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"time"
)

// How the page is told of news.
const (
	lookEvery = 2 * time.Second
	// liveFor is how long one request is held; the browser asks again by itself.
	liveFor = 10 * time.Minute
)

// serveLive sends an event each time that there is something new in the journal,
// or another alert (Server-Sent Events, HTML Living Standard 9.2).
func (p *Page) serveLive(w http.ResponseWriter, r *http.Request) {
	select {
	case p.live <- struct{}{}:
		defer func() { <-p.live }()
	default:
		http.Error(w, "too many browsers wait for news", http.StatusServiceUnavailable)
		return
	}
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(liveFor + time.Minute)); err != nil {
		http.Error(w, "no news here", http.StatusNotImplemented)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	tell := func(text string) bool {
		_, err := fmt.Fprintf(w, "retry: 5000\ndata: %s\n\n", text)
		return err == nil && control.Flush() == nil
	}
	last := p.version()
	if !tell(last) {
		return
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	end := time.After(liveFor)
	for {
		select {
		case <-r.Context().Done():
			return
		case <-end:
			return
		case <-ticker.C:
		}
		if now := p.version(); now != last {
			if last = now; !tell(last) {
				return
			}
		}
	}
}

// version is a word that changes when the page has something new to show.
func (p *Page) version() string {
	sum := fnv.New64a() // what goes in names files, which are nobody's business
	fmt.Fprintln(sum, p.journalVersion())
	if p.s.Alerts != nil {
		active, _ := p.s.Alerts()
		for _, a := range active {
			fmt.Fprintln(sum, a.Name, a.Subject, a.Severity, a.Since)
		}
	}
	return fmt.Sprintf("%x", sum.Sum64())
}

// journalVersion is a word that changes when there is something new in the journal.
func (p *Page) journalVersion() string {
	r, err := p.reader()
	if err != nil || r == nil {
		return "none"
	}
	defer r.Close()
	text, err := r.Version()
	if err != nil {
		return "none"
	}
	return text
}
