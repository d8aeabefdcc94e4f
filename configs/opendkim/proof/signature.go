package proof

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const signatureField = "DKIM-Signature"

// Signature is what a DKIM-Signature field says (RFC 6376 3.5), but for its time and its hashes.
type Signature struct {
	Domain, Selector, Identity  string   // d=, s=; i= where it says more than d=
	Algorithm, Canonicalization string   // a=, c=
	Fields                      []string // h=, in lower case; nil: not known, as little as a=, x= and Extra
	Expires                     int64    // x= after t=, in seconds; 0: never
	Extra                       []string // other tags that are there
}

func (s Signature) name() string { return fmt.Sprintf("d=%s s=%s", s.Domain, s.Selector) }

// parseSignature reads a field that was made by a signer, which is taken to be well formed.
func parseSignature(value string) Signature {
	var s Signature
	var begin, end int64
	for tag := range strings.SplitSeq(value, ";") {
		name, text, ok := strings.Cut(tag, "=")
		name = strings.TrimSpace(name)
		text = strings.Join(strings.Fields(text), "")
		if !ok {
			continue
		}
		switch name {
		case "d":
			s.Domain = strings.ToLower(text)
		case "s":
			s.Selector = strings.ToLower(text)
		case "i":
			s.Identity = text
		case "a":
			s.Algorithm = text
		case "c":
			s.Canonicalization = text
		case "h":
			s.Fields = strings.Split(strings.ToLower(text), ":")
		case "t":
			begin, _ = strconv.ParseInt(text, 10, 64)
		case "x":
			end, _ = strconv.ParseInt(text, 10, 64)
		case "l", "z", "r", "q":
			s.Extra = append(s.Extra, name+"=")
		}
	}
	if s.Identity == "@"+s.Domain {
		s.Identity = ""
	}
	if !strings.Contains(s.Canonicalization, "/") && s.Canonicalization != "" {
		s.Canonicalization += "/simple"
	}
	if end != 0 {
		s.Expires = end - begin
	}
	slices.Sort(s.Extra)
	return s
}

// compare says what OpenDKIM does that is not done here, or is done otherwise, and
// which fields are covered more often here.
func compare(ours, theirs Side) (differences, wider []string) {
	if ours.Refused != theirs.Refused || (len(ours.Signatures) == 0) != (len(theirs.Signatures) == 0) {
		return []string{fmt.Sprintf("OpenDKIM %v; Pratique %v", theirs, ours)}, nil
	}
	own := map[string]Signature{}
	for _, s := range ours.Signatures {
		own[s.name()] = s
	}
	for _, s := range theirs.Signatures {
		o, ok := own[s.name()]
		if !ok {
			differences = append(differences, "only OpenDKIM signs with "+s.name())
			continue
		}
		delete(own, s.name())
		differences = append(differences, unlike(o, s)...)
		less, more := coverage(o, s)
		differences, wider = append(differences, less...), append(wider, more...)
	}
	for _, s := range ours.Signatures {
		if _, left := own[s.name()]; left {
			differences = append(differences, "only Pratique signs with "+s.name())
		}
	}
	return differences, wider
}

// unlike compares two signatures of the same key, but for what they cover.
func unlike(ours, theirs Signature) (differences []string) {
	differ := func(tag, o, t string) {
		if o != t {
			differences = append(differences, fmt.Sprintf("%s: %s is %q by OpenDKIM and %q by Pratique", ours.name(), tag, t, o))
		}
	}
	differ("c=", ours.Canonicalization, theirs.Canonicalization)
	differ("i=", ours.Identity, theirs.Identity)
	if theirs.Fields == nil {
		return differences // predicted: no more is known of it
	}
	differ("a=", ours.Algorithm, theirs.Algorithm)
	differ("x=", fmt.Sprintf("%d s", ours.Expires), fmt.Sprintf("%d s", theirs.Expires))
	for _, tag := range theirs.Extra {
		if tag != "q=" && !slices.Contains(ours.Extra, tag) { // q= only ever says dns/txt
			differences = append(differences, fmt.Sprintf("%s: only OpenDKIM adds %s", ours.name(), tag))
		}
	}
	return differences
}

// coverage compares how often h= names each field. A name more often than the field
// is there seals it against another one.
func coverage(ours, theirs Signature) (less, more []string) {
	if theirs.Fields == nil {
		return nil, nil
	}
	count := map[string]int{}
	for _, f := range ours.Fields {
		count[f]++
	}
	for _, f := range theirs.Fields {
		count[f]--
	}
	names := make([]string, 0, len(count))
	for f := range count {
		names = append(names, f)
	}
	slices.Sort(names)
	for _, f := range names {
		switch n := count[f]; {
		case n < 0:
			less = append(less, fmt.Sprintf("%s: h= has %s %d times less than that of OpenDKIM", ours.name(), f, -n))
		case n > 0:
			more = append(more, f)
		}
	}
	return less, more
}
