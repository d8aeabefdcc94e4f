package journal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pratique/message"
)

// Every end of a message has its headline, its reason in the sums, a verdict for each
// check, and hints where something is to be done.
func TestEveryEndIsExplained(t *testing.T) {
	failing := message.Failure{Check: "scanning", Stage: message.StageEnd, Err: errors.New("connection refused"), Policy: message.Accept}
	for name, tc := range map[string]struct {
		o         message.Outcome
		change    func(m *message.Message)
		headline  string
		why       string
		checks    string // verdicts of access, rates, lint, scanning, signing
		hint      string // a part of the hints; "": there are none
		scan, uns string
	}{
		"accepted": {headline: "accepted, signed by example.org", checks: "passed skipped warned passed passed", scan: "clean"},
		"fixed": {
			change: func(m *message.Message) {
				m.Findings[0].Action = "fix"
				m.Header.Append("Date", " today")
			},
			headline: "accepted, signed by example.org", checks: "passed skipped fixed passed passed", scan: "clean",
		},
		"unsigned": {
			change: func(m *message.Message) {
				m.Notes = append(m.Notes[:2], message.Note{Check: "signing", Key: "unsigned", Code: "off", Text: "no domain is configured to sign"})
			},
			headline: "accepted, not signed (off)", checks: "passed skipped warned passed passed", hint: "pratique keys new", scan: "clean", uns: "off",
		},
		"refused": {
			o: refuse(letter(1, start)), change: func(m *message.Message) { refuse(m) },
			headline: "refused by lint: 550 5.6.0 M01 multipart without its boundary", why: "lint M01",
			checks: "passed skipped refused unreached unreached", hint: "pratique lint --explain M01",
		},
		"over a limit": {
			o: message.Outcome{Verdict: message.Tempfailed, Check: "rates", Refusal: &message.Refusal{Code: 451, Text: "rates: too many"}},
			change: func(m *message.Message) {
				m.Notes = m.Notes[:1]
				m.Checks[1].State, m.Checks[2].State, m.Checks[3].State, m.Checks[4].State = message.CheckDecided, 0, 0, 0
			},
			headline: "deferred by rates: 451 rates: too many", why: "rates", checks: "passed tempfailed unreached unreached unreached", hint: "pratique rates",
		},
		"a recipient that is gone": {
			o: message.Outcome{Verdict: message.Refused, Check: "suppression", Refusal: &message.Refusal{Code: 550, Enhanced: "5.1.1", Text: "suppression: gone"}},
			change: func(m *message.Message) {
				m.Notes, m.Checks = nil, nil
			},
			headline: "refused by suppression: 550 5.1.1 suppression: gone", why: "suppression", checks: "refused", hint: "pratique feedback suppressed remove",
		},
		"refused at the gate": {
			o: message.Outcome{Verdict: message.Refused, Check: "access", Refusal: &message.Refusal{Code: 550, Enhanced: "5.7.1", Text: "access: no"}},
			change: func(m *message.Message) {
				m.Notes, m.Checks = nil, nil
			},
			headline: "refused by access: 550 5.7.1 access: no", why: "access", checks: "refused", hint: "[access]",
		},
		"let pass": {
			o:        message.Outcome{Verdict: message.Passed, Check: "access"},
			change:   func(m *message.Message) { m.Notes, m.Checks = nil, nil },
			headline: "let pass untouched by access, neither looked at nor signed", checks: "passed", hint: "unlisted = \"pass\"",
		},
		"held by malware": {
			o: message.Outcome{Verdict: message.Held, Reason: "infected with Test.EICAR"},
			change: func(m *message.Message) {
				m.Findings = append(m.Findings, message.Finding{Check: "scanning", Rule: "infected", Action: "hold", Detail: "Test.EICAR"})
				m.Notes[1].Text = "infected with Test.EICAR"
			},
			headline: "accepted, and held in the queue of the MTA: infected with Test.EICAR", why: "scanning infected",
			checks: "passed skipped warned held passed", hint: "postsuper -H 4F00000001", scan: "infected",
		},
		"held by a failure": {
			o: message.Outcome{Verdict: message.Held, Reason: "scanning failed"},
			change: func(m *message.Message) {
				m.Notes = append(m.Notes[:1], m.Notes[2:]...)
				m.Failures = append(m.Failures, failing)
				m.Checks[3].State = message.CheckBroke
			},
			headline: "accepted, and held in the queue of the MTA: scanning failed", why: "scanning failed",
			checks: "passed skipped warned failed passed", hint: "whether clamd runs", scan: "failed",
		},
		"a held bounce": {
			o:        message.Outcome{Verdict: message.Held, Reason: "lint would refuse this bounce: M01 no boundary"},
			headline: "accepted, and held in the queue of the MTA: lint would refuse this bounce: M01 no boundary", why: "lint",
			checks: "passed skipped held passed passed", hint: "postsuper", scan: "clean",
		},
		"discarded": {
			o: message.Outcome{Verdict: message.Discarded, Check: "scanning", Reason: "infected with X"},
			change: func(m *message.Message) {
				m.Notes[1].Text = "infected with X"
				m.Checks[3].State, m.Checks[4].State = message.CheckDecided, 0
			},
			headline: "accepted, and thrown away by scanning: infected with X", why: "scanning",
			checks: "passed skipped warned discarded unreached", hint: "broken into", scan: "infected",
		},
		"a failure that was let go": {
			change: func(m *message.Message) {
				m.Notes = append(m.Notes[:1], m.Notes[2:]...)
				m.Failures = append(m.Failures, failing)
				m.Checks[3].State = message.CheckBroke
			},
			headline: "accepted, signed by example.org", checks: "passed skipped warned failed passed", hint: "whether clamd runs", scan: "failed",
		},
		"aborted": {
			o:        message.Outcome{Verdict: message.Aborted, Stage: message.StageBody, Reason: "the MTA aborted the message"},
			headline: "given up by the MTA before an answer: the MTA aborted the message", checks: "passed skipped warned passed passed", scan: "clean",
		},
		"lost": {
			o:        message.Outcome{Verdict: message.Lost, Stage: message.StageBody, Reason: "EOF"},
			headline: "lost with the connection to the MTA before an answer: EOF", checks: "passed skipped warned passed passed", scan: "clean",
		},
		"the header is too large": {
			o:        message.Outcome{Verdict: message.Refused, Check: "header", Refusal: &message.Refusal{Code: 552, Enhanced: "5.3.4", Text: "H23 too large"}},
			change:   func(m *message.Message) { m.Notes = nil; m.Checks = m.Checks[:0] },
			headline: "refused by header: 552 5.3.4 H23 too large", why: "header", checks: "refused",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := letter(1, start)
			if tc.change != nil {
				tc.change(m)
			}
			r := NewRecord(m, tc.o, start, DefaultOptions())
			if got := r.Headline(); got != tc.headline {
				t.Errorf("headline %q, want %q", got, tc.headline)
			}
			if got := r.why(); got != tc.why && r.Verdict != "aborted" && r.Verdict != "lost" {
				t.Errorf("reason %q, want %q", got, tc.why)
			}
			var verdicts []string
			for _, c := range r.Checks {
				verdicts = append(verdicts, c.Verdict)
			}
			if got := strings.Join(verdicts, " "); got != tc.checks {
				t.Errorf("checks %q, want %q", got, tc.checks)
			}
			hints := strings.Join(r.Hints(), " ")
			if tc.hint == "" && hints != "" || !strings.Contains(hints, tc.hint) {
				t.Errorf("hints %q, want %q", hints, tc.hint)
			}
			scan, unsigned := "", ""
			if r.Scan != nil {
				scan = r.Scan.Result
			}
			if r.Unsigned != nil {
				unsigned = r.Unsigned.Reason
			}
			if scan != tc.scan || unsigned != tc.uns {
				t.Errorf("scan %q, unsigned %q", scan, unsigned)
			}
			var story strings.Builder
			if err := r.WriteStory(&story, time.UTC); err != nil {
				t.Fatal(err)
			}
			for _, part := range []string{"was " + tc.headline, "10.0.0.7", "<news@example.org>", "2 at example.net"} {
				if !strings.Contains(story.String(), part) {
					t.Errorf("the story does not say %q:\n%s", part, story.String())
				}
			}
		})
	}
}

// Very many recipients and findings make no large record.
func TestRecordsAreBounded(t *testing.T) {
	opts := DefaultOptions()
	opts.Recipients = byAddress
	m := letter(1, start)
	m.Recipients = nil
	for n := range 10_000 {
		m.Recipients = append(m.Recipients, message.Recipient{Addr: fmt.Sprintf("a@domain%d.example", n)})
		m.Report(message.Finding{Check: "lint", Rule: "M09", Action: "warn", Detail: "x"})
		m.Note("rates", "limit", "x")
	}
	r := NewRecord(m, message.Outcome{}, start, opts)
	if r.Recipients != 10_000 || len(r.Domains) != mostDomains || len(r.Addresses) != mostAddresses || len(r.Findings) != mostFindings || len(r.Notes) > mostNotes {
		t.Errorf("%d recipients, %d domains, %d addresses, %d findings, %d notes",
			r.Recipients, len(r.Domains), len(r.Addresses), len(r.Findings), len(r.Notes))
	}
}
