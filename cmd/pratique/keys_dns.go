package main

import (
	"encoding/json"
	"fmt"
	"io"

	"pratique/signing/keystore"
)

// keysDNS prints the records that are to be in the DNS.
func keysDNS(e *env, args []string) (int, error) {
	fs := e.flags("keys dns")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	format := fs.String("format", "zone", "zone: for a zone file; plain: name and value, for a web form; json: one object a line")
	names, err := e.parseNames(fs, args, 0, "DOMAIN")
	if err != nil {
		return 0, err
	}
	print, ok := map[string]func(io.Writer, *keystore.Store, keystore.Key) error{
		"zone": printZone, "plain": printPlain, "json": printJSON,
	}[*format]
	if !ok {
		return 0, hint(fmt.Errorf("there is no format %q", *format), "zone, plain and json are known")
	}
	_, store, err := loadKeys(e, *path)
	if err != nil {
		return 0, err
	}
	found, err := chosen(store, names[0])
	if err != nil {
		return 0, err
	}
	for _, k := range found {
		if k.State == keystore.Done {
			continue // it is to be taken out
		}
		if err := print(e.stdout, store, k); err != nil {
			return 0, keysHint(err, store)
		}
	}
	return exitClean, nil
}

func printZone(w io.Writer, store *keystore.Store, k keystore.Key) error {
	key, err := store.Load(k)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, keystore.ZoneLine(k.Record(), key.Record()))
	return err
}

func printPlain(w io.Writer, store *keystore.Store, k keystore.Key) error {
	key, err := store.Load(k)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "name   %s\ntype   TXT\nvalue  %s\n\n", k.Record(), key.Record())
	return err
}

func printJSON(w io.Writer, store *keystore.Store, k keystore.Key) error {
	key, err := store.Load(k)
	if err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(struct {
		Name  string         `json:"name"`
		Type  string         `json:"type"`
		TTL   int            `json:"ttl"`
		Value string         `json:"value"`
		State keystore.State `json:"state"`
	}{k.Record(), "TXT", keystore.RecordTTL, key.Record(), k.State})
}
