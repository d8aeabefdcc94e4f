// Package miltertest is a fake MTA: it speaks the MTA's side of the milter
// protocol to a filter under test, well or badly, and says what came back. Its
// behaviour follows Postfix 3.7 or Sendmail 8.17, as measured. It knows nothing
// of what a filter should answer.
//
// Whole messages are sent as those MTAs send them, without waiting where no
// reply was agreed on:
//
//	mta, err := miltertest.Dial("tcp", addr, miltertest.Postfix())
//	_, err = mta.Connect(miltertest.Client{Name: "client.example", Family: '4', Addr: "192.0.2.1", Port: 1025})
//	result, err := mta.Send(mail)
//	delivered := result.Delivered(mail)
//
// Anything else is sent command by command (Command, Put) or octet by octet
// (Raw). A Conn is used by one goroutine; a load generator has one for each.
package miltertest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-milter"
)

// MTA says how an MTA behaves, beginning with what it offers.
type MTA struct {
	Version  uint32
	Actions  milter.OptAction
	Protocol milter.OptProtocol

	QueueIDAtMail bool // macro i comes at MAIL; otherwise at DATA and all that follows
	Abort         bool // ABORT follows every message, whatever its answer
	FieldMacros   bool // a MACRO frame precedes each header field and body chunk too
	CountRemoved  bool // header fields that were removed still count in CHGHEADER's index

	Patience time.Duration // for each write and reply; 0: 30 s
}

const allActions = 0x1ff  // SMFIF_ADDHDRS to SMFIF_SETSYMLIST
const allSteps = 0x1fffff // SMFIP_NOCONNECT to SMFIP_HDR_LEADSPC

// Postfix behaves like Postfix 3.7 with its default configuration.
func Postfix() MTA {
	return MTA{Version: 6, Actions: allActions, Protocol: allSteps, Abort: true, FieldMacros: true}
}

// Sendmail behaves like Sendmail 8.17.
func Sendmail() MTA {
	return MTA{Version: 6, Actions: allActions, Protocol: allSteps, QueueIDAtMail: true, CountRemoved: true}
}

// Client is an SMTP client as the MTA describes it.
type Client struct {
	Name   string // reverse name
	Family byte   // '4', '6', 'L' or 'U'
	Addr   string
	Port   uint16
	Helo   string // "": as Name
	Login  string // SASL login, sent with each MAIL
	Daemon string
	TLS    string // protocol version
}

// Local is mail from sendmail(1) or a bounce, as Postfix describes it.
func Local() Client { return Client{Name: "localhost", Family: '4', Addr: "127.0.0.1"} }

// Conn is a connection to a filter.
type Conn struct {
	// Agreed are the steps, Actions the actions, and Version the version that
	// the filter answered with; SymList has the macros that it asked for.
	Agreed  milter.OptProtocol
	Actions milter.OptAction
	Version uint32
	SymList map[milter.Stage]string

	mta    MTA
	nc     net.Conn
	w      *bufio.Writer
	r      *bufio.Reader
	client Client
	serial int
}

// Dial connects to a filter and negotiates.
func Dial(network, addr string, mta MTA) (*Conn, error) {
	nc, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	c := New(nc, mta)
	if err := c.Negotiate(); err != nil {
		nc.Close()
		return nil, fmt.Errorf("negotiate: %w", err)
	}
	return c, nil
}

// New is a connection over nc on which nothing was sent yet.
func New(nc net.Conn, mta MTA) *Conn {
	if mta.Patience == 0 {
		mta.Patience = 30 * time.Second
	}
	return &Conn{mta: mta, nc: nc, w: bufio.NewWriterSize(nc, 16<<10), r: bufio.NewReaderSize(nc, 4<<10)}
}

// Negotiate sends the MTA's offer. A filter that wants more than it has is an error.
func (c *Conn) Negotiate() error {
	offer := binary.BigEndian.AppendUint32(nil, c.mta.Version)
	offer = binary.BigEndian.AppendUint32(offer, uint32(c.mta.Actions))
	offer = binary.BigEndian.AppendUint32(offer, uint32(c.mta.Protocol))
	r, err := c.exchange(milter.CodeOptNeg, offer)
	if err != nil {
		return err
	}
	if r.Code != byte(milter.CodeOptNeg) || len(r.Data) < 12 {
		return fmt.Errorf("the filter answered the offer with %v", r)
	}
	c.Version = binary.BigEndian.Uint32(r.Data)
	c.Actions = milter.OptAction(binary.BigEndian.Uint32(r.Data[4:]))
	c.Agreed = milter.OptProtocol(binary.BigEndian.Uint32(r.Data[8:]))
	if c.Version > c.mta.Version || c.Actions&^c.mta.Actions != 0 || c.Agreed&^c.mta.Protocol != 0 {
		return fmt.Errorf("the filter wants more than was offered: version %d, actions %#x, steps %#x", c.Version, c.Actions, c.Agreed)
	}
	return c.readSymList(r.Data[12:])
}

func (c *Conn) readSymList(b []byte) error {
	c.SymList = make(map[milter.Stage]string)
	for len(b) > 4 {
		stage := milter.Stage(binary.BigEndian.Uint32(b))
		names, rest, ok := strings.Cut(string(b[4:]), "\x00")
		if !ok {
			return errors.New("the filter's list of macros is cut")
		}
		c.SymList[stage], b = names, []byte(rest)
	}
	return nil
}

// Connect sends CONNECT and HELO with their macros. The reply is the first one that is not "continue", or the last.
func (c *Conn) Connect(client Client) (Reply, error) {
	c.client = client
	pairs := []string{"j", "mta.example"}
	for _, m := range [][2]string{{"{client_addr}", client.Addr}, {"{daemon_name}", client.Daemon}} {
		if m[1] != "" {
			pairs = append(pairs, m[:]...)
		}
	}
	c.Macros(milter.CodeConn, pairs...)
	r, err := c.Command(milter.CodeConn, client.connect())
	if err != nil || !r.Continues() {
		return r, err
	}
	if pairs = nil; client.TLS != "" {
		pairs = []string{"{tls_version}", client.TLS}
	}
	c.Macros(milter.CodeHelo, pairs...)
	helo := client.Helo
	if helo == "" {
		helo = client.Name
	}
	return c.Command(milter.CodeHelo, append([]byte(helo), 0))
}

func (c Client) connect() []byte {
	data := append([]byte(c.Name), 0, c.Family)
	if c.Family == byte(milter.FamilyUnknown) {
		return data
	}
	data = binary.BigEndian.AppendUint16(data, c.Port)
	return append(append(data, c.Addr...), 0)
}

// Macros puts a MACRO frame with pairs of name and value before a command.
func (c *Conn) Macros(before milter.Code, pairs ...string) {
	size := 1
	for _, s := range pairs {
		size += len(s) + 1
	}
	c.head(milter.CodeMacro, size)
	c.w.WriteByte(byte(before))
	for _, s := range pairs {
		c.w.WriteString(s)
		c.w.WriteByte(0)
	}
}

// head puts the length of a frame and its command.
func (c *Conn) head(code milter.Code, size int) {
	length := uint32(1 + size)
	for _, b := range [...]byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length), byte(code)} {
		c.w.WriteByte(b)
	}
}

// Put puts a command into the buffer; errors come with Flush.
func (c *Conn) Put(code milter.Code, data []byte) {
	c.head(code, len(data))
	c.w.Write(data)
}

// Frame is a command as it goes over the wire.
func Frame(code milter.Code, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 5+len(data)), uint32(1+len(data)))
	return append(append(b, byte(code)), data...)
}

// Raw puts octets into the buffer.
func (c *Conn) Raw(b []byte) { c.w.Write(b) }

// Flush sends what is in the buffer.
func (c *Conn) Flush() error {
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.mta.Patience)); err != nil {
		return err
	}
	return c.w.Flush()
}

// silent maps a command to the bit with which it has no reply.
func silent(code milter.Code) milter.OptProtocol {
	switch code {
	case milter.CodeConn:
		return milter.OptNoConnReply
	case milter.CodeHelo:
		return milter.OptNoHeloReply
	case milter.CodeMail:
		return milter.OptNoMailReply
	case milter.CodeRcpt:
		return milter.OptNoRcptReply
	case milter.CodeData:
		return milter.OptNoDataReply
	case milter.CodeHeader:
		return milter.OptNoHeaderReply
	case milter.CodeEOH:
		return milter.OptNoEOHReply
	case milter.CodeBody:
		return milter.OptNoBodyReply
	case 'U':
		return milter.OptNoUnknownReply
	}
	return 0
}

// Command sends a command and reads its reply, or, if it has none by agreement,
// puts it into the buffer and says "continue".
func (c *Conn) Command(code milter.Code, data []byte) (Reply, error) {
	if c.Agreed&silent(code) == 0 {
		return c.exchange(code, data)
	}
	c.Put(code, data)
	return Reply{Code: byte(milter.ActContinue)}, nil
}

func (c *Conn) exchange(code milter.Code, data []byte) (Reply, error) {
	c.Put(code, data)
	if err := c.Flush(); err != nil {
		return Reply{}, fmt.Errorf("write command %q: %w", rune(code), err)
	}
	r, err := c.Reply()
	if err != nil {
		return Reply{}, fmt.Errorf("read the reply to %q: %w", rune(code), err)
	}
	return r, nil
}

// Reply reads one frame from the filter.
func (c *Conn) Reply() (Reply, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(c.mta.Patience)); err != nil {
		return Reply{}, err
	}
	head, err := c.r.Peek(5)
	if err != nil {
		return Reply{}, err
	}
	length := binary.BigEndian.Uint32(head)
	if length == 0 || length > 1<<20 {
		return Reply{}, fmt.Errorf("the filter sent a frame of %d octets", length)
	}
	r := Reply{Code: head[4]}
	c.r.Discard(5)
	if length > 1 {
		r.Data = make([]byte, length-1)
		_, err = io.ReadFull(c.r, r.Data)
	}
	return r, err
}

// Abort sends ABORT, which has no reply.
func (c *Conn) Abort() error {
	c.Put(milter.CodeAbort, nil)
	return c.Flush()
}

// QuitNC ends the SMTP session but not the connection: Connect comes next.
func (c *Conn) QuitNC() error {
	c.Put(milter.CodeQuitNewConn, nil)
	return c.Flush()
}

// Quit ends the connection as an MTA does.
func (c *Conn) Quit() error {
	c.Put(milter.CodeQuit, nil)
	return errors.Join(c.Flush(), c.nc.Close())
}

// Close breaks the connection off.
func (c *Conn) Close() error { return c.nc.Close() }
