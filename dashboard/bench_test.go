package dashboard

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"pratique/journal"
)

// BenchmarkPage makes the pages of a day's mail, or, where PRATIQUE_JOURNAL names a
// state folder, of the journal in it, as of its last record.
func BenchmarkPage(b *testing.B) {
	state, at := os.Getenv("PRATIQUE_JOURNAL"), now
	if state == "" {
		state = aDay(b)
	} else {
		r, err := journal.OpenReader(state)
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		extent, err := r.Extent(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		at = extent.Last
	}
	s := sources(state)
	s.Now = func() time.Time { return at }
	page, err := New(s)
	if err != nil {
		b.Fatal(err)
	}
	handler := page.Handler()
	for _, path := range []string{"/", "/?range=7d", "/messages", "/messages?verdict=refused", "/messages?client=10.0.0.1"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body.String())
				}
			}
		})
	}
}
