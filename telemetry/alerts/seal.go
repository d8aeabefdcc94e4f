package alerts

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// headerSeal is the field by which the milter knows the mail of its own alerts. It is
// taken out of every message, so that none ever leaves with it.
const headerSeal = "X-Pratique-Seal"

// keyFile holds the secret of the seal, in the state folder.
const keyFile = "alerts.key"

const keySize = 32

// sealLife is how long a mail may take from us to the milter: sendmail(1) keeps it
// while the MTA is down.
const sealLife = 5 * 24 * time.Hour

// Seal marks the mail of alerts so that the milter knows it, and nobody else can
// mark any: with a secret that lies in the state folder, over the Message-ID and the
// body. A seal is good for one mail.
type Seal struct {
	now  func() time.Time
	open func() ([]byte, error) // the secret, made when it is first needed

	mu   sync.Mutex
	used map[string]time.Time // by the id of the seal; when it may be forgotten
}

// NewSeal returns a seal with the secret of a state folder, which is made when it is
// first needed; "" makes one that lasts as long as the process.
func NewSeal(state string, now func() time.Time) *Seal {
	s := &Seal{now: now, used: map[string]time.Time{}}
	var mu sync.Mutex
	var key []byte
	s.open = func() (_ []byte, err error) {
		mu.Lock()
		defer mu.Unlock()
		if key == nil {
			key, err = secret(state)
		}
		return key, err
	}
	return s
}

// secret reads the secret, or makes one.
func secret(state string) ([]byte, error) {
	fresh := make([]byte, keySize)
	rand.Read(fresh) // never fails
	if state == "" {
		return fresh, nil
	}
	path := filepath.Join(state, keyFile)
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		// Linked into place: whoever comes second finds a whole one.
		if err := link(path, fresh); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		key, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, fmt.Errorf("%s has %d octets, not %d; remove it, and a new one is made", path, len(key), keySize)
	}
	return key, nil
}

func link(path string, key []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), keyFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(key)
	if err := errors.Join(err, ownAs(f, filepath.Dir(path)), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

// ownAs gives a file to the owner of a folder: root tries alerts before the daemon,
// which runs as another user, has made its secret.
func ownAs(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return f.Chown(int(owner.Uid), int(owner.Gid))
}

// token is the value of the field for a mail.
func (s *Seal) token(messageID string, body []byte) (string, error) {
	key, err := s.open()
	if err != nil {
		return "", err
	}
	digest := newBodyHash()
	digest.Write(body)
	t := token{at: strconv.FormatInt(s.now().Unix(), 10), id: rand.Text(), body: digest.sum()}
	return fmt.Sprintf("v=1; t=%s; id=%s;\r\n bh=%s;\r\n mac=%s", t.at, t.id, t.body, t.mac(key, messageID)), nil
}

// token is a seal, taken apart.
type token struct{ at, id, body, sum string }

// mac is over everything that the seal says. None of the parts holds a line end.
func (t token) mac(key []byte, messageID string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("pratique alert mail 1\n" + t.at + "\n" + t.id + "\n" + t.body + "\n" + messageID))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func parseToken(value string) token {
	parts := map[string]string{}
	for part := range strings.SplitSeq(value, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = strings.TrimSpace(value)
	}
	if parts["v"] != "1" {
		return token{}
	}
	return token{parts["t"], parts["id"], parts["bh"], parts["mac"]}
}

// check reports why a field is no seal of ours for a mail with this Message-ID, or nil.
func (s *Seal) check(t token, messageID string) error {
	key, err := s.open()
	if err != nil {
		return err
	}
	if t.id == "" || !hmac.Equal([]byte(t.sum), []byte(t.mac(key, messageID))) {
		return errors.New("the seal is not ours")
	}
	at, err := strconv.ParseInt(t.at, 10, 64)
	if err != nil {
		return err
	}
	if age := s.now().Sub(time.Unix(at, 0)); age > sealLife || age < -sealLife {
		return fmt.Errorf("the seal is %v old", age.Round(time.Second))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.used[t.id]; ok {
		return errors.New("the seal was used before")
	}
	return nil
}

// spend has a seal be of no use any more. Only ours are remembered, so there are few.
func (s *Seal) spend(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	maps.DeleteFunc(s.used, func(_ string, until time.Time) bool { return now.After(until) })
	s.used[id] = now.Add(2 * sealLife)
}

// bodyHash hashes a body as RFC 6376 3.4.3 makes it canonical: without the empty
// lines at its end, of which MTAs add some.
type bodyHash struct {
	hash.Hash
	held int // line ends that came and may be those at the end
	cr   bool
}

func newBodyHash() *bodyHash { return &bodyHash{Hash: sha256.New()} }

func (b *bodyHash) Write(p []byte) (int, error) {
	for _, c := range p {
		switch {
		case c == '\r':
			b.release(b.cr)
			b.cr = true
		case c == '\n' && b.cr:
			b.held, b.cr = b.held+1, false
		default:
			b.lines()
			b.release(b.cr)
			b.cr = false
			b.Hash.Write([]byte{c})
		}
	}
	return len(p), nil
}

func (b *bodyHash) lines() {
	b.Hash.Write(bytes.Repeat([]byte("\r\n"), b.held))
	b.held = 0
}

// release hashes a CR that no LF followed.
func (b *bodyHash) release(cr bool) {
	if cr {
		b.lines()
		b.Hash.Write([]byte{'\r'})
	}
}

func (b *bodyHash) sum() string { return base64.StdEncoding.EncodeToString(b.Hash.Sum(nil)) }
