package opendkim

import (
	"net/mail"
	"strings"

	"pratique/message"
)

// Prediction is what OpenDKIM does with a message, by its tables and its source.
type Prediction struct {
	Signatures []Signature
	Tempfail   bool   // it answers 451, because a key is missing
	Why        string // why there is no signature
}

// Signature is d=, s= and i= of one; an identity of "" is "@" and the domain.
type Signature struct{ Domain, Selector, Identity string }

// Predict tells what OpenDKIM would do with a message of a client, but for what was
// noted as lost because it hangs on something else: scripts, macros, recipients.
func (t *Translation) Predict(c message.Client, h *message.Header) Prediction {
	if mode, ok := t.conf.get("Mode"); ok && !strings.Contains(mode.value, "s") {
		return Prediction{Why: "Mode has no s"}
	}
	name := strings.ToLower(c.Name)
	if strings.HasPrefix(name, "[") {
		name = ""
	}
	if t.peers.has(name, c.Addr) {
		return Prediction{Why: "the client is in PeerList"}
	}
	local, domain := author(h)
	switch {
	case domain == "":
		return Prediction{Why: "From can't be read"}
	case t.exempt[domain]:
		return Prediction{Why: "the domain is in ExemptDomains"}
	case c.Login == "" && !t.own.has(name, c.Addr):
		return Prediction{Why: "the client is neither in InternalHosts nor logged in"}
	}
	found, missing := t.signatures(local, domain)
	if missing != "" {
		return Prediction{Tempfail: true, Why: "the KeyTable has no key " + missing}
	}
	if len(found) == 0 {
		return Prediction{Why: "no entry is for " + domain}
	}
	p := Prediction{}
	for _, s := range found {
		identity := s.identity
		_, at, ok := strings.Cut(identity, "@")
		if identity != "" && !ok {
			return Prediction{Why: "the signer has no @"} // dkim_gensighdr gives up, for all of them
		}
		if !ok || identity == "@"+s.domain || at != s.domain && !strings.HasSuffix(at, "."+s.domain) {
			identity = ""
		}
		p.Signatures = append(p.Signatures, Signature{s.domain, s.selector, identity})
	}
	return p
}

// author returns the address in the first From field, its domain in lower case.
func author(h *message.Header) (local, domain string) {
	from, ok := h.First("From")
	if !ok {
		return "", ""
	}
	addresses, err := mail.ParseAddressList(from.Unfolded())
	if err != nil || len(addresses) == 0 {
		return "", ""
	}
	i := strings.LastIndexByte(addresses[0].Address, '@')
	return addresses[0].Address[:i], strings.ToLower(addresses[0].Address[i+1:])
}

// Canonicalization returns the c= of the signatures.
func (t *Translation) Canonicalization() string { return t.Config.Signing.Canonicalization }

// Deciding returns an opendkim.conf with those settings that decide which signatures
// a message gets, and how they look. Nothing else is in it: no user, no socket, no
// log, no script and nothing of verifying. Keys that others can read are used.
func (t *Translation) Deciding() string {
	var b strings.Builder
	put := func(name, value string) { b.WriteString(name + " " + value + "\n") }
	put("Mode", "s")
	put("Background", "no")
	put("RequireSafeKeys", "no")
	base := "/"
	if s, ok := t.conf.get("BaseDirectory"); ok {
		base = s.value
	}
	put("BaseDirectory", base)
	names := []string{
		"Canonicalization", "SignatureAlgorithm", "SignatureTTL", "SignHeaders", "OmitHeaders", "OversignHeaders",
		"SenderHeaders", "InternalHosts", "PeerList", "ExemptDomains", "MTA", "MacroList", "DontSignMailTo",
		"BodyLengthDB", "MaximumSignedBytes", "FixCRLF", "Diagnostics", "RequestReports", "RemoveOldSignatures",
		"SelectCanonicalizationHeader", "MinimumKeyBits", "On-Default", "On-InternalError", "On-SignatureError",
	}
	if mode, ok := t.conf.get("Mode"); !ok || strings.Contains(mode.value, "s") {
		names = append(names, "Domain", "Selector", "KeyFile", "SubDomains", "KeyTable", "SigningTable", "MultipleSignatures")
	}
	for _, name := range names {
		if s, ok := t.conf.get(name); ok {
			put(name, s.value)
		}
	}
	return b.String()
}
