package main

import (
	"context"
	"fmt"

	"pratique/signing/keystore"
)

// keysRemove deletes a key that is done.
func keysRemove(e *env, args []string) (int, error) {
	fs := e.flags("keys remove")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	force := fs.Bool("force", false, "delete it even if it is not done")
	names, err := e.parseNames(fs, args, 2, "DOMAIN", "SELECTOR")
	if err != nil {
		return 0, err
	}
	_, store, err := loadKeys(e, *path)
	if err != nil {
		return 0, err
	}
	k, err := store.Remove(context.Background(), names[0], names[1], *force)
	if err != nil {
		return 0, keysHint(err, store)
	}
	fmt.Fprintf(e.stdout, "Deleted the key %v, which was %s. Nothing of it is left here; take %s out of the DNS if it is still there.\n",
		k, k.State, k.Record())
	return exitClean, nil
}

// removeHint says what would be lost with a key that is not done.
func removeHint(k keystore.Key) string {
	const anyway = "; --force deletes it anyway"
	switch k.State {
	case keystore.Active:
		return "it signs, and without it mail would leave with one signature less: pratique keys rotate " + k.Domain + " makes a successor" + anyway
	case keystore.Retiring:
		return "what it signed may be under way still, and needs its record in the DNS; pratique keys list says until when" + anyway
	}
	return "it is on its way to sign" + anyway
}
