package signing

import (
	"encoding/pem"
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
			for i := next.Add(1) - 1; i < int64(len(all)); i = next.Add(1) - 1 {
				all[i].load(r)
			}
		})
	}
	readers.Wait()
}

func (k *heldKey) load(r *keyring) {
	k.stamp = stampOf(k.file)
	text, err := readKeyFile(k.file)
	if err == nil {
		err = k.parse(text, r)
	}
	k.err = err
}

func (k *heldKey) parse(text []byte, r *keyring) error {
	block, err := keyBlock(text)
	if err != nil {
		return inFile(k.file, err)
	}
	if der, bits, ok := plainRSA(block); ok {
		k.algorithm, k.weakness = rsaSHA256, rsaWeakness(bits)
		block = &pem.Block{Type: pkcs1Type, Bytes: der}
	} else {
		key, err := parseBlock(block)
		if err != nil {
			return inFile(k.file, err)
		}
		k.algorithm, k.weakness = key.Algorithm(), key.Weakness()
	}
	k.ready = sync.OnceValues(func() (signFunc, error) { return r.ready(k.file, block) })
	return nil
}

// ready makes a key ready to sign.
func (r *keyring) ready(file string, block *pem.Block) (signFunc, error) {
	key, err := parseBlock(block)
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
