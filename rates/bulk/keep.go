package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// kept is the file.
type kept struct {
	Pairs []keptPair `json:"pairs"`
}

type keptPair struct {
	Domain   string    `json:"domain"`
	Receiver string    `json:"receiver"`
	Last     int64     `json:"last"`  // the newest slot, a quarter of an hour since 1970
	Slots    []uint32  `json:"slots"` // the newest first
	Reached  time.Time `json:"reached,omitzero"`
}

// ErrDamaged is a file that can't be understood.
var ErrDamaged = errors.New("the file is damaged")

// Save writes what was counted into a file, in one step, if it has changed since.
func (c *Counter) Save(path string) error {
	c.mu.Lock()
	if !c.changed {
		c.mu.Unlock()
		return nil
	}
	var k kept
	for p, d := range c.pairs {
		kp := keptPair{Domain: p.domain, Receiver: p.receiver, Last: d.last, Reached: d.reached, Slots: make([]uint32, slots)}
		for i := range kp.Slots {
			kp.Slots[i] = d.slots[(d.last-int64(i)+int64(slots))%int64(slots)]
		}
		k.Pairs = append(k.Pairs, kp)
	}
	c.changed = false
	c.mu.Unlock()
	text, err := json.Marshal(k)
	if err == nil {
		err = replace(path, text)
	}
	if err != nil {
		c.mu.Lock()
		c.changed = true
		c.mu.Unlock()
		return fmt.Errorf("write the counts of bulk mail: %w", err)
	}
	return nil
}

// Load takes over what a file knows. The error wraps fs.ErrNotExist if there is none,
// and ErrDamaged if it can't be understood.
func (c *Counter) Load(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the counts of bulk mail: %w", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("read %s: %w: %w", path, ErrDamaged, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, kp := range k.Pairs[:min(len(k.Pairs), maxPairs)] {
		if kp.Last < int64(slots) {
			continue
		}
		d := &day{last: kp.Last, reached: kp.Reached}
		for i, n := range kp.Slots[:min(len(kp.Slots), slots)] {
			d.slots[(kp.Last-int64(i))%int64(slots)] = n
		}
		c.pairs[pair{kp.Domain, kp.Receiver}] = d
	}
	return nil
}

// replace puts a file in the place of another in one step.
func replace(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o640), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
