package main

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pratique/configs"
	"pratique/telemetry"
)

func TestCheckHealth(t *testing.T) {
	var unwell error
	server := httptest.NewServer(telemetry.New(time.Now).Handler(func() error { return unwell }))
	defer server.Close()
	here := strings.TrimPrefix(server.URL, "http://")
	_, port, err := net.SplitHostPort(here)
	if err != nil {
		t.Fatal(err)
	}
	page := httptest.NewServer(http.NotFoundHandler()) // something else has the port
	defer page.Close()
	for name, c := range map[string]struct {
		http   string
		unwell error
		status int
		says   string
	}{
		"well":              {http: here, says: "ok\n"},
		"on all addresses":  {http: "0.0.0.0:" + port, says: "ok\n"},
		"on all of IPv6":    {http: "[::]:" + port, says: "ok\n"},
		"on all, not named": {http: ":" + port, says: "ok\n"},
		"not well":          {http: here, unwell: errors.New("the counts can't be saved"), status: exitFindings, says: "the counts can't be saved\n"},
		"another program":   {http: strings.TrimPrefix(page.URL, "http://"), status: exitFindings, says: "404 page not found\n"},
	} {
		t.Run(name, func(t *testing.T) {
			unwell = c.unwell
			var out bytes.Buffer
			status, err := checkHealth(t.Context(), &env{stdout: &out}, &configs.Config{HTTP: c.http})
			if err != nil || status != c.status || out.String() != c.says {
				t.Errorf("status %d, %q, %v", status, out.String(), err)
			}
		})
	}
	server.Close()
	for _, address := range []string{here, ""} {
		if _, err := checkHealth(t.Context(), &env{}, &configs.Config{HTTP: address}); err == nil {
			t.Errorf("%q: a daemon that can't be asked is well", address)
		}
	}
}
