package signing

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/mail"

	"pratique/message"
)

// fromDomain returns the domain of the first address in the From field, in
// lower case. If there is none to sign for, the error
// says why, in words for the record.
func fromDomain(h *message.Header) (string, error) {
	from, ok := h.First("From")
	if !ok {
		return "", errors.New("no From")
	}
	if n := h.Count("From"); n > 1 {
		return "", fmt.Errorf("%d From fields", n)
	}
	// Display names may be in any charset, known to us or not.
	words := &mime.WordDecoder{CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil }}
	addresses, err := (&mail.AddressParser{WordDecoder: words}).ParseList(from.Unfolded())
	if err != nil || len(addresses) == 0 {
		return "", errors.New("no address in From that can be read")
	}
	return message.Domain(addresses[0].Address), nil
}
