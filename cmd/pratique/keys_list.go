package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"pratique/configs"
	"pratique/signing/keystore"
	"pratique/signing/records"
)

// listed is what is said of one key.
type listed struct {
	keystore.Key
	File  string          `json:"file"`
	Sight *keystore.Sight `json:"dns,omitempty"` // nil: the DNS was not asked
	Next  string          `json:"next"`          // what comes next, and who has to do it
	bad   bool            // mail suffers from it
}

// keysList prints the keys and how far they are.
func keysList(e *env, args []string) (int, error) {
	fs := e.flags("keys list")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	noDNS := fs.Bool("no-dns", false, "do not look up the records")
	names, err := e.parseNames(fs, args, 0, "DOMAIN")
	if err != nil {
		return 0, err
	}
	cfg, store, err := loadKeys(e, *path)
	if err != nil {
		return 0, err
	}
	found, err := chosen(store, names[0])
	if err != nil {
		return 0, err
	}
	var seen map[keystore.Key]keystore.Sight
	if !*noDNS {
		ctx, cancel := context.WithTimeout(context.Background(), checkPatience)
		defer cancel()
		seen = store.LookAll(ctx, authority(cfg), found)
	}
	active := store.DomainsOf(found)
	before, excluded := entriesBefore(cfg, active), map[string]string{}
	for _, d := range active {
		excluded[d.Domain] = before.of(d)
	}
	status, rows := exitClean, make([]listed, len(found))
	for i, k := range found {
		rows[i] = e.describe(cfg, store, k, seen[k])
		if entry := excluded[k.Domain]; entry != "" && k.State == keystore.Active {
			rows[i].Next = "does not sign: " + entry + " goes before it"
		}
		if rows[i].bad {
			status = exitFindings
		}
	}
	if *asJSON {
		return status, e.printKeysJSON(rows)
	}
	return status, errors.Join(e.printKeys(rows), e.printStrays(store))
}

// describe says of a key what there is to say.
func (e *env) describe(cfg *configs.Config, store *keystore.Store, k keystore.Key, s keystore.Sight) listed {
	row := listed{Key: k, File: store.File(k), Next: k.Next(e.now(), cfg.Keys)}
	if s.State != "" {
		row.Sight = &s
	}
	if _, err := store.Load(k); err != nil && k.State != keystore.Done {
		row.Next, row.bad = err.Error(), k.State == keystore.Active
	}
	row.bad = row.bad || missed(k, s)
	return row
}

// missed reports whether receivers look for a record of the key that is not there.
func missed(k keystore.Key, s keystore.Sight) bool {
	return (k.State == keystore.Active || k.State == keystore.Retiring) && s.Known() && s.State != records.Match
}

func (e *env) printKeysJSON(rows []listed) error {
	for _, row := range rows {
		if err := json.NewEncoder(e.stdout).Encode(row); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) printKeys(rows []listed) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(e.stdout, "There are no keys; pratique keys new DOMAIN makes the first ones.")
		return err
	}
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DOMAIN\tSELECTOR\tTYPE\tAGE\tSTATE\tDNS\tNEXT")
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Domain, row.Selector, row.Type(),
			span(e.now().Sub(row.Created)), row.State, row.dns(), row.Next)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, row := range rows { // what does not fit into the table
		if row.Sight != nil && row.Sight.State != records.Match {
			fmt.Fprintf(e.stdout, "\n%s: %s\n", row.Record(), row.Sight.Text)
		}
	}
	return nil
}

func (l listed) dns() string {
	if l.Sight == nil {
		return "-"
	}
	return string(l.Sight.State)
}

// printStrays names private keys in the folder that are no keys of the store.
func (e *env) printStrays(store *keystore.Store) error {
	strays, err := store.Strays()
	for _, file := range strays {
		fmt.Fprintf(e.stdout, "\n%s is no key of the list, but of a command that was cut off, perhaps. It is not used; delete it if you do not know it.\n", file)
	}
	return err
}

// span writes a length of time in the largest unit that is whole enough to be read.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}} {
		if d >= 2*unit.length || d == unit.length {
			return fmt.Sprintf("%d%s", d/unit.length, unit.name)
		}
	}
	return fmt.Sprintf("%ds", max(0, d/time.Second))
}
