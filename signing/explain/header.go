package explain

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"pratique/message"
	"pratique/signing"
	"pratique/signing/records"
)

// read are the fields that readers, and receivers, go by.
func read() []string {
	return []string{"From", "Subject", "Date", "To", "Cc", "Reply-To", "Sender", "Message-ID",
		"MIME-Version", "Content-Type", "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post"}
}

// sealable are those of which a second one would deceive a reader.
func sealable() []string {
	return []string{"From", "Subject", "Date", "To", "Cc", "Reply-To", "Message-ID", "MIME-Version", "Content-Type"}
}

// names are those of h=, as they stand there.
func (s *statement) names() []string {
	if s.tags["h"] == "" {
		return nil
	}
	return strings.Split(s.tags["h"], ":")
}

func (s *statement) describeCoverage() {
	times := map[string]int{}
	for _, name := range s.names() {
		if key := strings.ToLower(name); times[key] == 0 {
			s.Covered = append(s.Covered, name)
		}
		times[strings.ToLower(name)]++
	}
	for _, name := range read() {
		present := count(s.message.fields, name)
		covered := times[strings.ToLower(name)]
		switch {
		case covered < present:
			s.Uncovered = append(s.Uncovered, name)
		case covered == present && present > 0 && slices.Contains(sealable(), name):
			s.Unsealed = append(s.Unsealed, name)
		}
	}
}

func count(fields []message.Field, name string) int {
	n := 0
	for _, f := range fields {
		if f.Is(name) {
			n++
		}
	}
	return n
}

func contains(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// findKey returns the key of the record, or nil.
func (s *statement) findKey(ctx context.Context, lookup signing.LookupTXT) crypto.PublicKey {
	found, err := lookup(ctx, s.RecordName)
	switch {
	case err != nil:
		s.because("the key is not known: %v", err)
		return nil
	case len(found) == 0:
		s.because("there is no record at %s", s.RecordName)
		return nil
	case len(found) > 1:
		s.because("there are %d records at %s: verifiers take any of them, or none", len(found), s.RecordName)
		return nil
	}
	s.Record = found[0]
	r, err := records.Parse(found[0])
	s.KeyType, s.KeyBits = r.KeyType, r.Bits
	algorithm, _, _ := strings.Cut(s.Algorithm, "-")
	switch {
	case err != nil:
		s.because("the record can't be used: %v", err)
		return nil
	case r.Revoked:
		s.because("the key was revoked: p= is empty")
		return nil
	case r.KeyType != algorithm:
		s.because("the record holds an %s key, and the signature is %s", r.KeyType, s.Algorithm)
		return nil
	case !r.SHA256():
		s.because("the record excludes sha256: h=%s", strings.Join(r.Hashes, ":"))
	case !r.ForMail():
		s.because("the record excludes mail: s=%s", strings.Join(r.Services, ":"))
	}
	return r.Key
}

// judgeHeader compares the header with b=.
func (s *statement) judgeHeader(key crypto.PublicKey) {
	signature, err := base64.StdEncoding.DecodeString(s.tags["b"])
	if err != nil {
		s.because("b= is no base64")
		return
	}
	if key == nil {
		return
	}
	fields := s.picked(s.message.fields)
	if verifies(key, s.digest(fields), signature) {
		s.Header = Same
		return
	}
	s.Header = Differs
	if s.original == nil {
		s.because("the header is not the one that was signed, or another key signed it%s", s.guessHeader(key, signature))
		return
	}
	s.because("the header is not the one that was signed%s", s.compareHeaders())
}

// picked returns the fields that h= stands for, of each name from the bottom up (RFC 6376 5.4.2).
func (s *statement) picked(fields []message.Field) []message.Field {
	used := make([]bool, len(fields))
	var picked []message.Field
	for _, name := range s.names() {
		for i := len(fields) - 1; i >= 0; i-- {
			if !used[i] && fields[i].Is(name) {
				used[i] = true
				picked = append(picked, fields[i])
				break
			}
		}
	}
	return picked
}

// digest is what b= signs: the fields, and the signature itself without its b= (RFC 6376 3.7).
func (s *statement) digest(fields []message.Field) []byte {
	var text []byte
	for _, f := range fields {
		text = s.form.AppendField(text, f.Raw())
	}
	text = s.form.AppendField(text, withoutSignature(s.field.Raw()))
	sum := sha256.Sum256(bytes.TrimSuffix(text, []byte("\r\n")))
	return sum[:]
}

// withoutSignature takes the value of b= out of a signature field.
func withoutSignature(raw []byte) []byte {
	name, value, _ := bytes.Cut(raw, []byte(":"))
	specs := bytes.Split(bytes.TrimSuffix(value, []byte("\r\n")), []byte(";"))
	for i, spec := range specs {
		if tag, _, ok := bytes.Cut(spec, []byte("=")); ok && string(bytes.TrimSpace(tag)) == "b" {
			specs[i] = append(bytes.Clone(tag), '=')
		}
	}
	return slices.Concat(name, []byte(":"), bytes.Join(specs, []byte(";")), []byte("\r\n"))
}

func verifies(key crypto.PublicKey, digest, signature []byte) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
	case ed25519.PublicKey:
		return ed25519.Verify(key, digest, signature)
	}
	return false
}

// guessHeader tries the header without each one of its covered fields, and says
// which one was added, or "".
func (s *statement) guessHeader(key crypto.PublicKey, signature []byte) string {
	for i, f := range s.message.fields {
		if !contains(s.Covered, name(f)) {
			continue
		}
		without := slices.Delete(slices.Clone(s.message.fields), i, i+1)
		if verifies(key, s.digest(s.picked(without)), signature) {
			return fmt.Sprintf(": it is valid without the field %s", shown(string(bytes.TrimSpace(f.Raw()))))
		}
	}
	return ""
}

func name(f message.Field) string { return strings.TrimRight(f.Name(), " \t") }

// compareHeaders says which covered field differs from the original.
func (s *statement) compareHeaders() string {
	var differences []string
	for _, covered := range s.Covered {
		was, is := s.values(s.original, covered), s.values(s.message, covered)
		if slices.Equal(was, is) {
			continue
		}
		switch {
		case len(was) < len(is):
			differences = append(differences, fmt.Sprintf("a field was added: %s", shown(is[firstNew(was, is)])))
		case len(was) > len(is):
			differences = append(differences, fmt.Sprintf("a field was taken out: %s", shown(was[firstNew(is, was)])))
		default:
			i := 0
			for was[i] == is[i] {
				i++
			}
			differences = append(differences, fmt.Sprintf("%s was signed, now it is %s", shown(was[i]), shown(is[i])))
		}
	}
	if differences == nil {
		return ", yet no field that it covers differs from the original: another key signed it, or the signature itself was changed"
	}
	return ": " + strings.Join(differences, "; ")
}

// values are the fields of a name in their canonical form, without line end, from the bottom up.
func (s *statement) values(m *parsed, name string) []string {
	var values []string
	for i := len(m.fields) - 1; i >= 0; i-- {
		if m.fields[i].Is(name) {
			values = append(values, strings.TrimSuffix(string(s.form.AppendField(nil, m.fields[i].Raw())), "\r\n"))
		}
	}
	return values
}

// firstNew returns the index of the first value of more that is not in its place in fewer.
func firstNew(fewer, more []string) int {
	for i := range fewer {
		if fewer[i] != more[i] {
			return i
		}
	}
	return len(fewer)
}
