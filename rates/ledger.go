package rates

import "context"

// A Ledger keeps what was sent and the places of what is under way. Rates asks it
// when the header of a message is complete, and tells it the end. A Store is one:
// in memory, and kept in a file. One that several daemons share may stand before a
// Store, which then still has every count, for the report and for the time in which
// the shared one is away.
//
// It is safe for concurrent use. Claims are used during the call only.
type Ledger interface {
	// Reserve takes a place for one message under the bounds of all its claims, or
	// under none: when a bound that refuses has no room, the Reservation is nil. It
	// returns the bounds that have no room, in the order of the claims; behind a
	// claim that is refused none is asked any more. An error tells that it does not
	// know, which fails the message unless its bounds do no more than observe.
	Reserve(ctx context.Context, claims []Claim) (Reservation, []Excess, error)
	// Count counts the Done of every claim of a message for which nothing is reserved.
	Count(claims []Claim)
}

// A Reservation is what one message has reserved. It ends with Settle, which comes
// exactly once, whatever becomes of the message.
type Reservation interface {
	// Resize changes the octets of every place to what the message truly has. Bounds
	// on bytes are asked again if that is more than what was reserved; those without
	// room are returned, as by Reserve. The places stay until Settle all the same.
	Resize(ctx context.Context, claims []Claim, bytes uint64) ([]Excess, error)
	// Settle ends the places and counts the Done of every claim. It does not wait.
	Settle(claims []Claim)
}

// A Claim is one key that a message counts for, with what it wants there. The
// claims of a message are in the order of their Kinds, and none is there twice;
// Resize and Settle are given those that were given to Reserve.
type Claim struct {
	Kind   Kind
	Key    string
	Bounds []Bound // the limits that the key is held to, as they are for this key
	Since  int64   // Unix seconds: what was sent until then does not count, for the key was reset; 0: all counts
	Want   Amounts
	Done   Figures // set when the outcome is known

	// Fullest is set by Reserve: the bound that is used most, this message included.
	Fullest Fill
}

// A Fill is how much of a bound is used.
type Fill struct {
	Bound *Bound // nil: there is none
	Used  uint64 // sent in the window or under way
}

// Share is how much of the bound is used, 1 when it is full.
func (f Fill) Share() float64 {
	if f.Bound == nil {
		return 0
	}
	return float64(f.Used) / float64(f.Bound.Max)
}

// Amounts are what one message asks for, of every figure that a limit may count.
type Amounts struct{ Messages, Recipients, NewRecipients, Bytes uint64 }

// Of returns one of the figures.
func (a Amounts) Of(c Count) uint64 {
	switch c {
	case CountMessages:
		return a.Messages
	case CountRecipients:
		return a.Recipients
	case CountNewRecipients:
		return a.NewRecipients
	default:
		return a.Bytes
	}
}

func (a *Amounts) add(b Amounts) {
	a.Messages += b.Messages
	a.Recipients += b.Recipients
	a.NewRecipients += b.NewRecipients
	a.Bytes += b.Bytes
}

func (a *Amounts) subtract(b Amounts) {
	a.Messages -= b.Messages
	a.Recipients -= b.Recipients
	a.NewRecipients -= b.NewRecipients
	a.Bytes -= b.Bytes
}

// Figures are what is counted of a message when it is over. Amounts are of what
// left: they are zero for a message that was refused.
type Figures struct {
	Amounts
	Refused    uint64 // messages refused for good, or discarded
	Tempfailed uint64 // messages that the client may try again
}

// Empty reports that there is nothing to count.
func (f Figures) Empty() bool { return f.Messages == 0 && f.Refused == 0 && f.Tempfailed == 0 }

// A Bound is a limit as it is for one key: at most Max in any Every seconds.
type Bound struct {
	Kind  Kind
	Count Count
	Max   uint64
	Every int64 // seconds
	Then  Action
}

// An Excess is a bound that has no room for a message.
type Excess struct {
	Claim int // index of the claim
	Bound *Bound
	Used  uint64 // sent in the window or under way
	Want  uint64 // by this message
	Frees int64  // seconds until there is room; 0: not known, what is under way fills it
}

// Refusing reports whether a message is answered by one of these, rather than let go on.
func Refusing(over []Excess) bool {
	for i := range over {
		if over[i].Bound.Then.Refuses() {
			return true
		}
	}
	return false
}

// binding reports whether any of the bounds does more than observe.
func binding(bounds []Bound) bool {
	for i := range bounds {
		if bounds[i].Then != actObserve {
			return true
		}
	}
	return false
}
