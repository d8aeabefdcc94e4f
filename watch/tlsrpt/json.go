package tlsrpt

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// report is the JSON of RFC 8460 4.4. Its types take what senders write in the place of
// what the RFC asks for: one wrong member is no reason to lose a day.
type report struct {
	Org   text `json:"organization-name"`
	Range struct {
		Start moment `json:"start-datetime"`
		End   moment `json:"end-datetime"`
	} `json:"date-range"`
	Contact  text           `json:"contact-info"`
	ID       text           `json:"report-id"`
	Policies list[policyOf] `json:"policies"`
}

type policyOf struct {
	Policy struct {
		Type   text  `json:"policy-type"`
		Domain text  `json:"policy-domain"`
		MX     texts `json:"mx-host"`
	} `json:"policy"`
	Summary struct {
		Succeeded number `json:"total-successful-session-count"`
		Failed    number `json:"total-failure-session-count"`
	} `json:"summary"`
	Failures list[failureOf] `json:"failure-details"`
}

type failureOf struct {
	Result   text   `json:"result-type"`
	MX       text   `json:"receiving-mx-hostname"`
	Sessions number `json:"failed-session-count"`
	Info     text   `json:"additional-information"`
	Code     text   `json:"failure-reason-code"`
}

// text is a text; anything else is "".
type text string

// UnmarshalJSON never fails.
func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
	}
	return nil
}

func short(t text) string { return string(t[:min(len(t), maxText)]) }

// number is how many; what is none, or less than none, is 0. Some write it as a text.
type number int

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(data), `" `), 64)
	if err == nil && v > 0 && v <= maxSessions {
		*n = number(v)
	}
	return nil
}

// maxSessions is more than anybody has in a day; a larger number is no count.
const maxSessions = 1 << 40

// moment is a time; what is none is the zero Time (RFC 8460 4.4 has RFC 3339 5.6).
type moment time.Time

// UnmarshalJSON never fails.
func (m *moment) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			*m = moment(t.UTC())
			break
		}
	}
	return nil
}

// list is the first of a list, up to maxInList, or what would be the only one in it. What
// is of another type is left out. It is bounded while it is read: a report is unpacked to
// many times its size, and "{}" takes three octets of it and a hundred of memory.
type list[T any] []T

// UnmarshalJSON never fails.
func (l *list[T]) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		var one T
		if json.Unmarshal(data, &one) == nil && data[0] != 'n' { // null
			*l = list[T]{one}
		}
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return nil
	}
	for len(*l) < maxInList && d.More() {
		var one T
		if err := d.Decode(&one); err == nil {
			*l = append(*l, one)
		}
	}
	return nil
}

// texts is a list of texts, or one, as some senders have it (RFC 8460 itself has
// both: the grammar a text, its example a list).
type texts []string

// UnmarshalJSON never fails.
func (t *texts) UnmarshalJSON(data []byte) error {
	var all list[text]
	err := all.UnmarshalJSON(data)
	for _, one := range all {
		if one != "" {
			*t = append(*t, short(one))
		}
	}
	return err
}
