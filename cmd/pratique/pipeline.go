package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"pratique/configs"
	"pratique/lint"
	"pratique/message"
	"pratique/rates"
	"pratique/scanning"
	"pratique/signing"
	"pratique/signing/survival"
	"pratique/telemetry/alerts"
	"pratique/watch"
)

// assembly is what messages meet under a configuration, and the parts of it that
// the daemon has more to do with.
type assembly struct {
	pipeline *message.Pipeline
	scanner  *scanning.Scanner // nil without a clamd
	signer   *signing.Signer
	counted  *rates.Rates
}

// assemble builds what messages meet under a configuration. The order of the
// checks is here: what may edit header or body comes before signing, so that the
// signatures cover the message as it leaves. Behind it nothing is changed any more.
func assemble(cfg *configs.Config, linting lint.Env, store *rates.Store, ledger rates.Ledger, observers []message.Observer, own *alerts.Own, gone *watch.Gone, log *slog.Logger, now func() time.Time) (*assembly, error) {
	who, err := gate(cfg)
	if err != nil {
		return nil, err
	}
	counted, err := rates.New(store, ledger, cfg.Rates)
	if err != nil {
		return nil, err
	}
	scanner, scan, err := newScanner(cfg, log)
	if err != nil {
		return nil, err
	}
	signer, err := buildSigner(cfg, now, log)
	if err != nil {
		return nil, err
	}
	linting.Signatures = newSignatureFacts(cfg, signer, now)
	linter, err := lint.New(cfg.Lint, linting)
	if err != nil {
		return nil, err
	}
	mender, err := newMender(cfg)
	if err != nil {
		return nil, err
	}
	forecaster, err := newForecaster(cfg)
	if err != nil {
		return nil, err
	}
	pipeline := &message.Pipeline{
		Gates: []message.Gate{who},
		Checks: message.NewChain(
			message.Link{Check: who},
			message.Link{Check: suppression(cfg, gone)},
			message.Link{Check: own}, // before those that do not look at our own alert mail
			message.Link{Check: alerts.Exempt(counted)},
			message.Link{Check: linter},
			message.Link{Check: alerts.Exempt(scan), OnError: cfg.Scanning.OnError},
			message.Link{Check: mender},
			message.Link{Check: signer, OnError: cfg.Signing.OnError},
			message.Link{Check: forecaster, OnError: message.Accept}, // it only tells
		).Timed(now),
		// The signer first: it completes the record that the others count and store.
		Observers: append([]message.Observer{signer, own, alerts.Unseen(counted)}, observers...),
		NewBodies: cfg.Survival.Mend,
	}
	return &assembly{pipeline, scanner, signer, counted}, nil
}

// suppression returns the check that refuses recipients that are gone.
func suppression(cfg *configs.Config, gone *watch.Gone) message.Check {
	if cfg.Watch.Suppress == 0 {
		return off("suppression")
	}
	return watch.Suppressor{Gone: gone}
}

// newMender returns the check that has signatures survive.
func newMender(cfg *configs.Config) (*survival.Mender, error) {
	form, err := signing.ParseForm(cfg.Signing.Canonicalization)
	if err != nil {
		return nil, err
	}
	return survival.NewMender(cfg.Survival, form)
}

// newForecaster returns the check that foretells what becomes of signatures.
func newForecaster(cfg *configs.Config) (*survival.Forecaster, error) {
	form, err := signing.ParseForm(cfg.Signing.Canonicalization)
	if err != nil {
		return nil, err
	}
	return survival.New(cfg.Survival, form)
}

// buildSigner builds the signer of a configuration. What is wrong with an option has its place in the file.
func buildSigner(cfg *configs.Config, now func() time.Time, log *slog.Logger) (*signing.Signer, error) {
	signer, err := signing.New(cfg.Signing, now, log)
	var option *signing.OptionError
	if errors.As(err, &option) {
		return nil, configs.Problems{cfg.Problem("signing."+option.Key, option.Text)}
	}
	return signer, err
}

// newScanner returns the scanner, nil without a clamd, and its place in the chain.
func newScanner(cfg *configs.Config, log *slog.Logger) (*scanning.Scanner, message.Check, error) {
	if cfg.Scanning.Clamd == "" {
		return nil, off("scanning"), nil
	}
	scanner, err := scanning.New(cfg.Scanning, log)
	return scanner, scanner, err
}

// off stands in the chain for a check that is not set up: it is interested in no message.
type off string

func (o off) Name() string { return string(o) }

func (o off) Begin(context.Context, *message.Message) (message.Inspector, error) { return nil, nil }
