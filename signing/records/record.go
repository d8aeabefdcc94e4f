package records

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// Record is a key record (RFC 6376 3.6.1).
type Record struct {
	KeyType  string   // k=
	Hashes   []string // h=; nil: all
	Services []string // s=; nil: all
	Flags    []string // t=
	Notes    string   // n=, as it is encoded
	Revoked  bool     // p= is empty
	Spaced   bool     // p= holds white space, which is allowed and trips some verifiers
	// Key is the public key: *rsa.PublicKey or ed25519.PublicKey; nil if revoked.
	Key  crypto.PublicKey
	Bits int // of the key
}

// The key types (RFC 6376 3.6.1, RFC 8463 4).
const (
	typeRSA     = "rsa"
	typeEd25519 = "ed25519"
)

// Problem is why a text is no key record that verifiers can use.
type Problem struct {
	State State // Malformed, WrongType or TooShort
	Text  string
}

func (p *Problem) Error() string { return p.Text }

func malformed(format string, args ...any) *Problem {
	return &Problem{Malformed, fmt.Sprintf(format, args...)}
}

func wrongType(format string, args ...any) *Problem {
	return &Problem{WrongType, fmt.Sprintf(format, args...)}
}

// Parse reads a key record. The error is a *Problem. With TooShort the record is
// returned all the same.
func Parse(text string) (Record, error) {
	if p := foreign(text); p != nil {
		return Record{}, p
	}
	list, err := parseTags(text)
	if err != nil {
		return Record{}, err
	}
	r := Record{KeyType: typeRSA, Hashes: list.split("h"), Services: list.split("s"), Flags: list.split("t"), Notes: list["n"]}
	if k := list["k"]; k != "" {
		r.KeyType = k
	}
	p := list["p"]
	data := strings.Join(strings.FieldsFunc(p, isFold), "")
	r.Revoked, r.Spaced = data == "", data != p
	if r.Revoked {
		return r, nil
	}
	return r, r.parseKey(data)
}

// foreign recognizes what is often found in a key record's place.
func foreign(text string) *Problem {
	trimmed := strings.TrimSpace(text)
	lower := strings.ToLower(trimmed)
	switch {
	case trimmed == "":
		return malformed("the record is empty")
	case strings.HasPrefix(lower, "v=spf1"):
		return wrongType("this is an SPF record, perhaps from a wildcard such as *.example.org")
	case strings.HasPrefix(lower, "v=dmarc1"):
		return wrongType("this is a DMARC record")
	case strings.HasPrefix(trimmed, `"`) || strings.HasPrefix(trimmed, "“"):
		return malformed("quotation marks are part of the record: they were entered twice, by you and by the DNS provider's form")
	case strings.Contains(trimmed, `" "`):
		return malformed("quotation marks are part of the record: strings are to be joined without them")
	case strings.Contains(trimmed, `\;`):
		return malformed(`backslashes are part of the record: "\;" is how some zone files write ";"`)
	case !strings.Contains(trimmed, "=") && strings.Contains(trimmed, ".") && !strings.ContainsAny(trimmed, " \t"):
		return wrongType("this is the name of a host: what was meant as a CNAME was entered as TXT")
	case strings.Contains(trimmed, "PRIVATE KEY"):
		return malformed("THIS IS A PRIVATE KEY: everybody can read it; make a new one, and publish its public half")
	case strings.Contains(trimmed, "-----BEGIN"):
		return malformed("this is a PEM file; the record holds only the base64 between its first and last lines, behind \"p=\"")
	}
	return nil
}

// tags is a tag list (RFC 6376 3.2).
type tags map[string]string

// parseTags reads a tag list that begins with v=DKIM1, if it has a v=, and has a p=.
func parseTags(text string) (tags, error) {
	list := tags{}
	specs := strings.Split(text, ";")
	if strings.Trim(specs[len(specs)-1], fold) == "" {
		specs = specs[:len(specs)-1] // one semicolon may stand at the end
	}
	for i, spec := range specs {
		name, value, ok := strings.Cut(spec, "=")
		name, value = strings.Trim(name, fold), strings.Trim(value, fold)
		switch {
		case !ok && name == "":
			return nil, malformed("there are two semicolons with nothing between them")
		case !ok:
			return nil, malformed("%.40q is no tag: it has no \"=\"", name)
		case !tagName(name):
			return nil, malformed("%.40q is no name of a tag", name)
		case name == "v" && i != 0:
			return nil, malformed("v= is not the first tag, and must be")
		case name == "v" && value != "DKIM1":
			return nil, wrongType("v=%.40q is none of DKIM; v=DKIM1 is wanted", value)
		}
		if _, twice := list[name]; twice {
			return nil, malformed("%s= stands twice: two records were pasted into one, perhaps", name)
		}
		if c := strings.IndexFunc(value, notInValue); c >= 0 {
			return nil, malformed("%s= holds %q, which no tag may", name, []rune(value[c:])[0])
		}
		list[name] = value
	}
	if _, ok := list["p"]; !ok {
		return nil, malformed("there is no p=, so no key")
	}
	return list, nil
}

// fold is what FWS consists of (RFC 6376 2.8).
const fold = " \t\r\n"

func isFold(r rune) bool { return strings.ContainsRune(fold, r) }

// notInValue reports what is neither VALCHAR nor white space (RFC 6376 3.2).
func notInValue(r rune) bool { return !isFold(r) && (r <= ' ' || r >= 0x7f) }

func tagName(name string) bool {
	for i, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != ""
}

// split returns a value that is a list, or nil if the tag is not there.
func (t tags) split(name string) []string {
	value, ok := t[name]
	if !ok {
		return nil
	}
	list := strings.Split(value, ":")
	for i := range list {
		list[i] = strings.Trim(list[i], fold)
	}
	return list
}

// parseKey reads p=, without its white space.
func (r *Record) parseKey(data string) error {
	der, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return malformed("p= is not base64: %s", badBase64(data))
	}
	switch r.KeyType {
	case typeRSA:
		return r.parseRSA(der)
	case typeEd25519:
		return r.parseEd25519(der)
	}
	return wrongType("k=%.40q is unknown; rsa and ed25519 are known", r.KeyType)
}

func badBase64(data string) string {
	bad := strings.IndexFunc(data, func(r rune) bool { return !strings.ContainsRune(alphabet, r) })
	switch {
	case bad >= 0:
		return fmt.Sprintf("it holds %q after %d characters", []rune(data[bad:])[0], bad)
	case len(data)%4 != 0:
		return fmt.Sprintf("it has %d characters, which is no multiple of 4; some are missing", len(data))
	}
	return "its padding is wrong"
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="

// The sizes of RSA keys, in bits (RFC 8301 3.2).
const (
	minRSABits  = 1024
	goodRSABits = 2048
)

func (r *Record) parseRSA(der []byte) error {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if bare, bareErr := x509.ParsePKCS1PublicKey(der); bareErr == nil {
			r.setRSA(bare)
			// RFC 6376's erratum 3017 asks verifiers to take both; OpenDKIM, for one, does not.
			return malformed("p= holds a bare RSAPublicKey; most verifiers read only a SubjectPublicKeyInfo, as from \"openssl pkey -pubout\"")
		}
		if len(der) == ed25519.PublicKeySize {
			return wrongType("k= says RSA, p= holds an Ed25519 key: k=ed25519 is missing")
		}
		return malformed("p= holds no RSA key: %v", err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return wrongType("k= says RSA, p= holds a key of another kind")
	}
	r.setRSA(public)
	if r.Bits < minRSABits {
		return &Problem{TooShort, fmt.Sprintf("the key has %d bits; verifiers take none under %d (RFC 8301 3.2)", r.Bits, minRSABits)}
	}
	return nil
}

func (r *Record) setRSA(key *rsa.PublicKey) { r.Key, r.Bits = key, key.N.BitLen() }

func (r *Record) parseEd25519(data []byte) error {
	if len(data) != ed25519.PublicKeySize {
		if key, err := x509.ParsePKIXPublicKey(data); err == nil {
			if public, ok := key.(ed25519.PublicKey); ok {
				return malformed("p= holds a whole SubjectPublicKeyInfo; of an Ed25519 key only its last %d octets are wanted (RFC 8463 4.2): p=%s",
					ed25519.PublicKeySize, base64.StdEncoding.EncodeToString(public))
			}
			return wrongType("k= says Ed25519, p= holds a key of another kind")
		}
		return malformed("p= holds %d octets; an Ed25519 key has %d (RFC 8463 4.2)", len(data), ed25519.PublicKeySize)
	}
	r.Key, r.Bits = ed25519.PublicKey(data), 8*len(data)
	return nil
}

// ForMail reports whether the record may be used for mail (s=).
func (r Record) ForMail() bool {
	return r.Services == nil || slices.Contains(r.Services, "*") || slices.Contains(r.Services, "email")
}

// SHA256 reports whether the record may be used with SHA-256 (h=).
func (r Record) SHA256() bool { return r.Hashes == nil || slices.Contains(r.Hashes, "sha256") }

// Testing reports the flag y: receivers treat failing signatures as none at all.
func (r Record) Testing() bool { return slices.Contains(r.Flags, "y") }

// Strict reports the flag s: the domain of i= must be d= itself.
func (r Record) Strict() bool { return slices.Contains(r.Flags, "s") }
