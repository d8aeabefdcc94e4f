package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"text/tabwriter"
	"time"

	"pratique/configs"
	"pratique/rates/redis"
)

// surveyPatience bounds how long the shared store is looked through.
const surveyPatience = 30 * time.Second

// sharedLevel is what all machines have used of a limit of this machine, if it has one there.
type sharedLevel struct {
	redis.Level
	Max   uint64  `json:"max,omitempty"`   // of the strictest limit; an override for the key is not looked at
	Share float64 `json:"share,omitempty"` // 1: full
}

// listShared prints what all machines together have used of their limits, from the store that they share.
func listShared(e *env, args []string) (int, error) {
	f := e.flags("rates shared")
	path := f.String("config", "", "configuration `file` (default "+defaultConfig+")")
	asJSON := f.Bool("json", false, "print JSON")
	top := f.Int("top", shownRates, "show the `n` keys of each window that have used most, 0: all")
	names, err := e.parseNames(f, args, 0, "KIND")
	if err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	if !cfg.Rates.Shared() {
		return 0, hint(errors.New("the counts are of this machine alone"), "pratique rates shows them; docs/many-machines.md tells how machines share them")
	}
	ctx, cancel := context.WithTimeout(context.Background(), surveyPatience)
	defer cancel()
	found, more, err := redis.Survey(ctx, redisOptions(cfg, e.now, slog.New(slog.DiscardHandler)))
	if err != nil {
		if h := redis.Hint(err); h != "" {
			err = hint(err, h)
		}
		return 0, err
	}
	if more {
		fmt.Fprintln(e.stderr, "pratique: there is more than was looked at")
	}
	levels := sharedLevels(cfg, found, names[0], *top)
	if *asJSON {
		return exitClean, json.NewEncoder(e.stdout).Encode(levels)
	}
	return exitClean, writeShared(e.stdout, levels)
}

// sharedLevels orders them by window, and in a window the fullest first.
func sharedLevels(cfg *configs.Config, found []redis.Level, kind string, top int) []sharedLevel {
	most := map[string]uint64{}
	for _, b := range cfg.Rates.Bounds() {
		name := windowName(b.Kind.String(), b.Count.String(), b.Every)
		if known, ok := most[name]; !ok || b.Max < known {
			most[name] = b.Max
		}
	}
	levels := []sharedLevel{}
	for _, l := range found {
		if kind != "" && l.Kind != kind {
			continue
		}
		s := sharedLevel{Level: l, Max: most[windowName(l.Kind, l.Count, l.Every)]}
		if s.Max > 0 {
			s.Share = float64(s.Used) / float64(s.Max)
		}
		levels = append(levels, s)
	}
	slices.SortFunc(levels, func(a, b sharedLevel) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Count, b.Count), cmp.Compare(a.Every, b.Every),
			cmp.Compare(b.Used, a.Used), cmp.Compare(a.Key, b.Key))
	})
	if top <= 0 {
		return levels
	}
	seen := map[string]int{}
	return slices.DeleteFunc(levels, func(l sharedLevel) bool {
		name := windowName(l.Kind, l.Count, l.Every)
		seen[name]++
		return seen[name] > top
	})
}

func windowName(kind, count string, every int64) string {
	length := fmt.Sprintf("%ds", every)
	switch {
	case every%3600 == 0:
		length = fmt.Sprintf("%dh", every/3600)
	case every%60 == 0:
		length = fmt.Sprintf("%dm", every/60)
	}
	return fmt.Sprintf("%s per %s in %s", count, kind, length)
}

func writeShared(w io.Writer, levels []sharedLevel) error {
	if len(levels) == 0 {
		_, err := fmt.Fprintln(w, "nothing is counted under limits")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	before := ""
	for _, l := range levels {
		if name := windowName(l.Kind, l.Count, l.Every); name != before {
			before = name
			fmt.Fprintf(table, "%s, all machines together\n", name)
		}
		of := ""
		if l.Max > 0 {
			of = fmt.Sprintf("of %d\t%.0f %%", l.Max, 100*l.Share)
		}
		fmt.Fprintf(table, "  %s\t%d\t%s\n", l.Key, l.Used, of)
	}
	return table.Flush()
}
