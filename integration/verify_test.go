package integration

import (
	"slices"
	"testing"

	"pratique/integration/harness"
	"pratique/signing/verifytest"
)

// verifies has every verifier confirm both signatures of a message, as it was delivered.
func (w *world) verifies(d harness.Delivery) {
	w.Helper()
	w.verifiedBy(verifytest.All(), d)
}

func (w *world) verifiedBy(verifiers []verifytest.Verifier, d harness.Delivery) {
	w.Helper()
	for _, v := range verifiers {
		w.Run(v.Name, func(t *testing.T) {
			v.WantValid(t, d.Data, signingKeys.Records,
				"d=example.org s="+harness.RSASelector+" a=rsa-sha256",
				"d=example.org s="+harness.Ed25519Selector+" a=ed25519-sha256")
		})
	}
}

// forAnySpacing returns the verifiers that take what follows a colon as it stands.
func forAnySpacing() []verifytest.Verifier {
	return slices.DeleteFunc(verifytest.All(), func(v verifytest.Verifier) bool { return v.OneSpace })
}
