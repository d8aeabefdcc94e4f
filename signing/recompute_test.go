package signing

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// coverage is what a signature states, and what this package's parts make of the
// message that it came with: a verifier for tests, which shares with go-msgauth
// nothing but the RFC.
type coverage struct {
	tags      map[string]string // without white space
	signature []byte            // b=
	wantBody  []byte            // bh=
	bodyHash  []byte            // computed
	digest    []byte            // computed: what b= signs
}

// recompute takes a message, with CRLF, and computes what each of its signatures
// covers, from top to bottom.
func recompute(t testing.TB, text string) []coverage {
	t.Helper()
	header, body, _ := strings.Cut(text, "\r\n\r\n")
	fields := splitFields(header + "\r\n")
	var all []coverage
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		if strings.EqualFold(strings.TrimSpace(name), signatureField) {
			all = append(all, cover(t, name, strings.TrimSuffix(value, "\r\n"), fields, body))
		}
	}
	return all
}

func cover(t testing.TB, name, value string, fields []string, body string) coverage {
	t.Helper()
	c := coverage{tags: map[string]string{}}
	for spec := range strings.SplitSeq(value, ";") {
		if tag, v, ok := strings.Cut(spec, "="); ok {
			c.tags[strings.TrimSpace(tag)] = strings.Join(strings.Fields(v), "")
		}
	}
	canon, err := parseCanonicalization(c.tags["c"])
	if err != nil {
		t.Fatal(err)
	}
	c.signature, c.wantBody = decode(t, c.tags["b"]), decode(t, c.tags["bh"])
	c.bodyHash = hashBody(canon.relaxedBody, body)
	var signed []byte
	for _, f := range pick(fields, strings.Split(c.tags["h"], ":")) {
		signed = canon.appendHeader(signed, []byte(f))
	}
	signed = canon.appendHeader(signed, []byte(name+":"+withoutSignature(value)+"\r\n"))
	digest := sha256.Sum256(signed[:len(signed)-len(crlf)])
	c.digest = digest[:]
	return c
}

// splitFields takes a header apart.
func splitFields(header string) []string {
	var fields []string
	for line := range strings.SplitAfterSeq(header, "\r\n") {
		switch {
		case line == "":
		case len(fields) > 0 && (line[0] == ' ' || line[0] == '\t'):
			fields[len(fields)-1] += line
		default:
			fields = append(fields, line)
		}
	}
	return fields
}

// pick returns the fields that names stand for, of each name from the bottom up (RFC 6376 5.4.2).
func pick(fields, names []string) []string {
	used := make([]bool, len(fields))
	var picked []string
	for _, name := range names {
		for i := len(fields) - 1; i >= 0; i-- {
			own, _, _ := strings.Cut(fields[i], ":")
			if !used[i] && strings.EqualFold(strings.TrimRight(own, " \t"), name) {
				used[i] = true
				picked = append(picked, fields[i])
				break
			}
		}
	}
	return picked
}

// withoutSignature deletes the value of b= and the white space around it (RFC 6376 3.7).
func withoutSignature(value string) string {
	specs := strings.Split(value, ";")
	for i, spec := range specs {
		if tag, _, ok := strings.Cut(spec, "="); ok && strings.TrimSpace(tag) == "b" {
			specs[i] = tag + "="
		}
	}
	return strings.Join(specs, ";")
}

func hashBody(relaxed bool, body string) []byte {
	h := sha256.New()
	b := newBody(relaxed, h)
	b.Write([]byte(body))
	b.finish()
	return h.Sum(nil)
}

func decode(t testing.TB, text string) []byte {
	t.Helper()
	octets, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}
