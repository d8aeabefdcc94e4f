package signing

import (
	"strings"

	"pratique/message"
)

// presence says how often h= names a field. A name beyond those present makes
// the signature cover that there is no further one: adding a field then breaks
// it, so that nobody can send a signed message on with a second Subject on top.
type presence uint8

const (
	asPresent  presence = iota // once for each field of the name
	sealed                     // once more, if there is any
	alwaysOnce                 // once more, also if there is none
)

// signedFields are the fields that signatures cover, in the order of h=: those
// that RFC 6376 5.4.1 recommends, those of MIME, and those that must be covered
// by their own RFCs. Never covered are Return-Path, Received, Comments, Keywords
// and Bcc (the same), and DKIM-Signature: others' signatures stand for themselves.
//
// A field is alwaysOnce only if no MTA on the way adds a missing one. Sendmail
// adds Date and Message-ID after the milter, and To when it is told to
// (NoRecipientAction); a gateway that converts the encoding adds those of MIME;
// a mailing list adds its List fields and Sender; who resends adds Resent fields.
// List fields are never sealed: a list that the message passes adds its own, above
// those of the sender, and RFC 8058 4 asks for coverage only.
var signedFields = [...]struct {
	name     string
	presence presence
}{
	{"From", alwaysOnce},
	{"Reply-To", alwaysOnce},
	{"Subject", alwaysOnce},
	{"Date", sealed},
	{"To", sealed},
	{"Cc", alwaysOnce},
	{"Sender", sealed},
	{"Message-ID", sealed},
	{"In-Reply-To", sealed},
	{"References", sealed},
	{"MIME-Version", sealed},
	{"Content-Type", sealed},
	{"Content-Transfer-Encoding", sealed},
	{"Content-ID", asPresent},
	{"Content-Description", asPresent},
	{"Content-Disposition", asPresent},
	{"Resent-Date", asPresent},
	{"Resent-From", asPresent},
	{"Resent-Sender", asPresent},
	{"Resent-To", asPresent},
	{"Resent-Cc", asPresent},
	{"Resent-Message-ID", asPresent},
	{"List-Id", asPresent},
	{"List-Help", asPresent},
	{"List-Unsubscribe", asPresent},      // both of these: RFC 8058 4
	{"List-Unsubscribe-Post", asPresent}, //
	{"List-Subscribe", asPresent},
	{"List-Post", asPresent},
	{"List-Owner", asPresent},
	{"List-Archive", asPresent},
	{"Auto-Submitted", asPresent},
	{"Feedback-ID", asPresent},      // Gmail counts complaints by it only if it is signed
	{"CFBL-Address", asPresent},     // RFC 9477 3.1
	{"CFBL-Feedback-ID", asPresent}, //
}

// fieldIndex finds a name's place in signedFields by its lower-case form.
type fieldIndex map[string]int

func newFieldIndex() fieldIndex {
	index := make(fieldIndex, len(signedFields))
	for i, f := range signedFields {
		index[strings.ToLower(f.name)] = i
	}
	return index
}

// signed returns the names for h= and the fields that they stand for, in the same
// order. Of several fields of a name the lowest comes first (RFC 6376 5.4.2).
func (index fieldIndex) signed(h *message.Header) (names []string, fields []message.Field) {
	type present struct {
		field message.Field
		above int // the next one of its name, upwards: its place in all, from 1
	}
	all := make([]present, 0, h.Arrived())
	var lowest [len(signedFields)]int // its place in all, from 1; 0: there is none
	for _, f := range h.Fields() {
		if i, ok := index.find(f.Name()); ok {
			all = append(all, present{f, lowest[i]})
			lowest[i] = len(all)
		}
	}
	names = make([]string, 0, len(all)+len(signedFields))
	fields = make([]message.Field, 0, len(all))
	for i, rule := range signedFields {
		for at := lowest[i]; at > 0; at = all[at-1].above {
			names = append(names, rule.name)
			fields = append(fields, all[at-1].field)
		}
		if rule.presence == alwaysOnce || rule.presence == sealed && lowest[i] > 0 {
			names = append(names, rule.name)
		}
	}
	return names, fields
}

// SignedFields returns the names of the fields that signatures cover where they are present.
func SignedFields() []string {
	names := make([]string, len(signedFields))
	for i, f := range signedFields {
		names[i] = f.name
	}
	return names
}

// find returns a name's place in signedFields, in whatever case it is.
func (index fieldIndex) find(name string) (int, bool) {
	var lower [len("Content-Transfer-Encoding")]byte // the longest there is
	name = strings.TrimRight(name, " \t")
	if len(name) > len(lower) {
		return 0, false
	}
	for i := range len(name) {
		lower[i] = lowerCase(name[i])
	}
	i, ok := index[string(lower[:len(name)])]
	return i, ok
}

func lowerCase(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
