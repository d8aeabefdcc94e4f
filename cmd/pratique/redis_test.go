package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"pratique/configs"
	"pratique/integration/harness"
)

// A real Redis: well, one that lets go of counts, and one that is away.
func TestCheckRedis(t *testing.T) {
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	r, err := harness.StartRedis(t.Context(), dir, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
	if errors.Is(err, harness.ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cfg := configs.Default()
	cfg.Rates.Redis.Timeout = 5 * time.Second
	cfg.Rates.Store = "unix://" + r.Socket()
	found := checkRedis(t.Context(), &env{now: time.Now}, &cfg)
	if len(found) != 2 || found[0].State != "ok" || !strings.Contains(found[0].Text, "maxmemory-policy allkeys-lru") ||
		found[1].State != "warning" || !strings.Contains(found[1].Text, "set it to noeviction") {
		t.Errorf("%+v", found)
	}
	r.Close()
	cfg.Rates.Store = "redis://:never-shown@" + r.Addr()
	if found := checkRedis(t.Context(), &env{now: time.Now}, &cfg); len(found) != 1 || found[0].State != "failed" ||
		!strings.Contains(found[0].Text, "nothing listens there") || strings.Contains(found[0].Subject+found[0].Text, "never-shown") {
		t.Errorf("%+v", found)
	}
}
