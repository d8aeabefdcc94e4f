package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ParseDuration reads "60s", "1h30m" or "500ms" as Go does (time.ParseDuration),
// and days and weeks in front: "7d", "1d12h", "2w". Whether a negative one can be
// meant is for the room to say.
func ParseDuration(text string) (time.Duration, error) {
	rest, negative := strings.CutPrefix(text, "-")
	total, days := time.Duration(0), false
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, ok := strings.Cut(rest, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 63)
		if err != nil || n > uint64((math.MaxInt64-total)/unit.length) {
			return 0, badDuration(text)
		}
		total += time.Duration(n) * unit.length
		rest, days = after, true
	}
	if rest != "" || !days {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > math.MaxInt64-total {
			return 0, badDuration(text)
		}
		total += d
	}
	if negative {
		total = -total
	}
	return total, nil
}

func badDuration(text string) error {
	return fmt.Errorf("%q is not a length of time such as \"60s\", \"5m\", \"12h\" or \"7d\"", text)
}

// parseSize reads a number of octets with a unit: B, KB, MB, GB, or KiB, MiB and
// GiB, which mean the same: 1 KB has 1,024 octets, as limits of mail are counted.
func parseSize(text string) (int64, error) {
	number := strings.TrimRightFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	shift, ok := map[string]uint{
		"": 0, "b": 0, "kb": 10, "mb": 20, "gb": 30, "kib": 10, "mib": 20, "gib": 30,
	}[strings.ToLower(strings.TrimLeft(text[len(number):], " "))]
	n, err := strconv.ParseUint(number, 10, 63)
	if !ok || err != nil || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("%q is not a size such as \"500KB\", \"25MB\" or \"1GB\"", text)
	}
	return int64(n) << shift, nil
}
