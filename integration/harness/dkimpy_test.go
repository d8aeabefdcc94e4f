package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// dkimpy signs what dkimpy is to verify: the verdict must follow message and records.
func TestVerifyWithDkimpy(t *testing.T) {
	keys, err := NewKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, err = VerifyWithDkimpy(t.Context(), nil, Letter("unsigned"))
	if errors.Is(err, ErrMissing) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const sign = `
import sys, dkim
message = sys.stdin.buffer.read()
key = open(sys.argv[1], "rb").read()
sys.stdout.buffer.write(dkim.sign(message, sys.argv[2].encode(), b"example.org", key) + message)`
	cmd := exec.CommandContext(t.Context(), debianPython, "-c", sign, keys.RSAFile, RSASelector)
	cmd.Stdin = strings.NewReader(string(Letter("signed")))
	signed, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		what    string
		records map[string]string
		message string
		want    []bool
	}{
		{"as signed", keys.Records, string(signed), []bool{true}},
		{"with another body", keys.Records, string(signed) + "more\r\n", []bool{false}},
		{"without a record", nil, string(signed), []bool{false}},
		{"unsigned", keys.Records, string(Letter("unsigned")), nil},
	} {
		verdicts, err := VerifyWithDkimpy(t.Context(), c.records, []byte(c.message))
		var passed []bool
		for _, v := range verdicts {
			passed = append(passed, v.Pass)
		}
		if err != nil || fmt.Sprint(passed) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, %v", c.what, verdicts, err)
		}
	}
}
