package rates

import (
	"math"
	"slices"
)

// A window is a span of time over which sums are asked for.
type window struct {
	length int64 // seconds
	width  int64 // seconds: events this far apart may be kept as one
}

// The windows of the report. They are coarser than a limit's, because nothing
// is decided by them and because most keys have no others.
const (
	hour = 3600
	day  = 24 * hour
)

var reportWindows = windows{{length: hour, width: 300}, {length: day, width: hour}}

// widths are the cells that counts are kept in. Each divides the next, so that
// a cell that was merged into a wider one never straddles two of them.
var widths = [...]int64{1, 5, 15, 60, 300, 900, hour}

// cellsPerWindow is the number of cells that a limit's window has at least, if it is a minute or longer.
const cellsPerWindow = 60

// limitWindow is the window of a limit: what left is counted for length
// seconds and at most a sixtieth of it, or one second, longer.
func limitWindow(length int64) window {
	w := window{length: length, width: widths[0]}
	for _, width := range widths {
		if width*cellsPerWindow <= length {
			w.width = width
		}
	}
	return w
}

// windows are sorted by length; widths never shrink from one to the next.
type windows []window

// with returns the windows and some more.
func (ws windows) with(more ...window) windows {
	all := append(slices.Clone(ws), more...)
	slices.SortFunc(all, func(a, b window) int { return int(a.length - b.length) })
	for i := len(all) - 2; i >= 0; i-- { // what a long window needs fine, a shorter one sees fine
		all[i].width = min(all[i].width, all[i+1].width)
	}
	merged := all[:0]
	for _, w := range all {
		if n := len(merged); n > 0 && merged[n-1].length == w.length {
			merged[n-1].width = min(merged[n-1].width, w.width)
			continue
		}
		merged = append(merged, w)
	}
	return merged
}

// width is how far apart events of this age may be to be kept as one, or 0 if
// no window reaches back so far.
func (ws windows) width(age int64) int64 {
	for _, w := range ws {
		if age <= w.length {
			return w.width
		}
	}
	return 0
}

// longest is how far back the windows reach, in seconds.
func (ws windows) longest() int64 { return ws[len(ws)-1].length }

// bucket is what happened to one key in a cell of time.
type bucket struct {
	last          uint32 // Unix second of its latest event: all of it counts until this one leaves a window
	messages      uint32 // that left
	refused       uint32 // messages
	tempfailed    uint32 // messages
	recipients    uint32 // of the messages that left
	newRecipients uint32 // of those
	bytes         uint64 // of the messages that left
}

// absorb adds what happened in b, which is the later of the two.
func (a *bucket) absorb(b bucket) {
	a.last = max(a.last, b.last)
	a.messages = saturate32(a.messages, b.messages)
	a.refused = saturate32(a.refused, b.refused)
	a.tempfailed = saturate32(a.tempfailed, b.tempfailed)
	a.recipients = saturate32(a.recipients, b.recipients)
	a.newRecipients = saturate32(a.newRecipients, b.newRecipients)
	a.bytes = saturate(a.bytes, b.bytes)
}

// bucketOf is one message, but for its time.
func bucketOf(f Figures) bucket {
	return bucket{messages: uint32(f.Messages), refused: uint32(f.Refused), tempfailed: uint32(f.Tempfailed),
		recipients: uint32(f.Recipients), newRecipients: uint32(f.NewRecipients), bytes: f.Bytes}
}

func (a bucket) empty() bool { return a.messages == 0 && a.refused == 0 && a.tempfailed == 0 }

// of returns the figure that a limit counts.
func (a *bucket) of(c Count) uint64 {
	switch c {
	case CountMessages:
		return uint64(a.messages)
	case CountRecipients:
		return uint64(a.recipients)
	case CountNewRecipients:
		return uint64(a.newRecipients)
	default:
		return a.bytes
	}
}

// series is what happened to one key, oldest first. Cells without an event take no room.
//
// An event is counted until the latest event of its bucket has left the
// window, and a bucket is never wider than the window allows: so a sum is never
// less than what truly happened in the window, and holds nothing that is older
// than the window and one cell.
type series []bucket

// sum adds up what happened from a second on. An event of second s may have happened
// as late as s+1, so for a window the second that is exactly its length old still counts.
func (s series) sum(c Count, from int64) uint64 {
	var total uint64
	for i := len(s) - 1; i >= 0 && int64(s[i].last) >= from; i-- {
		total = saturate(total, s[i].of(c))
	}
	return total
}

// frees returns the second of the event with which at least need of the sum from a
// second on will have left a window, or 0 if there is not so much in it.
func (s series) frees(c Count, from int64, need uint64) int64 {
	var freed uint64
	for i := range s {
		if int64(s[i].last) < from {
			continue
		}
		if freed = saturate(freed, s[i].of(c)); freed >= need {
			return int64(s[i].last)
		}
	}
	return 0
}

// thin merges in place what the windows need not tell apart any more and drops what
// none of them reaches. What was until a reset stays apart from what came after it.
func (s series) thin(now int64, ws windows, reset int64) series {
	kept := s[:0]
	for _, b := range s {
		width := ws.width(now - int64(b.last))
		if width == 0 {
			continue
		}
		if n := len(kept); n > 0 && mergeable(kept[n-1].last, b.last, width, reset) {
			kept[n-1].absorb(b)
			continue
		}
		kept = append(kept, b)
	}
	return kept
}

// coarsen merges in wider and wider cells until no more than so many buckets
// are left: the sums stay on the safe side and get less exact.
func (s series) coarsen(now int64, ws windows, reset int64, most int) series {
	most = max(most, 2) // a reset may stand between two
	for wide := slices.Clone(ws); len(s) > most; {
		for i := range wide {
			wide[i].width *= 2
		}
		s = s.thin(now, wide, reset)
	}
	return s
}

// mergeable reports whether what happened in two seconds, the earlier one first, may
// be kept as one.
func mergeable(a, b uint32, width, reset int64) bool {
	return int64(a)/width == int64(b)/width && !(int64(a) <= reset && reset < int64(b))
}

func saturate32(a, b uint32) uint32 { return clamp(int64(a) + int64(b)) }

// clamp bounds a figure to what is kept of it.
func clamp(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// saturate adds without wrapping around: a sum that is too large must not look small.
func saturate(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
