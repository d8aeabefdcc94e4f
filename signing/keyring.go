package signing

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// keyring holds each key file once, for however many domains and selectors.
type keyring struct {
	log  *slog.Logger
	rsa  backend
	held map[string]*heldKey // by file
}

func newKeyring(log *slog.Logger, rsa backend) *keyring {
	return &keyring{log: log, rsa: rsa, held: map[string]*heldKey{}}
}

// heldKey is a private key as it was read together with the configuration, so that
// it goes with its selector whatever becomes of the file. All that can be wrong
// with it is known by then. To make it ready to sign takes longer than a signature,
// and waits for its first message: for 100,000 keys it would take a minute.
type heldKey struct {
	file      string
	algorithm string // a=
	weakness  string
	stamp     Stamp // as it was before it was read
	err       error // why it can't be used
	ready     func() (signFunc, error)
}

// get returns the key of a file. It is empty until load was called.
func (r *keyring) get(file string) *heldKey {
	k, ok := r.held[file]
	if !ok {
		file = strings.Clone(file) // it may be a part of a whole line
		k = &heldKey{file: file}
		r.held[file] = k
	}
	return k
}

// load reads all files, several at a time.
func (r *keyring) load() {
	all := make([]*heldKey, 0, len(r.held))
	for _, k := range r.held {
		all = append(all, k)
	}
	var next atomic.Int64
	var readers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		readers.Go(func() {
			var text bytes.Buffer
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				text.Reset()
				all[i].load(r, &text)
			}
		})
	}
	readers.Wait()
}

// load reads the key. The buffer is empty, and the key keeps nothing of it.
func (k *heldKey) load(r *keyring, text *bytes.Buffer) {
	k.stamp, k.err = readKeyFile(k.file, text)
	if k.err == nil {
		k.err = k.parse(text.Bytes(), r)
	}
}

func (k *heldKey) parse(text []byte, r *keyring) error {
	block, ok := plainPEM(text)
	if !ok {
		var err error
		if block, err = keyBlock(text); err != nil {
			return inFile(k.file, err)
		}
	}
	var whole func() (*PrivateKey, error)
	if plain, ok := plainRSA(block); ok {
		k.algorithm, k.weakness, whole = rsaSHA256, rsaWeakness(plain.bits), plain.key
	} else {
		key, err := parseBlock(block)
		if err != nil {
			return inFile(k.file, err)
		}
		k.algorithm, k.weakness = key.Algorithm(), key.Weakness()
		whole = func() (*PrivateKey, error) { return key, nil }
	}
	k.ready = sync.OnceValues(func() (signFunc, error) { return r.ready(k.file, whole) })
	return nil
}

// ready makes a key ready to sign.
func (r *keyring) ready(file string, whole func() (*PrivateKey, error)) (signFunc, error) {
	key, err := whole()
	if err != nil {
		return nil, inFile(file, err)
	}
	sign, err := newSignFunc(key, r.rsa, r.log)
	if err != nil {
		return nil, inFile(file, err)
	}
	return sign, nil
}

// Algorithm returns the a= of the key's signatures.
func (k *heldKey) Algorithm() string { return k.algorithm }

// sign signs a SHA-256 digest. It is safe for concurrent use.
func (k *heldKey) sign(digest []byte) ([]byte, error) {
	sign, err := k.ready()
	if err != nil {
		return nil, &brokenKey{err}
	}
	return sign(digest)
}
