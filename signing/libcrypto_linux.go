//go:build (amd64 || arm64) && !nolibcrypto

package signing

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// libcryptoName is OpenSSL 3. Other versions name other functions, or promise
// other things of them.
const libcryptoName = "libcrypto.so.3"

// Constants of OpenSSL's headers evp.h, rsa.h and obj_mac.h.
const (
	evpPKeyRSA      = 6 // EVP_PKEY_RSA
	rsaPKCS1Padding = 1 // RSA_PKCS1_PADDING
)

// placesPerCPU bounds how many signatures are under way at once. Each of them has a
// thread, and a copy of its key, for as long as it takes; a thousand connections whose
// messages end together are to get neither a thousand threads nor a thousand copies.
// Fewer places cost more than they save: with one a CPU, 16 goroutines that do nothing
// else take 0.275 ms of CPU for a signature in place of 0.248, to wake one another.
const placesPerCPU = 8

// libcrypto is the part of OpenSSL that makes RSA signatures. What it returns as
// uintptr are pointers of its own: EVP_PKEY, EVP_PKEY_CTX, EVP_MD.
//
// It is never closed again: it has handlers that run when threads and the
// process end.
type libcrypto struct {
	places chan struct{} // one for each signature under way

	d2iPrivateKey func(kind int32, into uintptr, der *uintptr, length int) uintptr
	pkeyFree      func(pkey uintptr)
	pkeyDup       func(pkey uintptr) uintptr
	ctxNew        func(pkey, engine uintptr) uintptr
	ctxFree       func(ctx uintptr)
	signInit      func(ctx uintptr) int32
	setPadding    func(ctx uintptr, padding int32) int32
	setMD         func(ctx, md uintptr) int32
	sha256        func() uintptr
	sign          uintptr // EVP_PKEY_sign, called by its address: through a registered function, which reflects, a call took 2 µs more
}

func openLibcrypto() (backend, error) {
	handle, err := purego.Dlopen(libcryptoName, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", libcryptoName, err)
	}
	lib := &libcrypto{places: make(chan struct{}, placesPerCPU*runtime.NumCPU())}
	for symbol, function := range map[string]any{
		"d2i_PrivateKey":                &lib.d2iPrivateKey,
		"EVP_PKEY_free":                 &lib.pkeyFree,
		"EVP_PKEY_dup":                  &lib.pkeyDup,
		"EVP_PKEY_CTX_new":              &lib.ctxNew,
		"EVP_PKEY_CTX_free":             &lib.ctxFree,
		"EVP_PKEY_sign_init":            &lib.signInit,
		"EVP_PKEY_CTX_set_rsa_padding":  &lib.setPadding,
		"EVP_PKEY_CTX_set_signature_md": &lib.setMD,
		"EVP_sha256":                    &lib.sha256,
		"EVP_PKEY_sign":                 &lib.sign,
	} {
		address, err := purego.Dlsym(handle, symbol)
		if err != nil {
			return nil, fmt.Errorf("find %s in %s: %w", symbol, libcryptoName, err)
		}
		if into, ok := function.(*uintptr); ok {
			*into = address
			continue
		}
		purego.RegisterFunc(function, address)
	}
	return lib, nil
}

func (lib *libcrypto) name() string { return libcryptoName }

// load gives the key to libcrypto. Its memory there is freed when the last
// signature function of the key is out of reach.
func (lib *libcrypto) load(key *rsa.PrivateKey) (signFunc, error) {
	der := x509.MarshalPKCS1PrivateKey(key)
	defer clear(der) // which keeps it alive, too
	// As a number, for d2i_PrivateKey moves it to the end of the key, where no Go pointer may point.
	start := uintptr(unsafe.Pointer(&der[0]))
	pkey := lib.d2iPrivateKey(evpPKeyRSA, 0, &start, len(der))
	if pkey == 0 {
		return nil, errors.New("d2i_PrivateKey does not take it")
	}
	k := &libcryptoKey{lib: lib, pkey: pkey, size: key.Size()}
	runtime.AddCleanup(k, lib.pkeyFree, pkey)
	return k.sign, nil
}

// libcryptoKey is a key, and as many copies of it as signatures were ever under
// way at once. Two that share an EVP_PKEY take turns at its blinding, under a lock
// that spins: with 16 connections on two cores that was 5 of the 380 µs of CPU that
// a message took, and a thread that lost its CPU in there kept the others waiting.
type libcryptoKey struct {
	lib  *libcrypto
	pkey uintptr // of the first context
	size int     // octets of a signature

	mu   sync.Mutex
	idle []*libcryptoContext // ready to sign; the last used one comes next
	made bool                // the first context
}

// libcryptoContext signs with an EVP_PKEY that it has for itself, one signature at a time.
type libcryptoContext struct{ ctx uintptr }

func (k *libcryptoKey) sign(digest []byte) ([]byte, error) {
	k.lib.places <- struct{}{}
	defer func() { <-k.lib.places }()
	c, err := k.take()
	if err != nil {
		return nil, err
	}
	signature := make([]byte, k.size)
	length := uint(len(signature)) // a size_t
	result, _, _ := purego.SyscallN(k.lib.sign, c.ctx, uintptr(unsafe.Pointer(&signature[0])), uintptr(unsafe.Pointer(&length)),
		uintptr(unsafe.Pointer(&digest[0])), uintptr(len(digest)))
	if int32(result) != 1 {
		return nil, errors.New("EVP_PKEY_sign failed")
	}
	k.give(c) // which keeps it alive, too
	return signature[:length], nil
}

// take returns a context that nobody else has.
func (k *libcryptoKey) take() (*libcryptoContext, error) {
	k.mu.Lock()
	if last := len(k.idle) - 1; last >= 0 {
		defer k.mu.Unlock()
		c := k.idle[last]
		k.idle = k.idle[:last]
		return c, nil
	}
	first := !k.made
	k.made = true
	k.mu.Unlock()
	if first {
		return k.newContext(k.pkey)
	}
	pkey := k.lib.pkeyDup(k.pkey)
	if pkey == 0 {
		return nil, errors.New("EVP_PKEY_dup failed")
	}
	defer k.lib.pkeyFree(pkey)
	return k.newContext(pkey)
}

func (k *libcryptoKey) give(c *libcryptoContext) {
	k.mu.Lock()
	k.idle = append(k.idle, c)
	k.mu.Unlock()
}

// newContext readies a context for RSASSA-PKCS1-v1_5 over a SHA-256 digest. It
// holds a reference to the EVP_PKEY of its own.
func (k *libcryptoKey) newContext(pkey uintptr) (*libcryptoContext, error) {
	ctx := k.lib.ctxNew(pkey, 0)
	runtime.KeepAlive(k)
	if ctx == 0 {
		return nil, errors.New("EVP_PKEY_CTX_new failed")
	}
	c := &libcryptoContext{ctx}
	runtime.AddCleanup(c, k.lib.ctxFree, ctx)
	switch {
	case k.lib.signInit(ctx) != 1:
		return nil, errors.New("EVP_PKEY_sign_init failed")
	case k.lib.setPadding(ctx, rsaPKCS1Padding) != 1:
		return nil, errors.New("EVP_PKEY_CTX_set_rsa_padding failed")
	case k.lib.setMD(ctx, k.lib.sha256()) != 1:
		return nil, errors.New("EVP_PKEY_CTX_set_signature_md failed")
	}
	return c, nil
}
