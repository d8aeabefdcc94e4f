// Package lint judges the form of a message as it streams by: header and MIME rules, one table of them, and a bounded one-pass parser.
package lint
