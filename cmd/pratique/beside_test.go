package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestBesideBeginsAnew has a panic end neither the daemon nor what panicked.
func TestBesideBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := &daemon{log: slog.New(slog.NewTextHandler(&log, nil))}
		begun := 0
		stop := d.beside(t.Context(), "a loop", func(ctx context.Context) {
			if begun++; begun == 1 {
				panic("a mistake")
			}
			<-ctx.Done()
		})
		time.Sleep(10 * panicPause)
		stop()
		if begun != 2 || !strings.Contains(log.String(), `in="a loop" panic="a mistake"`) {
			t.Errorf("begun %d times; the log: %s", begun, log.String())
		}
	})
}

func TestPanicInAnAnswerIsSaid(t *testing.T) {
	var log bytes.Buffer
	d := &daemon{log: slog.New(slog.NewTextHandler(&log, nil))}
	w := httptest.NewRecorder()
	d.answering(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a mistake") })).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/queue", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), `in="answer to /queue" panic="a mistake"`) {
		t.Errorf("%d; the log: %s", w.Code, log.String())
	}
}
