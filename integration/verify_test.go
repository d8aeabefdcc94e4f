package integration

import (
	"pratique/integration/harness"
)

// verifies has every verifier confirm both signatures of a message, as it was delivered.
func (w *world) verifies(d harness.Delivery) {
	w.Helper()
	verdicts, err := harness.VerifyWithDkimpy(w.ctx, signingKeys.Records, d.Data)
	if err != nil {
		w.Fatal(err)
	}
	passed := map[string]int{}
	for _, v := range verdicts {
		if v.Pass {
			passed[v.Selector]++
		}
	}
	if len(verdicts) != 2 || passed[harness.RSASelector] != 1 || passed[harness.Ed25519Selector] != 1 {
		w.Errorf("dkimpy says %v of\n%s", verdicts, d.Data)
	}
}
