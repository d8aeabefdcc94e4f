package canary

import (
	"bytes"
	"context"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"pratique/signing"
)

// judge compares a message with the one that was sent.
func (r *Result) judge(ctx context.Context, o Options, e Env, sent, arrived []byte) {
	r.add("arrived", OK, "it arrived after %v", r.Delay.Round(time.Millisecond))
	if r.Delay > o.Late {
		r.add("delay", Warn, "it took %v, and is late from %v on", r.Delay.Round(time.Millisecond), o.Late)
	}
	r.judgeSignatures(ctx, o, e, arrived)
	r.judgeContent(sent, arrived)
	if e.Leaks == nil {
		return
	}
	for _, leak := range e.Leaks(arrived) {
		r.add("leak", Warn, "%s", leak)
	}
}

// verifyPatience bounds the look-ups of keys: the message has arrived by then.
const verifyPatience = 20 * time.Second

func (r *Result) judgeSignatures(ctx context.Context, o Options, e Env, arrived []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifyPatience)
	defer cancel()
	signatures, err := signing.Verify(ctx, bytes.NewReader(arrived), e.Lookup)
	switch {
	case err != nil:
		r.add("signature", Fail, "it can't be verified: %v", err)
		return
	case len(signatures) == 0:
		r.add("signature", Fail, "it arrived unsigned")
		return
	}
	aligned := false
	for _, s := range signatures {
		if s.Err != nil {
			r.add("signature", Fail, "the signature of d=%s s=%s (%s) is not valid: %v", s.Domain, s.Selector, s.Algorithm, s.Err)
			continue
		}
		r.add("signature", OK, "the signature of d=%s s=%s (%s) is valid", s.Domain, s.Selector, s.Algorithm)
		aligned = aligned || alignedWith(s.Domain, domainOf(o.From))
	}
	if !aligned {
		r.add("alignment", Fail, "no valid signature is of the domain of From, %s, so DMARC fails", domainOf(o.From))
		return
	}
	r.add("alignment", OK, "a valid signature is aligned with From")
}

// alignedWith is relaxed alignment: the same organizational domain (RFC 7489 3.1.1).
func alignedWith(domain, from string) bool {
	domain, from = strings.ToLower(domain), strings.ToLower(from)
	if domain == from {
		return true
	}
	a, err := publicsuffix.EffectiveTLDPlusOne(domain)
	b, berr := publicsuffix.EffectiveTLDPlusOne(from)
	return err == nil && berr == nil && a == b
}

// judgeContent looks whether the body is the one that was sent.
func (r *Result) judgeContent(sent, arrived []byte) {
	want, got := bodyLines(sent), bodyLines(arrived)
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || !bytes.Equal(want[i], got[i]) {
			r.add("content", Warn, "its body was changed on the way, first in line %d", i+1)
			return
		}
	}
}

// bodyLines returns the lines of a body, without their ends and without empty ones at the end.
func bodyLines(message []byte) [][]byte {
	text := bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n"))
	_, body, _ := bytes.Cut(text, []byte("\n\n"))
	return bytes.Split(bytes.TrimRight(body, "\n"), []byte("\n"))
}
