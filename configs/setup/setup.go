// Package setup makes a first configuration from a few answers, and wires the
// milter into Postfix by postconf, with a record by which that is undone. It asks
// nobody and prints nothing: that is the command's business, and so are the keys.
package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"pratique/configs"
)

// Answers are what a first configuration is made of. What is empty keeps its default.
type Answers struct {
	Listen   string   // "unix:/path" or "inet:host:port"
	State    string   // folder of what is kept between runs
	Hostname string   // full name of this host
	Networks []string // who may send, beside loopback
	Clamd    string   // "unix:/path", "tcp:host:port", or "": mail is not scanned
	Group    string   // of the socket, "" for the daemon's
	Signing  string   // the part [signing] with its domains, as TOML, "": only keys of the store sign
	Mend     bool     // 8bit parts are encoded before they are signed, for an MTA that can't
	Line     int      // octets at which the MTA breaks lines after they were signed, 0: the default
}

// Config returns the configuration file. It sets what was answered and leaves
// the rest to the defaults. The error is configs.Problems.
func (a Answers) Config() ([]byte, error) {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by pratique setup. Every other key has its default: \"pratique config\" prints")
	line("# them all, with what they mean. \"pratique check\" tells what is missing.")
	line("listen = [%q]", a.Listen)
	line("state = %q", a.State)
	if a.Hostname != "" {
		line("hostname = %q", a.Hostname)
	}
	line("\n# Who may send: the clients that the MTA relays for.\n[access]")
	line("networks = [%s]", quoted(a.Networks))
	if a.Group != "" {
		line("\n# Postfix connects as its user postfix.\n[milter]\nsocket_group = %q", a.Group)
	}
	line("\n[scanning]")
	if a.Clamd == "" {
		line("# Mail is not scanned. With clamd: clamd = \"unix:/run/clamav/clamd.ctl\"")
	}
	line("clamd = %q", a.Clamd)
	if a.Mend {
		line("\n# This MTA converts 8bit mail after it was signed where the next hop asks for\n" +
			"# it; encoded before, its signature survives.\n[survival]\nmend = true")
	}
	if a.Mend && a.Line > 0 {
		line("line_limit = %d", a.Line)
	}
	if a.Signing != "" {
		line("\n# Taken over from OpenDKIM.%s", strings.TrimRight("\n"+strings.TrimSpace(a.Signing), "\n"))
	}
	text := []byte(b.String())
	_, err := configs.Parse("the configuration that was made", text)
	return text, err
}

func quoted(list []string) string {
	words := make([]string, len(list))
	for i, text := range list {
		words[i] = fmt.Sprintf("%q", text)
	}
	return strings.Join(words, ", ")
}

// Exists is an error: there is a configuration that would be lost.
type Exists struct{ Path string }

func (e *Exists) Error() string { return e.Path + " is there already" }

// WriteConfig writes a configuration where there is none.
func WriteConfig(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of the configuration: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if os.IsExist(err) {
		return &Exists{path}
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path) // half of one would be taken for one by the next setup
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

// Owner is who the daemon runs as; nil: whoever runs the setup.
type Owner struct{ UID, GID int }

// Folder makes a folder for the daemon, with the group that may pass through it,
// -1 for the daemon's own. One that is there keeps its mode and owner.
func Folder(path string, mode fs.FileMode, owner *Owner, group int) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	const open = 0o755 // others pass through those above it
	err := os.MkdirAll(filepath.Dir(path), open)
	if err == nil {
		err = os.Mkdir(path, mode)
	}
	if err != nil {
		return fmt.Errorf("make a folder for the daemon: %w", err)
	}
	if owner == nil {
		return nil
	}
	if group < 0 {
		group = owner.GID
	}
	return os.Chown(path, owner.UID, group)
}

// Give gives a folder and all that is in it to the daemon.
func Give(path string, owner *Owner) error {
	if owner == nil {
		return nil
	}
	return filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, owner.UID, owner.GID)
	})
}

// CopyKey copies the file of a private key into a folder of the daemon, so that nobody
// else reads it. One that is there already stays.
func CopyKey(from, to string, owner *Owner) error {
	key, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy a key: %w", err)
	}
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := writeWhole(to, key); err != nil {
		return fmt.Errorf("copy a key: %w", err)
	}
	if owner == nil {
		return nil
	}
	return os.Chown(to, owner.UID, owner.GID)
}
