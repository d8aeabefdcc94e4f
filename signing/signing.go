// Package signing signs messages with DKIM (RFC 6376, RFC 8301, RFC 8463) while they stream by, and verifies them.
package signing
