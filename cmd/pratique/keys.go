package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"pratique/configs"
	"pratique/signing/keystore"
)

// keysCommands are the subcommands of keys, one file each.
func keysCommands() []command {
	return []command{
		{"new", "DOMAIN [--type rsa|ed25519] [--bits N] [--selector S]", "make the first keys of a domain", keysNew},
		{"dns", "[DOMAIN] [--format zone|plain|json]", "print the records to publish", keysDNS},
		{"list", "[DOMAIN] [--json] [--no-dns]", "list the keys, their states, what the DNS shows and what comes next", keysList},
		{"rotate", "DOMAIN [--type rsa|ed25519]", "make successors of the active keys of a domain", keysRotate},
		{"check", "[DOMAIN] [--json]", "compare every key with its record at all authoritative servers", keysCheck},
		{"remove", "DOMAIN SELECTOR [--force]", "delete a key that is done", keysRemove},
	}
}

// keys runs one of its subcommands.
func keys(e *env, args []string) (int, error) {
	if len(args) == 0 {
		keysUsage(e.stderr)
		return exitFailure, nil
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		keysUsage(e.stdout)
		return exitClean, nil
	}
	for _, c := range keysCommands() {
		if c.name == args[0] {
			return c.run(e, args[1:])
		}
	}
	return 0, hint(fmt.Errorf("there is no command \"keys %s\"", args[0]), "pratique keys help lists them")
}

func keysUsage(w io.Writer) {
	fmt.Fprintf(w, "Keys that pratique makes, and rotates as their records appear in the DNS.\n\nUsage:\n")
	for _, c := range keysCommands() {
		fmt.Fprintf(w, "  pratique keys %s\n        %s\n", c.name+" "+c.args, c.does)
	}
}

// parseNames parses the arguments of a subcommand of keys: flags may stand before
// and behind the names. It returns what stands for each of the names, "" for those
// behind the first least ones that are not there.
func (e *env) parseNames(fs *flag.FlagSet, args []string, least int, names ...string) ([]string, error) {
	var given []string
	for {
		if err := e.parse(fs, args, 0, -1); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			break
		}
		given, args = append(given, fs.Arg(0)), fs.Args()[1:]
	}
	if len(given) > len(names) {
		return nil, fmt.Errorf("%s: unexpected argument %q", fs.Name(), given[len(names)])
	}
	if len(given) < least {
		return nil, fmt.Errorf("%s needs a %s", fs.Name(), strings.Join(names[len(given):least], " and a "))
	}
	return append(given, make([]string, len(names)-len(given))...), nil
}

func openKeys(e *env, cfg *configs.Config) *keystore.Store {
	return keystore.Open(cfg.Keys.FolderIn(cfg.State), e.now)
}

// loadKeys reads the configuration and opens the keys that it leads to.
func loadKeys(e *env, path string) (*configs.Config, *keystore.Store, error) {
	cfg, err := loadConfig(path)
	if err != nil {
		return nil, nil, err
	}
	return cfg, openKeys(e, cfg), nil
}

// keysHint says what to do about what stands in the way of keys.
func keysHint(err error, store *keystore.Store) error {
	var taken *keystore.Taken
	var none *keystore.NotFound
	var notDone *keystore.NotDone
	switch {
	case errors.As(err, &taken) && taken.By == (keystore.Key{}):
		return hint(err, "choose another selector, or leave --selector out: it is made from the date then")
	case errors.As(err, &taken) && taken.By.State == keystore.Active:
		return hint(err, "pratique keys rotate "+taken.By.Domain+" makes successors")
	case errors.As(err, &taken):
		return hint(err, fmt.Sprintf("pratique keys dns %s prints its record; pratique keys remove --force %[1]s %s gives it up", taken.By.Domain, taken.By.Selector))
	case errors.As(err, &notDone):
		return hint(err, removeHint(notDone.Key))
	case errors.As(err, &none):
		return hint(err, "pratique keys list shows what there is in "+store.Folder())
	case errors.Is(err, fs.ErrPermission):
		return hint(err, "run it as the user of the daemon, or as root")
	}
	return err
}

// chosen returns the keys of a domain, or all of them.
func chosen(store *keystore.Store, domain string) ([]keystore.Key, error) {
	all, err := store.Keys()
	if err != nil {
		return nil, keysHint(err, store)
	}
	if domain == "" {
		return all, nil
	}
	var of []keystore.Key
	for _, k := range all {
		if strings.EqualFold(k.Domain, strings.TrimSuffix(domain, ".")) {
			of = append(of, k)
		}
	}
	if of == nil {
		return nil, hint(fmt.Errorf("there is no key of %s in %s", domain, store.Folder()), "pratique keys new "+domain+" makes the first ones")
	}
	return of, nil
}
