package redis

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	goredis "github.com/redis/go-redis/v9"
)

//go:embed scripts/survey.lua
var surveyLua string

// Level is what all instances together have used of one window of one key.
type Level struct {
	Kind  string `json:"kind"`
	Key   string `json:"key"` // "#" and a digest: one that is long or has odd characters in it
	Count string `json:"count"`
	Every int64  `json:"every"` // seconds
	Used  uint64 `json:"used"`  // sent in the window, or under way
}

// Bounds of a survey.
const (
	surveyBatch = 200
	mostLevels  = 200_000
)

// Survey returns what is in a Redis, in no order; more tells that there is more than it
// looks at.
func Survey(ctx context.Context, opts Options) (levels []Level, more bool, err error) {
	client, err := dial(opts)
	if err != nil {
		return nil, false, err
	}
	defer client.Close()
	script := goredis.NewScript(windowsLua + surveyLua)
	begin := keys{prefix: opts.Prefix}.of("", "")
	begin = strings.TrimSuffix(begin, ":")
	var names []string
	flush := func() error {
		found, err := askLevels(ctx, client, script, begin, names)
		levels, names = append(levels, found...), names[:0]
		return err
	}
	scan := client.Scan(ctx, 0, begin+"*", surveyBatch).Iterator()
	for scan.Next(ctx) && !more {
		if names = append(names, scan.Val()); len(names) == surveyBatch {
			if err := flush(); err != nil {
				return nil, false, err
			}
		}
		more = len(levels) >= mostLevels
	}
	if err := scan.Err(); err != nil {
		return nil, false, fmt.Errorf("list the counts in redis: %w", err)
	}
	return levels, more, flush()
}

// askLevels asks for windows by the names of their keys. What is no window is left out.
func askLevels(ctx context.Context, client *goredis.Client, script *goredis.Script, begin string, names []string) ([]Level, error) {
	var levels []Level
	var windows []string
	args := []any{inSeconds(lease)}
	for _, name := range names {
		l, ok := parseName(strings.TrimPrefix(name, begin))
		if !ok {
			continue
		}
		levels, windows = append(levels, l), append(windows, name)
		args = append(args, l.Every, Window{Every: l.Every}.width())
	}
	if len(windows) == 0 {
		return nil, nil
	}
	values, err := script.Run(ctx, client, windows, args...).Int64Slice()
	if err != nil {
		return nil, fmt.Errorf("read the counts in redis: %w", err)
	}
	if len(values) != len(levels) {
		return nil, errReply
	}
	kept := levels[:0]
	for i, l := range levels {
		if l.Used = uint64(max(values[i], 0)); l.Used > 0 {
			kept = append(kept, l)
		}
	}
	return kept, nil
}

// parseName reads kind:count:every:key.
func parseName(name string) (Level, bool) {
	parts := strings.SplitN(name, ":", 4)
	if len(parts) != 4 {
		return Level{}, false
	}
	every, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || every <= 0 {
		return Level{}, false
	}
	return Level{Kind: parts[0], Count: parts[1], Every: every, Key: parts[3]}, true
}
