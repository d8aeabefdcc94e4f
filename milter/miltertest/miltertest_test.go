package miltertest

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/emersion/go-milter"
)

// filter answers an MTA by a script: what to send for each command.
func filter(t *testing.T, mta MTA, script map[byte][]byte) (*Conn, *strings.Builder) {
	t.Helper()
	ours, theirs := net.Pipe()
	commands := new(strings.Builder)
	go func() {
		defer theirs.Close()
		for {
			var head [5]byte
			if _, err := io.ReadFull(theirs, head[:]); err != nil {
				return
			}
			if _, err := io.CopyN(io.Discard, theirs, int64(binary.BigEndian.Uint32(head[:]))-1); err != nil {
				return
			}
			if head[4] != 'D' {
				commands.WriteByte(head[4])
			}
			if reply := script[head[4]]; reply != nil {
				theirs.Write(reply)
			}
		}
	}()
	c := New(ours, mta)
	t.Cleanup(func() { c.Close() })
	if err := c.Negotiate(); err != nil {
		t.Fatal(err)
	}
	return c, commands
}

func terms(version, actions, steps byte) []byte {
	return Frame('O', []byte{0, 0, 0, version, 0, 0, 0, actions, 0, 0, 0, steps})
}

var goOn = Frame('c', nil)

func answering(change map[byte][]byte) map[byte][]byte {
	script := map[byte][]byte{'O': terms(6, 0x31, 0)}
	for _, code := range "CHMRTLNBEU" {
		script[byte(code)] = goOn
	}
	for code, reply := range change {
		script[code] = reply
	}
	return script
}

func mail() Mail {
	header, body := Parse([]byte("A: 1\r\nB:  2\r\n\tx\r\na: 3\r\n\r\ntext\r\n"))
	return Mail{From: "a@example.org", Recipients: To("b@example.net", "c@example.net"), Header: header, Body: body}
}

func TestTheFakeStopsAtTheFirstAnswer(t *testing.T) {
	for name, tc := range map[string]struct {
		change map[byte][]byte
		sent   string
		at     milter.Code
	}{
		"all":              {nil, "OMRRTLLLNBEA", milter.CodeEOB},
		"refused at MAIL":  {map[byte][]byte{'M': Frame('y', []byte("550 5.7.1 no\x00"))}, "OMA", milter.CodeMail},
		"accepted at RCPT": {map[byte][]byte{'R': Frame('a', nil)}, "OMRA", milter.CodeRcpt},
		"skip":             {map[byte][]byte{'B': Frame('s', nil)}, "OMRRTLLLNBEA", milter.CodeEOB},
		"old version":      {map[byte][]byte{'O': terms(2, 0x31, 0)}, "OMRRLLLNBEA", milter.CodeEOB},
	} {
		c, sent := filter(t, Postfix(), answering(tc.change))
		result, err := c.Send(mail())
		if err != nil || result.At != tc.at {
			t.Errorf("%s: answered at %c, error %v", name, result.At, err)
		}
		if _, err := c.Command('U', nil); err != nil { // what was sent before has then been read
			t.Error(err)
		}
		if got := strings.TrimSuffix(sent.String(), "U"); got != tc.sent {
			t.Errorf("%s: sent %s, want %s", name, got, tc.sent)
		}
	}
}

func TestModificationsAreAppliedAsTheMTAsDo(t *testing.T) {
	end := strings.Join([]string{
		string(Frame('p', nil)),
		string(Frame('m', []byte("\x00\x00\x00\x01A\x00\x00"))),     // remove the first A
		string(Frame('m', []byte("\x00\x00\x00\x01A\x00new\x00"))),  // Postfix: the second; Sendmail: the one removed
		string(Frame('m', []byte("\x00\x00\x00\x02B\x00more\x00"))), // there is none: append
		string(Frame('i', []byte("\x00\x00\x00\x00I\x00top\x00"))),
		string(Frame('h', []byte("H\x00bottom\n\tx\x00"))),
		string(Frame('q', []byte("held\x00"))),
		string(Frame('a', nil)),
	}, "")
	for name, tc := range map[string]struct {
		mta  MTA
		want string
	}{
		"postfix":  {Postfix(), "I: top\r\nB:  2\r\n\tx\r\nA: new\r\nB: more\r\nH: bottom\r\n\tx\r\n\r\ntext\r\n"},
		"sendmail": {Sendmail(), "I: top\r\nA: new\r\nB:  2\r\n\tx\r\na: 3\r\nB: more\r\nH: bottom\r\n\tx\r\n\r\ntext\r\n"},
	} {
		c, _ := filter(t, tc.mta, answering(map[byte][]byte{'E': []byte(end)}))
		m := mail()
		result, err := c.Send(m)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(result.Delivered(m)); got != tc.want {
			t.Errorf("%s: delivered\n%q, want\n%q", name, got, tc.want)
		}
		if result.Quarantined() != "held" || result.Progress != 1 || !result.Reply.Accepts() {
			t.Errorf("%s: %+v", name, result)
		}
	}
}

func TestMisbehaviourOfTheFilterIsAnError(t *testing.T) {
	for name, end := range map[string][]byte{
		"sign of life after a modification": append(Frame('h', []byte("A\x00b\x00")), Frame('p', nil)...),
		"modification without a value":      Frame('h', []byte("A\x00")),
		"modification without an index":     Frame('m', []byte("A")),
		"CR in a value":                     Frame('h', []byte("A\x00b\r\n\tc\x00")),
		"empty frame":                       {0, 0, 0, 0, 'a'},
	} {
		c, _ := filter(t, Postfix(), answering(map[byte][]byte{'E': end}))
		if result, err := c.Send(mail()); err == nil {
			t.Errorf("%s: %+v", name, result)
		}
	}
	ours, theirs := net.Pipe()
	go func() {
		io.CopyN(io.Discard, theirs, 17)
		theirs.Write(terms(6, 0x31, 1))
	}()
	mta := Postfix()
	mta.Protocol = 0
	if err := New(ours, mta).Negotiate(); err == nil {
		t.Error("a filter that wants more than was offered is let in")
	}
}
