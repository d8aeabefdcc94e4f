package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"pratique/signing/keystore"
)

// keysNew makes the first keys of a domain: RSA, which every receiver verifies, and
// Ed25519 beside it, unless one type is asked for.
func keysNew(e *env, args []string) (int, error) {
	fs := e.flags("keys new")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	kind := fs.String("type", "", "make one key only: rsa or ed25519")
	bits := fs.Int("bits", 0, "the size of the RSA key: 2048, 3072 or 4096 (default 2048)")
	selector := fs.String("selector", "", "the selector of the one key (default: from the date, such as 20261124r)")
	names, err := e.parseNames(fs, args, 1, "DOMAIN")
	if err != nil {
		return 0, err
	}
	kinds, err := wantedKinds(*kind, *bits)
	if err != nil {
		return 0, err
	}
	if *selector != "" && len(kinds) > 1 {
		return 0, hint(errors.New("--selector is for one key, and two would be made"), "give --type rsa or --type ed25519 as well")
	}
	cfg, store, err := loadKeys(e, *path)
	if err != nil {
		return 0, err
	}
	made, err := store.New(context.Background(), names[0], *selector, kinds...)
	if err != nil {
		return 0, keysHint(err, store)
	}
	return exitClean, announce(e.stdout, store, made, cfg.Keys.ActivateAfter)
}

func wantedKinds(kind string, bits int) ([]keystore.Kind, error) {
	kinds := []keystore.Kind{{Type: keystore.RSA, Bits: bits}, {Type: keystore.Ed25519}}
	if kind != "" {
		kinds = []keystore.Kind{{Type: kind, Bits: bits}}
	}
	for _, k := range kinds {
		if err := k.Check(); err != nil {
			return nil, err
		}
	}
	return kinds, nil
}

// announce prints the records of new keys, and what happens next. All but the
// records is a comment, so that the whole can be put into a zone file.
func announce(w io.Writer, store *keystore.Store, made []keystore.Key, wait time.Duration) error {
	if _, err := fmt.Fprintf(w, "; Publish these records in the DNS:\n"); err != nil {
		return err
	}
	for _, k := range made {
		if err := printZone(w, store, k); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "; The daemon looks for them by itself. Each key signs once its record has been at all\n"+
		"; authoritative servers of the zone for %s. Until then nothing changes.\n"+
		"; pratique keys list                 shows how far they are\n"+
		"; pratique keys dns --format plain   prints the records for a web form\n", span(wait))
	return err
}
