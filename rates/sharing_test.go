package rates

import (
	"strings"
	"testing"
)

func TestStoreAddresses(t *testing.T) {
	for text, problem := range map[string]string{
		"sqlite":                               "",
		"redis://localhost":                    "",
		"redis://10.0.0.1:6380/3":              "",
		"redis://:secret@[2001:db8::1]:6379/0": "",
		"rediss://user:p%40ss@redis.example":   "",
		"unix:///run/redis/redis.sock":         "",
		"unix:///run/redis/redis.sock?db=2":    "",
		"redis":                                "no store of counts",
		"localhost:6379":                       "no store of counts",
		"postgres://:secret@x":                 "no store of counts",
		"redis://":                             "the host",
		"redis://:secret@":                     "the host",
		"redis://host:0":                       "the host",
		"redis://host:secret":                  "no address",
		"redis://:se/cret@host":                "no address",
		"redis://a,b:secret@c,d":               "one host",
		"redis://host/zero":                    "no number of a database",
		"redis://host/0/1":                     "no number of a database",
		"redis://host/0?timeout=secret":        "nothing may follow",
		"unix://run/redis.sock":                "three slashes",
		"unix:///run/redis.sock?timeout=1":     "nothing but",
		"unix:///run/redis.sock?db=x":          "no number of a database",
		"":                                     "no store of counts",
	} {
		o := DefaultOptions()
		o.Store = text
		var found string
		o.Problems(func(key, problem string) { found += key + ": " + problem })
		if problem == "" && found != "" || problem != "" && !strings.Contains(found, "store: ") || !strings.Contains(found, problem) {
			t.Errorf("%s: %q, want %q", text, found, problem)
		}
		if strings.Contains(found, "secret") || strings.Contains(o.StoreName(), "secret") && strings.Contains(text, "@") && problem == "" {
			t.Errorf("%s: the password shows: %q, %q", text, found, o.StoreName())
		}
	}
}
