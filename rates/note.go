package rates

import (
	"strconv"

	"pratique/message"
)

// Of a message that limits were asked about there is one note: how full the fullest
// of them is with it, and per what there were limits. Its code is one of these.
const (
	noteKey = "limits"
	// noteNewRecipients says to how many recipients of it the sender had not written before.
	noteNewRecipients = "new_recipients"
	noteRoom          = "room"
	noteOver          = "over"    // a limit had no room, whatever came of it
	noteBlocked       = "blocked" // by an order
)

// note puts the fullest limit of a message on record, with it.
func (i *inspector) note(code string) {
	var fullest *Claim
	for n := range i.claims {
		c := &i.claims[n]
		if c.Fullest.Bound != nil && (fullest == nil || c.Fullest.Share() > fullest.Fullest.Share()) {
			fullest = c
		}
	}
	if fullest == nil {
		return
	}
	i.message.Notes = append(i.message.Notes, message.Note{Check: i.rates.Name(), Key: noteKey, Code: code, Text: i.noteText(fullest)})
}

// noteText is "client 10.0.0.7 has 37 of 500 recipients in 1h (7 %); also limited per
// sender and total". It is made for every message, so it is put together by hand.
func (i *inspector) noteText(fullest *Claim) string {
	b := fullest.Fullest.Bound
	text := make([]byte, 0, 160)
	text = append(text, subjectText(b.Kind, fullest.Key)...)
	text = append(text, " has "...)
	text = strconv.AppendUint(text, fullest.Fullest.Used, 10)
	text = append(text, " of "...)
	text = strconv.AppendUint(text, b.Max, 10)
	text = append(text, ' ')
	text = append(text, b.Count.words()...)
	text = append(text, " in "...)
	text = append(text, span(b.Every)...)
	text = append(text, " ("...)
	text = strconv.AppendUint(text, uint64(100*fullest.Fullest.Share()), 10)
	text = append(text, " %)"...)
	before := "; also limited per "
	for n := range i.claims {
		c := &i.claims[n]
		if c == fullest || len(c.Bounds) == 0 || n > 0 && i.claims[n-1].Kind == c.Kind {
			continue
		}
		text = append(append(text, before...), c.Kind.String()...)
		before = ", "
	}
	return string(text)
}
