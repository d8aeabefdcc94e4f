package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"pratique/signing/keystore"
)

// listed is what is said of one key.
type listed struct {
	keystore.Key
	File string `json:"file"`
	Next string `json:"next"` // what comes next, and who has to do it
}

// keysList prints the keys and how far they are.
func keysList(e *env, args []string) (int, error) {
	fs := e.flags("keys list")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
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
	rows := make([]listed, len(found))
	for i, k := range found {
		rows[i] = listed{k, store.File(k), k.Next(e.now(), cfg.Keys)}
	}
	if *asJSON {
		for _, row := range rows {
			if err := json.NewEncoder(e.stdout).Encode(row); err != nil {
				return 0, err
			}
		}
		return exitClean, nil
	}
	return exitClean, e.printKeys(rows)
}

func (e *env) printKeys(rows []listed) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DOMAIN\tSELECTOR\tTYPE\tSTATE\tAGE\tNEXT")
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", row.Domain, row.Selector, row.Type(), row.State, span(e.now().Sub(row.Created)), row.Next)
	}
	return w.Flush()
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
