package main

import (
	"bytes"
	"context"
	"log/slog"
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
