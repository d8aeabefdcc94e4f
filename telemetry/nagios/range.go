package nagios

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Range is a range of good values, or with "@" of bad ones, ends included.
type Range struct {
	low, high float64
	bad       bool // the values inside are those to alert on
	text      string
}

// ParseRange reads a range as the guidelines write it:
//
//	10       alert below 0 and above 10
//	10:      alert below 10
//	~:10     alert above 10
//	10:20    alert outside of 10 to 20
//	@10:20   alert from 10 to 20
func ParseRange(text string) (*Range, error) {
	r := &Range{high: math.Inf(1), text: text}
	rest, bad := strings.CutPrefix(text, "@")
	r.bad = bad
	low, high, both := strings.Cut(rest, ":")
	if !both {
		low, high = "0", rest
	}
	var err error
	if r.low, err = parseLow(low); err != nil {
		return nil, fmt.Errorf("range %q: %w", text, err)
	}
	if high != "" || !both {
		if r.high, err = number(high); err != nil {
			return nil, fmt.Errorf("range %q: %w", text, err)
		}
	}
	if r.low > r.high {
		return nil, fmt.Errorf("range %q begins above its end", text)
	}
	return r, nil
}

func parseLow(text string) (float64, error) {
	switch text {
	case "~":
		return math.Inf(-1), nil
	case "":
		return 0, nil
	}
	return number(text)
}

// errNumber stands for what strconv would say with the name of its function.
var errNumber = errors.New("a number is wanted, as in 10, 10:, ~:10, 10:20 or @10:20")

func number(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, errNumber
	}
	return n, nil
}

// Alerts reports whether a value is one to alert on. What is not a number always is.
func (r *Range) Alerts(value float64) bool {
	inside := value >= r.low && value <= r.high
	return math.IsNaN(value) || inside == r.bad
}

// String returns the range as it was written.
func (r *Range) String() string { return r.text }
