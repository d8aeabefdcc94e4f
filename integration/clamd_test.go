package integration

import (
	"os"
	"strings"
	"testing"

	"pratique/configs"
	"pratique/scanning"
	"pratique/scanning/clamdtest"
)

// The lines that we tell administrators to add to clamd.conf are understood by
// clamd, and with them it finds what it should in the largest message that it is
// sent by default. Without them it calls a message beyond its limits clean.
func TestClamdConf(t *testing.T) {
	advised := clamdConf(t)
	opts := configs.Default().Scanning
	clamd := clamdtest.StartReal(t, advised)
	probe := func(c *clamdtest.Real) error {
		opts.Clamd = c.Address()
		scanner, err := scanning.New(opts, nil)
		if err != nil {
			t.Fatal(err)
		}
		return scanner.Probe(t.Context(), opts.MaxSize)
	}
	if err := probe(clamd); err != nil {
		t.Errorf("with the lines: %v", err)
	}
	small := clamdtest.StartReal(t, map[string]string{"MaxFileSize": "1M", "StreamMaxLength": "30M", "AlertExceedsMax": "no"})
	if err := probe(small); err == nil {
		t.Error("a clamd that looks at 1 MB only passed the probe")
	}
}

func clamdConf(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../configs/clamd.conf")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if name, value, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(line, "#") {
			lines[name] = value
		}
	}
	if len(lines) < 5 {
		t.Fatalf("clamd.conf has only %v", lines)
	}
	return lines
}
