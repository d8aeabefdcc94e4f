package baseline

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"slices"
)

// kept is what is kept: all that is known, without what is open, which shows again.
type kept struct {
	Minute  int64
	Covered []keptCover
	Kinds   map[string][]keptSeries
}

type keptCover struct {
	Hour    int64
	Minutes uint8
}

type keptSeries struct {
	Key              string
	Born, Used, Fine int64
	Active           uint16
	Days             []keptDay
	Mix              []mixDay
	MixLast, MixNow  []float64
}

// keptDay has the count and the peak of each hour, one after the other.
type keptDay struct {
	Day   int64
	Hours [48]uint16
}

// What is kept begins with this and the SHA-256 of the rest.
const magic = "pratique baseline 1\n"

// ErrDamaged says that what was kept is not whole, or none of ours.
var ErrDamaged = errors.New("the baselines are damaged")

// maxKept bounds what is read, in octets.
const maxKept = 256 << 20

// Marshal returns what is known, to be kept over a restart.
func (s *Set) Marshal() ([]byte, error) {
	var body bytes.Buffer
	z, _ := flate.NewWriter(&body, flate.BestSpeed) // no error with a level that there is
	if err := errors.Join(gob.NewEncoder(z).Encode(s.snapshot()), z.Close()); err != nil {
		return nil, fmt.Errorf("encode the baselines: %w", err)
	}
	sum := sha256.Sum256(body.Bytes())
	return slices.Concat([]byte(magic), sum[:], body.Bytes()), nil
}

func (s *Set) snapshot() kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := kept{Minute: s.minute, Kinds: map[string][]keptSeries{}}
	for _, c := range s.covered {
		if c.hour > 0 {
			k.Covered = append(k.Covered, keptCover{c.hour, c.minutes})
		}
	}
	for _, t := range s.tables {
		for key, x := range t.series {
			k.Kinds[t.Name] = append(k.Kinds[t.Name], x.keep(key))
		}
	}
	return k
}

func (x *series) keep(key string) keptSeries {
	k := keptSeries{Key: key, Born: x.born, Used: x.used, Active: x.active, Fine: x.fine}
	for _, d := range x.days {
		if d == nil {
			continue
		}
		kd := keptDay{Day: d.day}
		for i, c := range d.hours {
			kd.Hours[2*i], kd.Hours[2*i+1] = uint16(c.count), uint16(c.peak)
		}
		k.Days = append(k.Days, kd)
	}
	if x.mix != nil {
		k.Mix, k.MixLast, k.MixNow = cloneDays(x.mix.days), slices.Clone(x.mix.last), slices.Clone(x.mix.now)
	}
	return k
}

func cloneDays(days []mixDay) []mixDay {
	all := slices.Clone(days)
	for i := range all {
		all[i].Counts = slices.Clone(all[i].Counts)
	}
	return all
}

// Unmarshal takes over what Marshal returned; what the set knew is forgotten. The
// error wraps ErrDamaged if it can't be understood, and nothing is changed then.
func (s *Set) Unmarshal(text []byte) error {
	k, err := decode(text)
	if err != nil {
		return err
	}
	s.restore(k)
	return nil
}

func decode(text []byte) (kept, error) {
	var k kept
	rest, ok := bytes.CutPrefix(text, []byte(magic))
	if !ok || len(rest) < sha256.Size {
		return k, ErrDamaged
	}
	sum, body := rest[:sha256.Size], rest[sha256.Size:]
	if is := sha256.Sum256(body); !bytes.Equal(is[:], sum) {
		return k, ErrDamaged
	}
	if err := gob.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(body)), maxKept)).Decode(&k); err != nil {
		return k, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return k, nil
}

func (s *Set) restore(k kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.minute = k.Minute // so that the time since then is seen to be a gap
	for _, c := range k.Covered {
		if c.Hour > 0 {
			s.covered[c.Hour%hoursKept] = cover{c.Hour, c.Minutes}
		}
	}
	for _, t := range s.tables {
		all := k.Kinds[t.Name]
		t.series = make(map[string]*series, len(all))
		for _, ks := range all {
			if len(t.series) < t.Max {
				t.series[ks.Key] = ks.restore(len(s.parts))
			}
		}
	}
}

func (k keptSeries) restore(parts int) *series {
	x := &series{born: k.Born, used: k.Used, active: k.Active, fine: k.Fine}
	for _, kd := range k.Days {
		if kd.Day <= 0 {
			continue
		}
		d := &day{day: kd.Day}
		for i := range d.hours {
			d.hours[i] = cell{short(kd.Hours[2*i]), short(kd.Hours[2*i+1])}
		}
		x.days[kd.Day%daysKept] = d
	}
	if len(k.MixNow) == 1+parts && len(k.MixLast) == 1+parts {
		whole := func(d mixDay) bool { return len(d.Counts) != 1+parts }
		x.mix = &shares{now: k.MixNow, last: k.MixLast, days: slices.DeleteFunc(k.Mix, whole)}
	}
	return x
}
