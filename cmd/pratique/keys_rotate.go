package main

import (
	"context"
	"fmt"

	"pratique/signing/keystore"
)

// keysRotate makes the successors of a domain's active keys. The daemon does the rest.
func keysRotate(e *env, args []string) (int, error) {
	fs := e.flags("keys rotate")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	only := fs.String("type", "", "rotate one key only: rsa or ed25519")
	names, err := e.parseNames(fs, args, 1, "DOMAIN")
	if err != nil {
		return 0, err
	}
	if err := (keystore.Kind{Type: *only}).Check(); *only != "" && err != nil {
		return 0, err
	}
	cfg, store, err := loadKeys(e, *path)
	if err != nil {
		return 0, err
	}
	made, err := store.Rotate(context.Background(), names[0], *only)
	if err != nil {
		return 0, keysHint(err, store)
	}
	if err := announce(e.stdout, store, made, cfg.Keys.ActivateAfter); err != nil {
		return 0, err
	}
	_, err = fmt.Fprintf(e.stdout, "; Leave the records of the keys before them in the DNS until \"pratique keys list\" says done.\n")
	return exitClean, err
}
