package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pratique/watch"
)

// A log that can't be followed is known to the metrics, as long as that is so.
func TestLogThatCantBeFollowed(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	store, err := watch.Open(t.Context(), t.TempDir(), time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	f := &feeder{daemon: &daemon{env: &env{now: time.Now}, log: log}, store: store, left: &leftMessages{state: t.TempDir()}}
	path := filepath.Join(t.TempDir(), "mail.log")
	wait := func(failing bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for f.logFailing.Load() != failing {
			select {
			case <-ctx.Done():
				t.Fatalf("it is not so that the log fails: %v", failing)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	f.follow(watch.Options{Log: path})
	wait(true)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wait(false)
	f.follow(watch.Options{Log: path + ".other"})
	wait(true)
	f.follow(watch.Options{})
	wait(false)
}
