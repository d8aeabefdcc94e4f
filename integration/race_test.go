//go:build race

package integration

// raceEnabled: the daemon is built as the tests are.
const raceEnabled = true
