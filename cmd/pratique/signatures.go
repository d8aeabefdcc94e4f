package main

import (
	"fmt"
	"time"

	"pratique/configs"
	"pratique/lint"
	"pratique/message"
	"pratique/signing"
	"pratique/signing/records"
)

// signatureFacts tells the rules what the signer will do, and how its records are.
type signatureFacts struct {
	signer  *signing.Signer
	records *records.Watcher // nil: the DNS is not asked
}

func newSignatureFacts(cfg *configs.Config, signer *signing.Signer, now func() time.Time) signatureFacts {
	s := signatureFacts{signer: signer}
	if cfg.Lint.DNSWait > 0 {
		s.records = records.NewWatcher(authority(cfg), now)
	}
	return s
}

// Of is lint.Signatures.
func (s signatureFacts) Of(m *message.Message) lint.SignatureFacts {
	f := s.signer.Facts(m)
	facts := lint.SignatureFacts{Domain: f.Domain}
	switch f.Reason {
	case signing.NoKey, signing.NullSender, signing.KeyFailed, signing.SignFailed:
		facts.Unsigned = f.Text
	}
	for _, k := range f.Keys {
		if k.Weakness != "" {
			facts.Weak = append(facts.Weak, fmt.Sprintf("selector %s: %s", k.Selector, k.Weakness))
		}
		if s.records == nil {
			continue
		}
		switch seen := s.records.Last(k.Record, k.File); seen.State {
		case "", records.Match, records.Unknown:
		default:
			facts.Unpublished = append(facts.Unpublished, fmt.Sprintf("%s: %s", k.Record, seen.Text))
		}
	}
	return facts
}
