package signing

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"

	"pratique/message"
)

// inspector signs one message.
type inspector struct {
	signer *Signer
	m      *message.Message
	entry  *entry // nil: the message is not signed
	hash   hash.Hash
	body   body
}

// Header chooses the keys by the From field, or refuses what has none.
func (i *inspector) Header() error {
	i.dropReasons()
	entry, err := i.signer.entryFor(i.m)
	var none *lack
	if errors.As(err, &none) {
		return i.unsigned(none)
	}
	if entry.broken != nil {
		return i.failed(&brokenKey{entry.broken})
	}
	i.entry = entry
	i.hash = sha256.New()
	i.body = newBody(i.signer.canon.relaxedBody, i.hash)
	return nil
}

func (i *inspector) unsigned(why *lack) error {
	note(i.m, why.reason, why.text)
	i.giveReason(why.reason)
	if why.reason == Excluded || i.signer.opts.Unsigned == accept {
		return nil
	}
	return &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "message refused: it can't be signed (" + why.text + ")"}
}

// Write hashes a part of the body.
func (i *inspector) Write(p []byte) (int, error) {
	if i.entry == nil {
		return len(p), nil
	}
	return i.body.Write(p)
}

// End signs with every key of the domain, or with none.
func (i *inspector) End() error {
	if i.entry == nil {
		return nil
	}
	i.body.finish()
	signatures, err := i.sign()
	if err != nil {
		return i.failed(err)
	}
	for n := len(signatures) - 1; n >= 0; n-- { // so that the first one ends on top
		i.m.Header.Prepend(signatureField, signatures[n])
	}
	for _, k := range i.entry.keys {
		i.m.Note(checkName, noteSigned, "d="+i.entry.domain+" s="+k.selector+" a="+k.Algorithm())
	}
	return nil
}

// sign returns the values of the signature fields, in the order of the keys.
func (i *inspector) sign() ([]string, error) {
	s := i.signer
	names, fields := s.fields.signed(&i.m.Header)
	room := usualSignature // what is signed of the signature's own field
	for _, f := range fields {
		room += len(f.Raw())
	}
	signed := make([]byte, 0, room)
	for _, f := range fields {
		signed = s.canon.appendHeader(signed, f.Raw())
	}
	st := statement{canon: s.canon, time: s.clock(), expire: s.opts.Expire, names: names, bodyHash: i.hash.Sum(nil)}
	values := make([]string, 0, len(i.entry.keys))
	for _, k := range i.entry.keys {
		value := st.unsigned(i.entry, k)
		digest := sha256.Sum256(s.canon.appendSignature(signed, value.String()))
		signature, err := k.sign(digest[:])
		if err != nil {
			return nil, fmt.Errorf("sign for d=%s s=%s: %w", i.entry.domain, k.selector, err)
		}
		value.data(base64.StdEncoding.EncodeToString(signature))
		values = append(values, value.String())
	}
	return values, nil
}

// appendSignature appends the signature field itself, which comes last and
// without its final CRLF (RFC 6376 3.7).
func (c canonicalization) appendSignature(dst []byte, value string) []byte {
	dst = c.appendHeader(dst, message.NewField(signatureField, value).Raw())
	return dst[:len(dst)-len(crlf)]
}

// Close does nothing: the garbage collector frees what there is.
func (i *inspector) Close() error { return nil }
