package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"pratique/configs"
)

// healthPatience bounds how long a daemon that is well takes to say so.
const healthPatience = 5 * time.Second

// checkHealth asks the running daemon how it is, as a load balancer does, and nothing
// else: for what looks every few seconds, such as a container's health check.
func checkHealth(ctx context.Context, e *env, cfg *configs.Config) (int, error) {
	if cfg.HTTP == "" {
		return 0, hint(fmt.Errorf("the daemon can't be asked: http is off"), `set http = "127.0.0.1:8892"`)
	}
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+reachable(cfg.HTTP)+"/healthz", nil)
	if err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	answer, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask the daemon how it is: %w", err)
	}
	defer answer.Body.Close()
	const most = 1 << 10
	text, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return 0, fmt.Errorf("ask the daemon how it is: %w", err)
	}
	if _, err := fmt.Fprintln(e.stdout, strings.TrimSpace(string(text))); err != nil {
		return 0, err
	}
	if answer.StatusCode != http.StatusOK {
		return exitFindings, nil
	}
	return exitClean, nil
}

// reachable is where a listening address is reached from this host: one that stands for
// all addresses is reached by loopback.
func reachable(listening string) string {
	host, port, err := net.SplitHostPort(listening)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("localhost", port)
	}
	return listening
}
