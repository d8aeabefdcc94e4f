package keystore

import (
	"fmt"
	"time"
)

// activation is when a published key may begin to sign.
func (k Key) activation(o Options) time.Time { return k.Published.Add(o.ActivateAfter) }

// release is when the record of a retiring key is needed no longer: the last message
// that it signed has left all queues, and no receiver remembers the record.
func (k Key) release(o Options) time.Time {
	return k.Retired.Add(o.QueueLifetime + time.Duration(k.TTL)*time.Second)
}

// Next says what comes next in a key's life, and who has to do it.
func (k Key) Next(now time.Time, o Options) string {
	const minute = "2006-01-02 15:04 MST"
	switch k.State {
	case Created:
		return "publish its record: pratique keys dns " + k.Domain
	case Published:
		return "signs from " + k.activation(o).Local().Format(minute) + " on, if the record stays"
	case Retiring:
		return fmt.Sprintf("leave %s in the DNS until %s", k.Record(), k.release(o).Local().Format(minute))
	case Done:
		return fmt.Sprintf("safe to remove %s from the DNS; then: pratique keys remove %s %s", k.Record(), k.Domain, k.Selector)
	}
	if o.KeyAge > 0 && now.Sub(k.Activated) > o.KeyAge {
		return "has signed for long enough: pratique keys rotate " + k.Domain
	}
	return "signs"
}
