package main

import "testing"

func TestDialAddress(t *testing.T) {
	for listening, want := range map[string][2]string{
		"inet:127.0.0.1:8891":     {"tcp", "127.0.0.1:8891"},
		"inet:0.0.0.0:8891":       {"tcp", "localhost:8891"},
		"inet::8891":              {"tcp", "localhost:8891"},
		"inet6:[::1]:8891":        {"tcp", "[::1]:8891"},
		"inet6:[::]:8891":         {"tcp", "localhost:8891"},
		"inet:8891@mail.example":  {"tcp", "mail.example:8891"}, // as sendmail writes it
		"inet:8891@0.0.0.0":       {"tcp", "localhost:8891"},
		"inet6:8891@[::1]":        {"tcp", "[::1]:8891"},
		"unix:/run/pratique.sock": {"unix", "/run/pratique.sock"},
		"local:/run/p@x.sock":     {"unix", "/run/p@x.sock"},
	} {
		if network, target := dialAddress(listening); network != want[0] || target != want[1] {
			t.Errorf("%s is dialled as %s %s", listening, network, target)
		}
	}
}
