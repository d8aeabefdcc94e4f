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

// libcrypto is the part of OpenSSL that makes RSA signatures. What it returns as
// uintptr are pointers of its own: EVP_PKEY, EVP_PKEY_CTX, EVP_MD.
//
// It is never closed again: it has handlers that run when threads and the
// process end.
type libcrypto struct {
	d2iPrivateKey func(kind int32, into uintptr, der *uintptr, length int) uintptr
	pkeyFree      func(pkey uintptr)
	ctxNew        func(pkey, engine uintptr) uintptr
	ctxFree       func(ctx uintptr)
	signInit      func(ctx uintptr) int32
	setPadding    func(ctx uintptr, padding int32) int32
	setMD         func(ctx, md uintptr) int32
	sha256        func() uintptr
	sign          func(ctx uintptr, signature *byte, length *uint, digest *byte, digestLength uint) int32
}

func openLibcrypto() (backend, error) {
	handle, err := purego.Dlopen(libcryptoName, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", libcryptoName, err)
	}
	lib := &libcrypto{}
	for symbol, function := range map[string]any{
		"d2i_PrivateKey":                &lib.d2iPrivateKey,
		"EVP_PKEY_free":                 &lib.pkeyFree,
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

// libcryptoKey is an EVP_PKEY. Threads share it, but not the contexts in which
// they sign, so each signature takes one from the pool.
type libcryptoKey struct {
	lib      *libcrypto
	pkey     uintptr
	size     int       // octets of a signature
	contexts sync.Pool // of *libcryptoContext
}

type libcryptoContext struct{ ctx uintptr }

func (k *libcryptoKey) sign(digest []byte) ([]byte, error) {
	c, _ := k.contexts.Get().(*libcryptoContext)
	if c == nil {
		var err error
		if c, err = k.newContext(); err != nil {
			return nil, err
		}
	}
	signature := make([]byte, k.size)
	length := uint(len(signature))
	if k.lib.sign(c.ctx, &signature[0], &length, &digest[0], uint(len(digest))) != 1 {
		return nil, errors.New("EVP_PKEY_sign failed")
	}
	k.contexts.Put(c)
	return signature[:length], nil
}

// newContext readies a context for RSASSA-PKCS1-v1_5 over a SHA-256 digest. It
// holds a reference to the EVP_PKEY of its own.
func (k *libcryptoKey) newContext() (*libcryptoContext, error) {
	ctx := k.lib.ctxNew(k.pkey, 0)
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
