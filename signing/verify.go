package signing

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"pratique/message"
)

// Result is what a verifier says of one signature.
type Result struct {
	Domain    string // d=
	Selector  string // s=
	Algorithm string // a=
	Err       error  // nil: the signature is valid
}

// LookupTXT returns the TXT records of a name, each with its strings joined.
type LookupTXT func(ctx context.Context, name string) ([]string, error)

// maxSignatures bounds the work that a message can cause in Verify.
const maxSignatures = 50

// Verify verifies every signature of a message, from top to bottom. A message
// with no signature has no results and no error; an error is one of reading the
// message. Lines may end in CRLF or LF.
//
// It takes Ed25519 and, of RSA, only rsa-sha256 with 1,024 bits or more (RFC 8301).
// A signature with l= fails: it covers only part of the body.
func Verify(ctx context.Context, r io.Reader, lookup LookupTXT) ([]Result, error) {
	header, body, err := splitMessage(r)
	if err != nil {
		return nil, err
	}
	results := signaturesIn(header)
	if len(results) == 0 {
		return nil, nil
	}
	if len(results) > maxSignatures {
		return nil, fmt.Errorf("verify: %d signatures are more than the %d that are looked at", len(results), maxSignatures)
	}
	verifications, err := dkim.VerifyWithOptions(io.MultiReader(bytes.NewReader(header), body), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return lookup(ctx, name) },
	})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if len(verifications) != len(results) {
		return nil, fmt.Errorf("verify: %d signatures were found and %d verified", len(results), len(verifications))
	}
	for i, v := range verifications {
		results[i].Err = v.Err
	}
	return results, nil
}

// splitMessage reads the header, up to and with the empty line, and leaves the rest.
func splitMessage(r io.Reader) (header []byte, body io.Reader, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadSlice('\n')
		header = append(header, line...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return append(header, "\r\n\r\n"...), lines, nil // a header and nothing else
		case err != nil:
			return nil, nil, fmt.Errorf("read message: %w", err)
		case len(bytes.TrimRight(line, "\r\n")) == 0:
			return header, lines, nil
		}
		if len(header) > message.MaxHeaderBytes {
			return nil, nil, fmt.Errorf("read message: the header is larger than %d octets", message.MaxHeaderBytes)
		}
	}
}

// signaturesIn returns what the signatures in a header say of themselves.
func signaturesIn(header []byte) []Result {
	unfolded := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ", "\n ", " ", "\n\t", " ").Replace(string(header))
	var results []Result
	for line := range strings.Lines(unfolded) {
		name, value, _ := strings.Cut(line, ":")
		if strings.EqualFold(strings.TrimSpace(name), signatureField) {
			results = append(results, Result{Domain: tag(value, "d"), Selector: tag(value, "s"), Algorithm: tag(value, "a")})
		}
	}
	return results
}

// tag returns the value of a tag in a tag list, without white space, or "" (RFC 6376 3.2).
func tag(list, name string) string {
	for spec := range strings.SplitSeq(list, ";") {
		key, value, ok := strings.Cut(spec, "=")
		if ok && strings.TrimSpace(key) == name {
			return strings.Join(strings.Fields(value), "")
		}
	}
	return ""
}

// Resolver returns a look-up that asks the DNS server at addr, host:port, or the
// system's resolver if addr is "".
func Resolver(addr string) LookupTXT {
	resolver := NetResolver(addr)
	return func(ctx context.Context, name string) ([]string, error) {
		// The dot at the end keeps the system's search list out.
		return resolver.LookupTXT(ctx, strings.TrimSuffix(name, ".")+".")
	}
}

// NetResolver is what Resolver asks.
func NetResolver(addr string) *net.Resolver {
	if addr == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}
