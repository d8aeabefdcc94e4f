package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"pratique/rates"
)

// shownRates is how many keys of a kind are shown unless asked for.
const shownRates = 20

// printRates prints the counters that the daemon keeps in its state folder, or runs
// one of its subcommands.
func printRates(e *env, args []string) (int, error) {
	if len(args) > 0 {
		for _, c := range ratesCommands() {
			if c.name == args[0] {
				return c.run(e, args[1:])
			}
		}
	}
	flags := e.flags("rates")
	path := flags.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := flags.Bool("json", false, "print JSON")
	ascii := flags.Bool("ascii", false, "draw without block characters, as when the output is no terminal")
	top := flags.Int("top", -1, fmt.Sprintf("show the `n` keys of each kind with most recipients, 0: all (default %d, all with --json)", shownRates))
	const usage = "subcommands are block, unblock, blocks, reset and shared; \"pratique rates client 10.0.0.0/8\" shows some keys"
	names, err := e.parseNames(flags, args, 0, "KIND", "KEY")
	if err != nil {
		return 0, hint(err, usage)
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	q := rates.Query{Kind: names[0], Key: names[1], Limits: cfg.Rates, Top: *top}
	if kind, key, ok := strings.Cut(names[0], ":"); ok && names[1] == "" {
		q.Kind, q.Key = kind, key
	}
	if *top < 0 && !*asJSON {
		q.Top = shownRates
	}
	report, err := rates.Read(cfg.State, q)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hint(err, fmt.Sprintf("no daemon has counted in %s yet; is it the state folder of the running one?", cfg.State))
	}
	if err != nil && q.Kind != "" {
		return 0, hint(err, usage)
	}
	if err != nil {
		return 0, err
	}
	if *asJSON {
		return exitClean, json.NewEncoder(e.stdout).Encode(report)
	}
	return exitClean, report.Write(e.stdout, *ascii || !showsUnicode(e.stdout))
}

// showsUnicode reports whether block characters can be seen: on a terminal whose locale is one of UTF-8.
func showsUnicode(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} { // the first that is set decides (POSIX, 8.2)
		if value := strings.ToUpper(os.Getenv(name)); value != "" {
			return strings.Contains(value, "UTF-8") || strings.Contains(value, "UTF8")
		}
	}
	return false
}
