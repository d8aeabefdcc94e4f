package journal

import (
	"fmt"
	"strings"
	"time"
)

// Record is what is known of one message after its end. Every text in it that
// others chose is bounded in length and can be printed.
type Record struct {
	ID        int64     `json:"id,omitempty"`         // in the store, Unix microseconds made unique; 0: not from there
	Time      time.Time `json:"time"`                 // when it ended
	QueueID   string    `json:"queue_id,omitempty"`   // the MTA's; it may come again
	MessageID string    `json:"message_id,omitempty"` // without angle brackets

	Client     Client   `json:"client"`
	Sender     string   `json:"sender"`              // "": the null sender
	Recipients int      `json:"recipients"`          // how many
	Domains    []Domain `json:"recipient_domains"`   // of the recipients, most first, at most 50
	Addresses  []string `json:"addresses,omitempty"` // of the recipients, if they are kept, at most 100
	Size       int64    `json:"size"`                // octets as it came; of a message refused early, of what came
	Subject    string   `json:"subject,omitempty"`

	Verdict   string        `json:"verdict"`              // accepted, held, passed, discarded, refused, tempfailed, aborted or lost
	DecidedBy string        `json:"decided_by,omitempty"` // the check
	Stage     string        `json:"stage,omitempty"`      // where it was decided, or where the message ended
	Reason    string        `json:"reason,omitempty"`     // of what is held, discarded, aborted or lost
	Reply     *Reply        `json:"reply,omitempty"`      // what we answered, nil if we did not object
	Took      time.Duration `json:"took_ns"`              // from MAIL to the end

	Checks     []Check     `json:"checks"` // in their order
	Findings   []Finding   `json:"findings,omitempty"`
	Fixes      []string    `json:"fixes,omitempty"` // what was changed of the message, signatures apart
	Signatures []Signature `json:"signatures,omitempty"`
	Unsigned   *Unsigned   `json:"unsigned,omitempty"` // why it left without a signature
	Scan       *Scan       `json:"scan,omitempty"`
	Notes      []Note      `json:"notes,omitempty"`    // what else the checks put on record, such as counts and limits
	Failures   []Failure   `json:"failures,omitempty"` // what broke of ours
}

// Client is who handed the message in.
type Client struct {
	Addr  string `json:"addr,omitempty"`
	Name  string `json:"name,omitempty"`
	Helo  string `json:"helo,omitempty"`
	Login string `json:"login,omitempty"`
	TLS   string `json:"tls,omitempty"`
	Local bool   `json:"local,omitempty"` // not by SMTP
}

// Domain is how many recipients of a message are in a domain.
type Domain struct {
	Name       string `json:"domain"`
	Recipients int    `json:"recipients"`
}

// Reply is an SMTP reply.
type Reply struct {
	Code     int    `json:"code"`
	Enhanced string `json:"enhanced,omitempty"`
	Text     string `json:"text"`
}

func (r *Reply) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)), " ")
}

// Check is what one check said.
type Check struct {
	Name    string        `json:"check"`
	Verdict string        `json:"verdict"` // one of the words below
	Reason  string        `json:"reason,omitempty"`
	Took    time.Duration `json:"took_ns"`
}

// The verdicts of a check.
const (
	Passed     = "passed"
	Warned     = "warned"     // it found something, and let it go
	Fixed      = "fixed"      // it mended something
	Held       = "held"       // it had the MTA hold the message
	Refused    = "refused"    // for good
	Tempfailed = "tempfailed" // for now
	Discarded  = "discarded"
	Failed     = "failed"    // it broke, which is our own fault
	Skipped    = "skipped"   // it was not interested in the message, or is switched off
	Unreached  = "unreached" // the message ended before its turn
)

// Finding is something that a check saw.
type Finding struct {
	Check  string `json:"check"`
	Rule   string `json:"rule"`
	Action string `json:"action"`
	Where  string `json:"where,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Signature is a DKIM signature that was added.
type Signature struct {
	Domain    string `json:"d"`
	Selector  string `json:"s"`
	Algorithm string `json:"a"`
}

func (s Signature) String() string {
	return "d=" + s.Domain + " s=" + s.Selector + " a=" + s.Algorithm
}

// Unsigned is why a message left without a signature.
type Unsigned struct {
	Reason string `json:"reason"` // a word of a closed list, such as "no_key"
	Text   string `json:"text,omitempty"`
}

// Scan is what the scanner said.
type Scan struct {
	Result string `json:"result"` // clean, infected, not scanned, failed or off
	Detail string `json:"detail,omitempty"`
}

// The results of a scan.
const (
	ScanClean    = "clean"
	ScanInfected = "infected"
	ScanNone     = "not scanned"
	ScanFailed   = "failed"
	ScanOff      = "off"
)

// Note is a fact that a check put on record.
type Note struct {
	Check string `json:"check"`
	Key   string `json:"key"`
	Code  string `json:"code,omitempty"`
	Text  string `json:"text,omitempty"`
}

// Failure is a check that broke.
type Failure struct {
	Check  string `json:"check"`
	Stage  string `json:"stage"`
	Error  string `json:"error"`
	Policy string `json:"policy"` // what was done about it
}

// Left reports whether the message went on its way, now or on release from hold.
func (r *Record) Left() bool {
	return r.Verdict == "accepted" || r.Verdict == Held || r.Verdict == "passed"
}
