package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pratique/configs/opendkim"
	"pratique/configs/setup"
	"pratique/posture/mta"
	"pratique/signing"
)

// openDKIMFiles are where OpenDKIM is configured, the first one that is there.
var openDKIMFiles = []string{"/etc/opendkim.conf", "/etc/opendkim/opendkim.conf", "/usr/local/etc/mail/opendkim.conf"}

// takenOver is what becomes of an OpenDKIM whose domains and keys are signed with from now on.
type takenOver struct {
	*opendkim.Translation
	signing string            // as TOML
	copies  map[string]string // of key files: where they are, where they go
}

// readOpenDKIM reads the OpenDKIM that is named or found, nil where none signs anything.
func (in *installer) readOpenDKIM() (*opendkim.Translation, error) {
	file := in.o.opendkim
	if file == "" {
		i := slices.IndexFunc(openDKIMFiles, func(path string) bool { _, err := os.Stat(path); return err == nil })
		if i < 0 {
			return nil, nil
		}
		file = openDKIMFiles[i]
	}
	if file == "off" {
		return nil, nil
	}
	t, err := opendkim.Translate(os.DirFS("/"), file)
	switch {
	case err != nil:
		return nil, withPermissionHint(err)
	case len(t.Config.Signing.Domains) > 0:
		return t, nil
	case in.o.opendkim != "":
		return nil, hint(fmt.Errorf("%s signs nothing that can be taken over", file), "pratique import opendkim "+file+" tells why")
	}
	return nil, nil
}

// takeOver offers to go on with the domains and keys of an OpenDKIM in place of new ones,
// whose records are published and known. Its keys are copied: the daemon is another user.
func (in *installer) takeOver(state string) error {
	t, err := in.readOpenDKIM()
	if err != nil && in.o.opendkim == "" {
		in.line("OpenDKIM    %v; pratique import opendkim can take it over later", err)
		return nil
	}
	if t == nil || err != nil {
		return err
	}
	in.line("OpenDKIM    %s: %d domains with their keys", t.Source, len(t.Config.Signing.Domains))
	if yes, err := in.ask.confirm("Take its domains and keys over?", true); err != nil || !yes {
		return err
	}
	printNotes(in.e.stdout, t)
	old := &takenOver{Translation: t, copies: map[string]string{}}
	for i := range t.Config.Signing.Domains {
		d := &t.Config.Signing.Domains[i]
		for j := range d.Keys {
			d.Keys[j].File = old.copied(d.Keys[j].File, filepath.Join(state, "opendkim", d.Keys[j].Selector+"._domainkey."+strings.TrimPrefix(d.SigningDomain(), "*.")+".pem"))
		}
	}
	var text strings.Builder
	if err := t.WriteSigning(&text); err != nil {
		return err
	}
	old.signing = text.String()
	in.old = old
	return nil
}

// copied notes where a key goes. One key may be that of many domains.
func (old *takenOver) copied(from, to string) string {
	if there, known := old.copies[from]; known {
		return there
	}
	old.copies[from] = to
	return to
}

// networks adds OpenDKIM's clients to those that are proposed.
func (old *takenOver) networks(proposed []string) []string {
	for _, n := range old.Config.Access.Networks {
		if !slices.Contains(proposed, n) {
			proposed = append(proposed, n)
		}
	}
	return proposed
}

func (old *takenOver) copyKeys(owner *setup.Owner) error {
	if old == nil {
		return nil
	}
	for from, to := range old.copies {
		err := setup.Folder(filepath.Dir(to), 0o700, owner, -1)
		if err = errors.Join(err, setup.CopyKey(from, to, owner)); err != nil {
			return err
		}
	}
	return nil
}

// tellOpenDKIM tells how an OpenDKIM whose domains are signed here is taken out of Postfix.
func (in *installer) tellOpenDKIM(settings []mta.Setting) {
	t := in.signingTwice()
	if t == nil {
		return
	}
	out := in.postfix.With(settings).Without(t.Socket())
	if len(out) == 0 {
		return
	}
	in.line("\nOpenDKIM signs as well. Once mail has the signatures of both, take it out:\n")
	for _, s := range out {
		in.line("    %s", in.postfix.Command(s))
	}
	if t.Verifies() {
		in.line("    # It also verifies what comes in. To keep that, leave it, with Mode v in %s", t.Source)
	}
}

// signingTwice returns an OpenDKIM that signs for a domain that is signed here, nil without one.
func (in *installer) signingTwice() *opendkim.Translation {
	t := in.old.translation()
	if t == nil {
		var err error
		if t, err = in.readOpenDKIM(); err != nil {
			return nil
		}
	}
	if t == nil || !slices.ContainsFunc(t.Config.Signing.Domains, func(d signing.Domain) bool { return signs(in.cfg, d.Domain) }) {
		return nil
	}
	return t
}

func (old *takenOver) translation() *opendkim.Translation {
	if old == nil {
		return nil
	}
	return old.Translation
}
