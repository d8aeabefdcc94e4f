//go:build !linux || !(amd64 || arm64) || nolibcrypto

package signing

import "errors"

func openLibcrypto() (backend, error) {
	return nil, errors.New("this build does not use libcrypto")
}
