package lint

import (
	"strings"

	"pratique/message"
)

// Signatures tells what signatures a message will get.
type Signatures interface {
	Of(m *message.Message) SignatureFacts
}

// SignatureFacts is what speaks against the signatures that a message will get.
type SignatureFacts struct {
	Unsigned    string   // why it will leave without one, though it should have one; "": it will be signed, or is not meant to be
	Domain      string   // d=
	Weak        []string // its weak keys, in words
	Unpublished []string // those whose records are not as they must be, in words
}

// signatureFacts are asked for once a message, by the first rule that wants them.
func (h *header) signatureFacts() *SignatureFacts {
	if h.signatures == nil {
		h.signatures = &SignatureFacts{}
		if h.lint.env.Signatures != nil && !h.m.Header.Overflow() {
			*h.signatures = h.lint.env.Signatures.Of(h.m)
		}
	}
	return h.signatures
}

// leavesUnsigned is rule A01.
func leavesUnsigned(h *header) {
	if why := h.signatureFacts().Unsigned; why != "" {
		h.found("From", why)
	}
}

// weakKeys is rule A02. Keys under 1,024 bits are not loaded at all.
func weakKeys(h *header) {
	if weak := h.signatureFacts().Weak; weak != nil {
		h.found("From", strings.Join(weak, ", "))
	}
}

// unpublishedKeys is rule A03.
func unpublishedKeys(h *header) {
	if lacking := h.signatureFacts().Unpublished; lacking != nil {
		h.found("From", strings.Join(lacking, ", "))
	}
}

// signatureNotAligned is rule A04.
func signatureNotAligned(h *header) {
	domain, from := h.signatureFacts().Domain, h.fromDomain()
	if domain != "" && from != "" && organization(domain) != organization(from) {
		h.found("From", "signed by "+shown(domain)+" for "+shown(from))
	}
}

// oneClickNotCovered is rule L05: what we sign covers these fields always.
func oneClickNotCovered(h *header) {
	if h.signatureFacts().Unsigned == "" {
		return
	}
	for _, name := range [...]string{"List-Unsubscribe", "List-Unsubscribe-Post"} {
		if i := h.first(name); i >= 0 {
			h.foundAt(i, "the message leaves unsigned")
			return
		}
	}
}
