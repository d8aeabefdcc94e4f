//go:build race

package baseline

// raceEnabled: the daemon is built as the tests are.
const raceEnabled = true
