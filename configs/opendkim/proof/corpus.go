package proof

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pratique/message"
)

// Letter is a stored message with the envelope that it is played with.
type Letter struct {
	Name       string // in the corpus
	File       string
	Client     message.Client
	Sender     string
	Recipients []string
}

// manifest is the name of the file in a corpus that has the envelopes.
const manifest = "manifest"

// maxLetter bounds a message, in octets; a larger one is an error.
const maxLetter = 64 << 20

// ReadCorpus lists the messages of a folder, FILE.eml, and of those below it. A file
// "manifest" in it may say more of each:
//
//	FILE client=ADDRESS name=HOST login=LOGIN sender=ADDRESS to=ADDRESS
//
// Without it a message comes from 127.0.0.1, without a login. "#" begins a comment.
// What is wrong with the manifest is an error that names its lines.
func ReadCorpus(folder string) ([]Letter, error) {
	envelopes, err := readManifest(filepath.Join(folder, manifest))
	if err != nil {
		return nil, err
	}
	var letters []Letter
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".eml") {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		l, ok := envelopes[name]
		if !ok {
			l = plainLetter()
		}
		delete(envelopes, name)
		l.Name, l.File = name, path
		letters = append(letters, l)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the corpus: %w", err)
	}
	for name := range envelopes {
		return nil, fmt.Errorf("%s names %s, which is not there", filepath.Join(folder, manifest), name)
	}
	if len(letters) == 0 {
		return nil, fmt.Errorf("there is no .eml file in %s", folder)
	}
	slices.SortFunc(letters, func(a, b Letter) int { return cmp.Compare(a.Name, b.Name) })
	return letters, nil
}

func plainLetter() Letter {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	return Letter{Client: message.Client{Name: "localhost", Addr: loopback}, Sender: "prove@localhost", Recipients: []string{"prove@localhost"}}
}

func readManifest(file string) (map[string]Letter, error) {
	envelopes := map[string]Letter{}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return envelopes, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	var problems []error
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		text, _, _ := strings.Cut(line, "#")
		fields := strings.Fields(text)
		if len(fields) == 0 {
			continue
		}
		l := plainLetter()
		for _, field := range fields[1:] {
			if err := l.set(field); err != nil {
				problems = append(problems, fmt.Errorf("%s:%d: %w", file, number, err))
			}
		}
		if l.Client.Name == "localhost" && !l.Client.Addr.IsLoopback() {
			l.Client.Name = "[" + l.Client.Addr.String() + "]"
		}
		envelopes[filepath.Clean(fields[0])] = l
	}
	return envelopes, errors.Join(problems...)
}

// set takes one key=value over.
func (l *Letter) set(field string) error {
	key, value, ok := strings.Cut(field, "=")
	if !ok {
		return fmt.Errorf("%q is not key=value", field)
	}
	switch key {
	case "client":
		addr, err := netip.ParseAddr(value)
		if err != nil || addr.Zone() != "" {
			return fmt.Errorf("client=%q is no address", value)
		}
		l.Client.Addr = addr.Unmap()
	case "name":
		l.Client.Name = value
	case "login":
		l.Client.Login = value
	case "sender":
		l.Sender = strings.Trim(value, "<>")
	case "to":
		l.Recipients = []string{strings.Trim(value, "<>")}
	default:
		return fmt.Errorf("there is no %q; client, name, login, sender and to are known", key)
	}
	return nil
}

// letterRead is a message in memory, as an MTA has it.
type letterRead struct {
	Letter
	message *message.Message
	body    []byte
}

// read reads the message, with line ends and header as message.Play takes them.
func (l Letter) read(ctx context.Context) (*letterRead, error) {
	f, err := os.Open(l.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := &letterRead{Letter: l, message: &message.Message{Client: l.Client, Sender: l.Sender}}
	for _, to := range l.Recipients {
		r.message.Recipients = append(r.message.Recipients, message.Recipient{Addr: to})
	}
	var body bytes.Buffer
	in := &io.LimitedReader{R: f, N: maxLetter + 1}
	if err := message.Play(ctx, listener{}, r.message, in, &body); err != nil {
		return nil, err
	}
	if in.N == 0 {
		return nil, fmt.Errorf("is larger than %d octets", maxLetter)
	}
	r.body = body.Bytes()
	return r, nil
}

// listener is a check that has nothing to say, for which a message is read all the same.
type listener struct{}

func (listener) Name() string { return "proof" }

func (listener) Begin(context.Context, *message.Message) (message.Inspector, error) {
	return listener{}, nil
}
func (listener) Header() error               { return nil }
func (listener) Write(p []byte) (int, error) { return len(p), nil }
func (listener) End() error                  { return nil }
func (listener) Close() error                { return nil }
