package main

import (
	"strings"
	"testing"

	"pratique/configs/opendkim/proof"
)

// Who reads the proof must see whether OpenDKIM itself was asked.
func TestProofSaysWhoWasAsked(t *testing.T) {
	letter := proof.Letter{Name: "a.eml"}
	letter.Client.Login = "shop"
	for run, want := range map[bool]string{
		true:  "(OpenDKIM itself was run)",
		false: "only our side was run, against what its tables and its source predict",
	} {
		p := &proven{Messages: 2, OpenDKIMRun: run, Wider: map[string]int{}}
		p.add(proof.Verdict{Letter: letter, Differences: []string{"d= differs"}})
		p.add(proof.Verdict{Wider: []string{"cc", "cc"}})
		var out strings.Builder
		p.print(&out)
		if got := out.String(); !strings.Contains(got, want) || !strings.Contains(got, "login shop): d= differs\n2 messages, 0 of them signed by OpenDKIM: 1 differ") || p.Wider["cc"] != 1 {
			t.Errorf("run %v: printed\n%s", run, got)
		}
	}
}
