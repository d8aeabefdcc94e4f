package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pratique/integration/harness"
)

// What all tests share, made once and never changed: the daemon under test, and its keys.
var (
	binary      string
	signingKeys harness.Keys
)

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := harness.TempDir()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary, err = harness.BuildPratique(context.Background(), dir, raceEnabled)
	if err == nil {
		signingKeys, err = harness.NewKeys(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// unpackedSendmail is where scripts/setup.sh unpacks sendmail's packages.
var unpackedSendmail = filepath.Join("..", ".build", "sendmail")
