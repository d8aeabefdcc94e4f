package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"pratique/configs"
	"pratique/configs/setup"
	"pratique/posture/mta"
	"pratique/signing/keystore"
)

// setupOptions are the flags of setup.
type setupOptions struct {
	config, state, postfix, sendmail string
	listen, hostname, clamd, user    string
	opendkim                         string
	domains, networks                []string
	apply, undo, yes, noDNS          bool
}

// setUp makes a working installation out of nothing: a configuration, keys, the
// records to publish, and the lines for the MTA. What is there already it leaves
// and builds on, so that it can be run again.
func setUp(e *env, args []string) (int, error) {
	o := setupOptions{}
	fs := e.flags("setup")
	fs.StringVar(&o.config, "config", defaultConfig, "the configuration `file` to write")
	fs.StringVar(&o.state, "state", "", "the state `folder` (default /var/lib/pratique)")
	fs.StringVar(&o.postfix, "postfix", "", "the `folder` of main.cf (default: where it usually is)")
	fs.StringVar(&o.sendmail, "sendmail", "", "sendmail's cf or mc `file`, in place of Postfix")
	fs.StringVar(&o.listen, "listen", "", "where the milter listens: unix:/path or inet:host:port")
	fs.StringVar(&o.hostname, "hostname", "", "the full name of this host (default: Postfix's myhostname)")
	fs.StringVar(&o.clamd, "clamd", "", "clamd: unix:/path, tcp:host:port or off (default: where it is found)")
	fs.StringVar(&o.opendkim, "opendkim", "", "OpenDKIM's configuration `file`, whose domains and keys are taken over, or off (default: where it is found)")
	fs.StringVar(&o.user, "user", "", "the user that the daemon runs as (default: pratique, if there is one)")
	fs.Func("domain", "a `domain` whose mail is to be signed; may be given several times", appendTo(&o.domains))
	fs.Func("network", "a `network` whose clients may send; may be given several times", appendTo(&o.networks))
	fs.BoolVar(&o.apply, "apply", false, "change Postfix, once the milter answers")
	fs.BoolVar(&o.undo, "undo", false, "give Postfix its settings back")
	fs.BoolVar(&o.yes, "yes", false, "ask nothing: take what is proposed")
	fs.BoolVar(&o.noDNS, "no-dns", false, "do not look at the DNS when it is checked")
	if err := e.parse(fs, args, 0, 0); err != nil {
		return 0, err
	}
	if err := o.settle(); err != nil {
		return 0, err
	}
	ctx := context.Background()
	if o.undo {
		return undoSetup(ctx, e, o)
	}
	return newInstaller(e, o).run(ctx)
}

// settle refuses flags that do not go together, and makes paths absolute: they go
// into the configuration and the record of what was changed, which are read from anywhere.
func (o *setupOptions) settle() error {
	switch {
	case o.postfix != "" && o.sendmail != "":
		return errors.New("--postfix and --sendmail are two MTAs: set up one after the other")
	case o.undo && o.apply:
		return errors.New("--apply changes Postfix and --undo takes that back: one of them is meant")
	}
	for _, path := range []*string{&o.config, &o.state, &o.postfix, &o.sendmail, &o.opendkim} {
		if *path == "" || path == &o.opendkim && *path == "off" {
			continue
		}
		var err error
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
	}
	return nil
}

func appendTo(list *[]string) func(string) error {
	return func(text string) error {
		*list = append(*list, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })...)
		return nil
	}
}

// installer is one run of setup.
type installer struct {
	*printer
	e       *env
	o       setupOptions
	ask     *dialogue
	postfix *mta.Postfix // nil: another MTA
	owner   *setup.Owner
	cfg     *configs.Config
	old     *takenOver // nil: no OpenDKIM is taken over
}

func newInstaller(e *env, o setupOptions) *installer {
	return &installer{printer: &printer{w: e.stdout}, e: e, o: o, ask: newDialogue(e, o.yes)}
}

// run goes through the steps of an installation. Each leaves what it finds done.
func (in *installer) run(ctx context.Context) (int, error) {
	for _, step := range []func(context.Context) error{in.findMTA, in.findOwner, in.configure, in.makeKeys, in.wire} {
		if err := step(ctx); err != nil {
			return 0, err
		}
	}
	if in.err != nil {
		return 0, in.err
	}
	if !in.o.apply {
		return exitClean, nil
	}
	in.line("\nWhat pratique check says:")
	args := []string{"--config", in.o.config}
	if in.o.noDNS {
		args = append(args, "--no-dns")
	}
	return check(in.e, args)
}

// findMTA looks which MTA is there.
func (in *installer) findMTA(ctx context.Context) error {
	folder, sendmail := in.o.postfix, in.o.sendmail
	if folder == "" && sendmail == "" {
		folder, sendmail = findMTA()
	}
	if folder == "" {
		in.o.sendmail = sendmail
		in.line("MTA         %s", map[bool]string{true: "none found", false: "sendmail, " + sendmail}[sendmail == ""])
		return nil
	}
	p, err := mta.LoadPostfix(ctx, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return hint(err, "--postfix names the folder of main.cf; a fresh Postfix gets one from: dpkg-reconfigure postfix, or its package")
	}
	if err != nil {
		return withPermissionHint(err)
	}
	in.postfix = p
	in.line("MTA         Postfix %s, %s", p.Version, folder)
	if milters := p.Milters(); len(milters) > 0 {
		in.line("            its milters now: %s", strings.Join(milters, ", "))
	}
	return nil
}

// findOwner looks who the daemon runs as.
func (in *installer) findOwner(context.Context) error {
	if os.Geteuid() != 0 {
		return nil // it will be who runs this
	}
	name := in.o.user
	if name == "" {
		name = "pratique"
	}
	u, err := user.Lookup(name)
	if err != nil && in.o.user == "" {
		in.line("user        root: there is no user pratique. To have one, before anything else:")
		in.line("            useradd --system --user-group --home-dir /var/lib/pratique --shell /usr/sbin/nologin%s pratique", in.groupFlag())
		return nil
	}
	if err != nil {
		return fmt.Errorf("find the user of the daemon: %w", err)
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	in.owner = &setup.Owner{UID: uid, GID: gid}
	in.line("user        %s", name)
	if groups, err := u.GroupIds(); err == nil && in.groupFlag() != "" && !slices.Contains(groups, postfixGroup()) {
		in.line("            it may not give the socket to Postfix yet: usermod -a -G postfix %s", name)
	}
	return errors.Join(uerr, gerr)
}

// groupFlag puts a new user of the daemon into the group of Postfix, to which it gives the socket.
func (in *installer) groupFlag() string {
	if in.postfix == nil || postfixGroup() == "" {
		return ""
	}
	return " -G postfix"
}

// postfixGroup is the number of the group of Postfix, "" without one.
func postfixGroup() string {
	g, err := user.LookupGroup("postfix")
	if err != nil {
		return ""
	}
	return g.Gid
}

// configure writes the configuration, unless there is one.
func (in *installer) configure(context.Context) error {
	if _, err := os.Stat(in.o.config); err == nil {
		return in.useConfig()
	}
	answers, err := in.answers()
	if err != nil {
		return err
	}
	text, err := answers.Config()
	if err != nil {
		return err
	}
	in.line("\n%s:\n\n%s", in.o.config, indent(string(text)))
	if yes, err := in.ask.confirm("Write this configuration?", true); err != nil || !yes {
		return errors.Join(err, errDeclined(yes))
	}
	if err := in.folders(answers); err != nil {
		return err
	}
	if err := in.old.copyKeys(in.owner); err != nil {
		return withPermissionHint(err)
	}
	if err := setup.WriteConfig(in.o.config, text); err != nil {
		return withPermissionHint(err)
	}
	in.line("written     %s", in.o.config)
	in.cfg, err = configs.Load(in.o.config)
	return err
}

func (in *installer) useConfig() (err error) {
	if in.cfg, err = configs.Load(in.o.config); err != nil {
		return err
	}
	in.line("configuration %s is there and stays as it is", in.o.config)
	return nil
}

func errDeclined(yes bool) error {
	if yes {
		return nil
	}
	return errors.New("nothing was changed")
}

// folders makes those that the daemon needs.
func (in *installer) folders(a setup.Answers) error {
	if err := setup.Folder(a.State, 0o750, in.owner, -1); err != nil {
		return withPermissionHint(err)
	}
	socket, isUnix := strings.CutPrefix(a.Listen, "unix:")
	if !isUnix {
		return nil
	}
	group := -1
	if g, err := user.LookupGroup(a.Group); err == nil {
		group, _ = strconv.Atoi(g.Gid)
	}
	owner := in.owner
	if owner == nil && os.Geteuid() == 0 {
		owner = &setup.Owner{}
	}
	return withPermissionHint(setup.Folder(filepath.Dir(socket), 0o750, owner, group))
}

// makeKeys makes keys for the domains that have none, and prints all records that are to be published.
func (in *installer) makeKeys(ctx context.Context) error {
	store := openKeys(in.e, in.cfg)
	keys, err := store.Keys()
	if err != nil {
		return keysHint(err, store)
	}
	for _, domain := range in.o.domains {
		if slices.ContainsFunc(keys, func(k keystore.Key) bool { return strings.EqualFold(k.Domain, domain) }) || signs(in.cfg, domain) {
			in.line("keys        %s has its keys", domain)
			continue
		}
		made, err := store.New(ctx, domain, "", keystore.Kind{Type: keystore.RSA}, keystore.Kind{Type: keystore.Ed25519})
		if err != nil {
			return keysHint(err, store)
		}
		if err := setup.Give(store.Folder(), in.owner); err != nil {
			return err
		}
		in.line("")
		if in.err == nil {
			in.err = announce(in.e.stdout, store, made, in.cfg.Keys.ActivateAfter)
		}
	}
	return nil
}

// signs reports whether the configuration itself has keys for a domain.
func signs(cfg *configs.Config, domain string) bool {
	for _, d := range cfg.Signing.Domains {
		if strings.EqualFold(d.Domain, domain) {
			return true
		}
	}
	return false
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}
