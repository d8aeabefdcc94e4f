package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pratique/configs"
	"pratique/message"
	"pratique/signing"
)

// sign writes a stored message with the signatures that serve would give it. It
// changes nothing else of it, but that line ends become CRLF, and what the
// configuration has mended.
func sign(e *env, args []string) (int, error) {
	fs := e.flags("sign")
	path := fs.String("config", "", "configuration `file` (default "+defaultConfig+")")
	if err := e.parse(fs, args, 1, 1); err != nil {
		return 0, err
	}
	cfg, err := loadConfig(*path)
	if err != nil {
		return 0, err
	}
	signer, err := newSigner(e, cfg)
	if err != nil {
		return 0, err
	}
	mender, err := newMender(cfg)
	if err != nil {
		return 0, err
	}
	in, err := e.open(fs.Arg(0))
	if err != nil {
		return 0, err
	}
	defer in.Close()
	chain := message.NewChain(message.Link{Check: mender}, message.Link{Check: signer})
	return signTo(e.stdout, in, chain, &message.Message{Sender: "sign@localhost", Began: e.now()})
}

// newSigner returns the signer that serve would have, its keys in the store included.
func newSigner(e *env, cfg *configs.Config) (*signing.Signer, error) {
	full, _, err := withStoredKeys(cfg, openKeys(e, cfg))
	if err != nil {
		return nil, err
	}
	return buildSigner(full, e.now, newLogger(e.stderr, cfg))
}

// signTo plays a message through a chain that signs it. The signature stands above a body that is known only
// when the message was read whole, so the body waits in a file.
func signTo(w io.Writer, r io.Reader, chain *message.Chain, m *message.Message) (status int, err error) {
	body, err := os.CreateTemp("", "pratique-sign-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, body.Close(), os.Remove(body.Name())) }()

	spool := bufio.NewWriterSize(body, 64<<10)
	if err := message.Play(context.Background(), chain, m, r, spool); err != nil {
		for _, f := range m.Failures {
			err = f.Err // what a client is not told
		}
		return 0, fmt.Errorf("sign: %w", err)
	}
	if reason := unsigned(m); reason != "" {
		return 0, fmt.Errorf("not signed: %s", reason)
	}
	if err := spool.Flush(); err != nil {
		return 0, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	out := bufio.NewWriter(w)
	if _, err := m.Header.WriteTo(out); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(out, "\r\n"); err != nil {
		return 0, err
	}
	var left io.Reader = body
	if m.NewBody != nil {
		left = bytes.NewReader(m.NewBody)
	}
	if _, err := io.Copy(out, left); err != nil {
		return 0, err
	}
	return exitClean, out.Flush()
}

// unsigned returns why a message bears no signature of ours, or "".
func unsigned(m *message.Message) string {
	for _, n := range m.Notes {
		if n.Check == "signing" && n.Key == "unsigned" {
			return n.Text
		}
	}
	return ""
}
