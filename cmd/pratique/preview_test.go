package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

func TestPreviewSaysWhichPackageIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var stderr strings.Builder
	e := &env{strings.NewReader("Content-Type: text/html\n\n<p>"), io.Discard, &stderr, time.Now}
	if status := run(e, []string{"preview", "-"}); status != exitFailure {
		t.Errorf("status %d", status)
	}
	if got := stderr.String(); !strings.Contains(got, "no Chromium is installed") || !strings.Contains(got, "apt-get install chromium") {
		t.Errorf("%s", got)
	}
}
