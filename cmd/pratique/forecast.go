package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"pratique/message"
	"pratique/signing/survival"
)

// forecast tells of stored messages whether the signatures that serve would give
// them survive delivery.
func forecast(e *env, args []string) (int, error) {
	fs := e.flags("forecast")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := e.parse(fs, args, 1, -1); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	signer, err := newSigner(e, cfg)
	if err != nil {
		return 0, err
	}
	cfg.Survival.Forecast = "warn" // whatever serve does about it, here it is to be told
	forecaster, err := newForecaster(cfg)
	if err != nil {
		return 0, err
	}
	mender, err := newMender(cfg)
	if err != nil {
		return 0, err
	}
	print := printFate
	if *asJSON {
		print = func(w io.Writer, f fate) error { return json.NewEncoder(w).Encode(f) }
	}
	chain := message.NewChain(message.Link{Check: mender}, message.Link{Check: signer}, message.Link{Check: forecaster})
	status := exitClean
	for _, file := range fs.Args() {
		f, err := fateOf(e, chain, file)
		if err != nil {
			status = e.report(0, err)
			continue
		}
		if err := print(e.stdout, f); err != nil {
			return 0, err
		}
		if !(f.Signed && f.Survives && f.SurvivesWithout8BITMIME) && status == exitClean {
			status = exitFindings
		}
	}
	return status, nil
}

// fate is what becomes of the signatures of a message.
type fate struct {
	File                    string       `json:"file"`
	Signed                  bool         `json:"signed"`
	Reason                  string       `json:"reason,omitempty"` // why it is not
	Survives                bool         `json:"survives"`         // a next hop that offers 8BITMIME
	SurvivesWithout8BITMIME bool         `json:"survives_without_8bitmime"`
	Findings                []fateOfPart `json:"findings"`
	Mended                  []fateOfPart `json:"mended,omitempty"` // what would break, and serve encodes (mend)
}

type fateOfPart struct {
	Rule   string `json:"rule"`
	Where  string `json:"where"`
	Detail string `json:"detail"`
}

func fateOf(e *env, chain *message.Chain, file string) (fate, error) {
	in, err := e.open(file)
	if err != nil {
		return fate{}, err
	}
	defer in.Close()
	m := &message.Message{Sender: "forecast@localhost", Began: e.now()}
	if err := message.Play(context.Background(), chain, m, in, nil); err != nil {
		for _, f := range m.Failures {
			err = f.Err // what a client is not told
		}
		return fate{}, fmt.Errorf("forecast %s: %w", file, err)
	}
	reason := unsigned(m)
	f := fate{File: file, Signed: reason == "", Reason: reason, Findings: []fateOfPart{}}
	f.Survives, f.SurvivesWithout8BITMIME = f.Signed, f.Signed
	for _, found := range m.Findings {
		part := fateOfPart{found.Rule, found.Where, found.Detail}
		if found.Action == "fix" {
			f.Mended = append(f.Mended, part)
			continue
		}
		f.SurvivesWithout8BITMIME = false
		f.Survives = f.Survives && found.Rule == survival.EightBit
		f.Findings = append(f.Findings, part)
	}
	return f, nil
}

func printFate(w io.Writer, f fate) error {
	verdict := "its signatures survive"
	switch {
	case !f.Signed:
		verdict = "leaves unsigned: " + f.Reason
	case !f.Survives:
		verdict = "its signatures will be broken"
	case !f.SurvivesWithout8BITMIME:
		verdict = "its signatures survive only hops that offer 8BITMIME"
	}
	if _, err := fmt.Fprintf(w, "%s: %s\n", f.File, verdict); err != nil {
		return err
	}
	for _, part := range f.Mended {
		if _, err := fmt.Fprintf(w, "  %s %s: %s, before it is signed\n", part.Rule, part.Where, part.Detail); err != nil {
			return err
		}
	}
	for _, found := range f.Findings {
		if _, err := fmt.Fprintf(w, "  %s %s: %s; %s\n", found.Rule, found.Where, found.Detail, advice(found.Rule)); err != nil {
			return err
		}
	}
	return nil
}

// advice is what to do about a finding.
func advice(rule string) string {
	switch rule {
	case survival.LongBodyLine:
		return "the MTA wraps it: have the sender encode this part as quoted-printable or base64"
	case survival.EightBit:
		return "converted where the next hop has no 8BITMIME: quoted-printable or base64 goes everywhere"
	case survival.Rewritten:
		return "the MTA rewrites it after signing: rewrite before the milter instead (canonical_maps)"
	default:
		return "the MTA wraps it: have the sender fold the field"
	}
}
