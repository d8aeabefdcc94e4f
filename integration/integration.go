// Package integration holds the tests with the real programs: Postfix,
// sendmail, clamd, OpenDKIM's miltertest and the DKIM verifiers, with the daemon
// between them, and the test that holds the table of who may import whom. What
// starts the programs is in harness, what shows the main job in demo.
package integration
