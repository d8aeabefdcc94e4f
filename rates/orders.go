package rates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"pratique/state"
)

// Orders are kept in a file of their own, one JSON object a line, so that a damaged
// database frees nobody who was blocked, and so that a person can read them.
const (
	ordersName    = "rates.orders"
	mostOrders    = 8 << 20             // octets that are read at most
	tidyOrders    = 1 << 20             // octets from which on the file is tidied
	orderHistory  = 90 * 24 * time.Hour // for which orders that are over stay in it
	longestReason = 200                 // octets, for it stands in a reply (RFC 5321 4.5.3.1.5)
)

// What an Order does.
const (
	DoBlock   = "block"   // all mail of the key is refused
	DoUnblock = "unblock" // no more
	DoReset   = "reset"   // what the key sent so far no longer counts against its limits
)

// An Order is what somebody has told the daemon to do with one key.
type Order struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"` // name of the user
	Do     string    `json:"do"`
	Kind   string    `json:"kind"`
	Key    string    `json:"key"`              // for block and unblock a pattern, such as "10.0.0.0/8"
	Until  time.Time `json:"until,omitzero"`   // of a block; zero: until it is unblocked
	Then   string    `json:"then,omitempty"`   // of a block: reject or tempfail
	Reason string    `json:"reason,omitempty"` // of a block
}

// NewOrder reads what is to be done with a key that is written as "client 10.0.0.7"
// or "client:10.0.0.7". The bits of IPv6 addresses are those of the configuration.
func NewOrder(do, text string, ipv6Prefix int) (Order, error) {
	name, key, ok := strings.Cut(strings.TrimSpace(text), ":")
	if kind, rest, spaced := strings.Cut(strings.TrimSpace(text), " "); spaced && index(kindNames[:], kind) >= 0 {
		name, key, ok = kind, strings.TrimSpace(rest), true
	}
	if name == keyTotal && key == "" {
		key, ok = keyTotal, true
	}
	k := index(kindNames[:], name)
	if !ok || k < 0 {
		return Order{}, fmt.Errorf("%q does not begin with one of %s", text, strings.Join(kindNames[:], ", "))
	}
	o := Order{Do: do, Kind: name, Key: key}
	p, err := o.pattern()
	if err != nil {
		return Order{}, fmt.Errorf("%s %q: %w", name, key, err)
	}
	if do == DoReset {
		if p, ok = p.counted(ipv6Prefix); !ok {
			return Order{}, fmt.Errorf("%s %q stands for many keys; a reset is for one", name, key)
		}
	}
	o.Key = p.text(Kind(k))
	return o, nil
}

// Name is the key with its kind, as in "client 10.0.0.7".
func (o Order) Name() string {
	if o.Kind == keyTotal {
		return o.Kind
	}
	return o.Kind + " " + Printable(o.Key)
}

func (o Order) pattern() (pattern, error) {
	k := index(kindNames[:], o.Kind)
	if k < 0 {
		return pattern{}, fmt.Errorf("%q is none of %s", o.Kind, strings.Join(kindNames[:], ", "))
	}
	return parsePattern(Kind(k), o.Key, longestIPv6)
}

// check reports what is wrong with an order that was read.
func (o Order) check() error {
	if !slices.Contains([]string{DoBlock, DoUnblock, DoReset}, o.Do) {
		return fmt.Errorf("%q is none of block, unblock, reset", o.Do)
	}
	if o.At.IsZero() {
		return errors.New("it has no time")
	}
	if o.Then != "" && o.Then != actReject.String() && o.Then != actTempfail.String() {
		return fmt.Errorf("%q is none of reject, tempfail", o.Then)
	}
	_, err := o.pattern()
	return err
}

// Tell writes an order into the state folder. A daemon that runs with it obeys
// within about a second, any other when it is started.
func Tell(stateDir string, o Order) error {
	o.Reason = shortReason(o.Reason)
	if err := o.check(); err != nil {
		return err
	}
	line, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write the order: %w", err)
	}
	return withOrders(stateDir, func(f *os.File) error {
		content, err := io.ReadAll(io.LimitReader(f, mostOrders))
		if err != nil {
			return err
		}
		if len(content)+len(line) > mostOrders {
			return fmt.Errorf("it has more than %d octets", mostOrders-len(line))
		}
		if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) { // somebody died while writing
			line = append([]byte("\n"), line...)
		}
		if _, err := f.Write(append(line, '\n')); err != nil {
			return err
		}
		if err := f.Sync(); err != nil || len(content) < tidyOrders {
			return err
		}
		return tidy(stateDir, append(content, line...), o.At)
	})
}

// withOrders opens the file of orders and keeps others off meanwhile. It belongs to
// whom the state folder belongs to, whoever makes it.
func withOrders(stateDir string, do func(*os.File) error) (err error) {
	path := filepath.Join(stateDir, ordersName)
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the orders in %s: %w", path, err)
		}
	}()
	f, err := lockOrders(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := state.GiveToOwner(f, stateDir); err != nil {
		return err
	}
	return do(f)
}

// lockOrders opens the file and locks it. While it waited for that, another may have
// put a tidied file in its place.
func lockOrders(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, state.FileMode)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
			return nil, errors.Join(err, f.Close())
		}
		mine, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
			return f, nil
		}
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
}

// tidy puts a file in the place of the orders that has what is still in force or not long over.
func tidy(stateDir string, content []byte, now time.Time) error {
	var kept bytes.Buffer
	orders, _ := parseOrders(content)
	inForce := newStanding(orders, now)
	for _, o := range orders {
		if now.Sub(o.At) > orderHistory && !inForce.needs(o) {
			continue
		}
		line, err := json.Marshal(o)
		if err != nil {
			return err
		}
		kept.Write(append(line, '\n'))
	}
	return state.Replace(filepath.Join(stateDir, ordersName), kept.Bytes(), state.FileMode)
}

// readOrders reads the orders of a state folder. Lines that can't be read are told
// of, and the others hold.
func readOrders(stateDir string) ([]Order, []error, error) {
	f, err := os.Open(filepath.Join(stateDir, ordersName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the orders: %w", err)
	}
	defer f.Close()
	// Without a lock, so that nobody who holds it can stop the daemon; what is being
	// written ends in no newline yet.
	content, err := io.ReadAll(io.LimitReader(f, mostOrders+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read the orders: %w", err)
	}
	if len(content) > mostOrders {
		return nil, nil, fmt.Errorf("read the orders: %s has more than %d octets", f.Name(), mostOrders)
	}
	orders, problems := parseOrders(content)
	return orders, problems, nil
}

func parseOrders(content []byte) (orders []Order, problems []error) {
	n := 0
	for line := range bytes.Lines(content) {
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if !bytes.HasSuffix(line, []byte("\n")) && !json.Valid(line) {
			continue
		}
		var o Order
		err := json.Unmarshal(line, &o)
		if err == nil {
			err = o.check()
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		o.Reason = shortReason(o.Reason)
		orders = append(orders, o)
	}
	return orders, problems
}

func shortReason(reason string) string {
	reason = printable(strings.Join(strings.Fields(reason), " "))
	for len(reason) > longestReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	return reason
}
