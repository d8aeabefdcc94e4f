package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pratique/watch"
	"pratique/watch/maillog"
)

// A domain whose mail a provider takes is shown with it, as the log told.
func TestQueueNamesProviders(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "c.toml")
	spool := filepath.Join(dir, "mqueue")
	for path, text := range map[string]string{
		config:                                  fmt.Sprintf("state = %q\n[watch]\nqueue = \"sendmail:%s\"\n", dir, spool),
		filepath.Join(spool, "qf6ASDX3ZL02314"): "V8\nT1700000000\nN1\nS<news@example.org>\nRPFD:<a@firm.example>\n.\n",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	e := &env{now: time.Now, stdout: &out, stderr: io.Discard}
	if _, err := printQueue(e, []string{"--config", config}); err != nil || !strings.Contains(out.String(), "\nfirm.example  1 ") {
		t.Errorf("before anything came back: %v, %s", err, out.String())
	}
	store, err := watch.Open(t.Context(), dir, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	sent := maillog.Delivery{At: time.Now(), QueueID: "AAAAAA1111", Recipient: "b@firm.example", Relay: "aspmx.l.google.com", Status: maillog.Sent}
	if err := store.Deliveries(t.Context(), nil, "log", []maillog.Delivery{sent}, maillog.Position{}); err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if _, err := printQueue(e, []string{"--config", config}); err != nil || !strings.Contains(out.String(), "\nfirm.example (google)  1 ") {
		t.Errorf("%v, %s", err, out.String())
	}
}
