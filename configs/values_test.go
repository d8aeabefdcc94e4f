package configs

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0s": 0, "0": 0, "60s": time.Minute, "1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "1.5h": 90 * time.Minute,
		"7d": 7 * day, "2w": 14 * day, "1w1d": 8 * day, "1d12h": 36 * time.Hour, "106751d": 106751 * day,
		"-1s": -time.Second, "-1d12h": -36 * time.Hour,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "d", "60", "-", "--1s", "1d-1h", "+1d", "1.5d", "1h1d", "1d2w", "60 s", "1 d", "7days", "1y", "1d 2h", "x", "1dd",
		"106752d", "15251w", "99999999999999999999d", "106751d24h", "9223372036854775807w", "15250w106751d", "15250w106751d2562047h",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", text, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1000": 1000, "1B": 1, "1KB": 1024, "25MB": 25 << 20, "25 MB": 25 << 20, "25mb": 25 << 20, "25MiB": 25 << 20,
		"1GB": 1 << 30, "1GiB": 1 << 30, "9223372036854775807": math.MaxInt64,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MB", "-1MB", "+1MB", "1.5MB", "1TB", "25 M B", "25M", "MB25", "1MB ", "9223372036854775808", "9007199254740992KB", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("parseSize(%q) = %d, want an error", text, got)
		}
	}
}

func TestParseListen(t *testing.T) {
	for text, want := range map[string]string{
		"inet:127.0.0.1:8891": "inet:127.0.0.1:8891", "inet:8891@127.0.0.1": "inet:127.0.0.1:8891", "inet:LocalHost:8891": "inet:localhost:8891",
		"inet6:[::1]:8891": "inet:[::1]:8891", "inet6:8891@[::1]": "inet:[::1]:8891", "inet6:8891@::1": "inet:[::1]:8891",
		"unix:/run/p/m.sock": "unix:/run/p/m.sock", "local:/run//p/../p/m.sock": "unix:/run/p/m.sock",
	} {
		if got, err := parseListen(text); err != nil || got != want {
			t.Errorf("parseListen(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestCheckHostname(t *testing.T) {
	for _, name := range []string{"mail.example.org", "a.b", "1.2.3.example", "xn--bcher-kva.example"} {
		if err := checkHostname(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "localhost", "mail.example.org.", "192.0.2.1", "::1", "a_b.example", "-a.example", "a-.example", "a..b", "bücher.example", "a b.example"} {
		if err := checkHostname(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"a", ""}: 1, {"", "ab"}: 2, {"per", "per"}: 0, {"pre", "per"}: 1, {"timeot", "timeout"}: 1,
		{"time_out", "timeout"}: 1, {"kitten", "sitting"}: 3, {"ab", "ba"}: 1, {"abcd", "acbd"}: 1, {"ca", "abc"}: 3,
	} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", pair[0], pair[1], got, want)
		}
		if got := distance(pair[1], pair[0]); got != want {
			t.Errorf("distance(%q, %q) = %d, want %d", pair[1], pair[0], got, want)
		}
	}
}

func TestSuggest(t *testing.T) {
	config := reflect.TypeFor[Config]()
	for unknown, want := range map[string]string{
		"sate": "state", "Hostname": "hostname", "log_lvl": "log_level", "loglevel": "log_level", "acess": "access",
		"networks": "access.networks", "socket_mode": "milter.socket_mode", "htpp": "http", "x": "", "selector": "signing.domains[].keys[].selector",
	} {
		if got := suggest(config, "", unknown); got != want {
			t.Errorf("suggest(%q) = %q, want %q", unknown, got, want)
		}
	}
	if got := suggest(reflect.TypeFor[DNS](), "dns", "state"); got != "state" {
		t.Errorf("a key of the top in a table: %q", got)
	}
}

// TestNegativeIsRefused: the decoder takes negative times, sizes and numbers, and
// each room refuses them.
func TestNegativeIsRefused(t *testing.T) {
	tried := 0
	for _, key := range keys(reflect.TypeFor[Config](), "") {
		typ := typeOf(key)
		text := map[bool]string{true: "'-1s'", false: "-1"}[typ == reflect.TypeFor[time.Duration]()]
		if typ.Kind() != reflect.Int && typ.Kind() != reflect.Int64 {
			continue
		}
		tried++
		refused := false
		parse([]byte(setting(key, text)), func(_ int, at, _ string) {
			refused = refused || strings.ReplaceAll(at, "[0]", "[]") == key
		})
		if !refused {
			t.Errorf("%s takes %s", key, text)
		}
	}
	if tried < 10 {
		t.Errorf("only %d keys are times, sizes or numbers", tried)
	}
}

// typeOf returns the type of a key that keys lists.
func typeOf(key string) reflect.Type {
	typ := reflect.TypeFor[Config]()
	for _, name := range strings.Split(key, ".") {
		name, listed := strings.CutSuffix(name, "[]")
		for _, f := range fields(typ) {
			if f.key == name {
				typ = f.typ
				break
			}
		}
		if listed {
			typ = typ.Elem()
		}
	}
	return typ
}

// setting returns a file that sets one key.
func setting(key, text string) string {
	i := strings.LastIndexByte(key, '.')
	if i < 0 {
		return key + " = " + text
	}
	table, name := "["+key[:i]+"]", key[i+1:]
	if list, listed := strings.CutSuffix(key[:i], "[]"); listed {
		table = "[[" + list + "]]"
	}
	return strings.ReplaceAll(table, "[].", ".") + "\n" + name + " = " + text
}
