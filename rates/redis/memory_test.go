package redis

import (
	"testing"
)

// A key takes what the manual says: little when it sends now and then, and never more
// than its cells.
func TestMemoryOfAKey(t *testing.T) {
	t.Parallel()
	lab, url := newLab(t)
	c := lab.open(t, url, "a", hourly)
	c.Settle(nil, took("seldom", 1))
	c.attend(t.Context())
	for range 200 {
		p, _, err := c.Reserve(t.Context(), one("often", 1<<40))
		if err != nil {
			t.Fatal(err)
		}
		c.Settle([]*Place{p}, took("often", 3))
		lab.advance(t, 60)
		c.attend(t.Context())
	}
	for key, most := range map[string]int64{"seldom": 250, "often": 2048} {
		if n := lab.client.MemoryUsage(t.Context(), c.keys.Load().window(hourly, key)).Val(); n == 0 || n > most {
			t.Errorf("%s takes %d octets", key, n)
		} else {
			t.Logf("%s takes %d octets", key, n)
		}
	}
}
