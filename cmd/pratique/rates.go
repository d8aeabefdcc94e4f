package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"pratique/rates"
)

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
	if err := e.parse(flags, args, 0, 0); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	report, err := rates.Read(cfg.State)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, hint(err, fmt.Sprintf("no daemon has counted in %s yet; is it the state folder of the running one?", cfg.State))
	}
	if err != nil {
		return 0, err
	}
	if *asJSON {
		return exitClean, json.NewEncoder(e.stdout).Encode(report)
	}
	return exitClean, report.Write(e.stdout)
}
