package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"pratique/integration/harness"
	"pratique/milter/miltertest"
	"pratique/scanning/clamdtest"
	"pratique/signing"
)

// verify sees that a subject really does what it is measured for: a signature
// that verifies, a virus that is refused. Speed is easy without either.
func (d duty) verify(r *running, keys harness.Keys) error {
	if d.signs {
		if err := verifySigning(r, keys); err != nil {
			return err
		}
	}
	if d.scans {
		return verifyScanning(r)
	}
	return nil
}

func verifySigning(r *running, keys harness.Keys) error {
	for _, size := range []int{2 << 10, 1 << 20} {
		m := newStationery(size, new(atomic.Uint64)).next()
		result, err := play(r, m)
		if err != nil {
			return err
		}
		if !result.Reply.Accepts() {
			return fmt.Errorf("a letter of %s is answered %v", sizeName(size), result.Reply)
		}
		if err := signed(result.Delivered(m), keys); err != nil {
			return fmt.Errorf("a letter of %s: %w", sizeName(size), err)
		}
	}
	return nil
}

// signed expects one signature, and a valid one.
func signed(delivered []byte, keys harness.Keys) error {
	lookup := func(_ context.Context, name string) ([]string, error) {
		record, ok := keys.Records[strings.TrimSuffix(name, ".")]
		if !ok {
			return nil, fmt.Errorf("no key at %s", name)
		}
		return []string{record}, nil
	}
	found, err := signing.Verify(context.Background(), bytes.NewReader(delivered), lookup)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d signatures, want one", len(found))
	}
	return found[0].Err
}

// rejects is SMFIR_REJECT, the refusal that leaves the text to the MTA.
const rejects = 'r'

func verifyScanning(r *running) error {
	m := newStationery(2<<10, new(atomic.Uint64)).next()
	m.Body = append(clamdtest.EICAR(), "\r\n"...)
	result, err := play(r, m)
	if err != nil {
		return err
	}
	if result.Reply.Code != rejects && !strings.HasPrefix(result.Reply.SMTP(), "5") {
		return fmt.Errorf("the EICAR test file was answered %v", result.Reply)
	}
	return nil
}

// play sends one letter on a connection of its own, whatever the answer.
func play(r *running, m miltertest.Mail) (miltertest.Result, error) {
	conn, err := dialMilter(r)
	if err != nil {
		return miltertest.Result{}, err
	}
	result, err := conn.Send(m)
	return result, errors.Join(err, conn.Quit())
}
