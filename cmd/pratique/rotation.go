package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"pratique/configs"
	"pratique/signing"
	"pratique/signing/keystore"
	"pratique/signing/records"
)

// withStoredKeys returns the configuration with the active keys of the store behind
// its own. Where both have keys for a domain, those of the configuration sign, and
// clashes says so.
func withStoredKeys(cfg *configs.Config, store *keystore.Store) (full *configs.Config, clashes []string, err error) {
	keys, err := store.Keys()
	if err != nil {
		return nil, nil, keysHint(err, store)
	}
	full, clashes = withKeys(cfg, store, keys)
	return full, clashes, nil
}

// withKeys is withStoredKeys with these keys in the store.
func withKeys(cfg *configs.Config, store *keystore.Store, keys []keystore.Key) (full *configs.Config, clashes []string) {
	copied := *cfg
	full = &copied
	full.Signing.Awaited = slices.ContainsFunc(keys, keystore.Key.Awaited)
	full.Signing.Domains = slices.Clone(cfg.Signing.Domains)
	stored := withSubdomains(store.DomainsOf(keys), cfg.Keys.Subdomains)
	before := entriesBefore(cfg, stored)
	for _, d := range stored {
		if entry := before.of(d); entry != "" {
			clashes = append(clashes, fmt.Sprintf("%s goes before the active keys of %s in %s, which do not sign; take the entry out, or remove those keys",
				entry, d.Domain, store.Folder()))
			continue
		}
		full.Signing.Domains = append(full.Signing.Domains, d)
	}
	return full, clashes
}

// withSubdomains has the keys of some domains sign for what is below these, too.
func withSubdomains(stored []signing.Domain, wanted []string) []signing.Domain {
	all := slices.Clone(stored)
	for _, d := range stored {
		if slices.ContainsFunc(wanted, func(name string) bool { return strings.EqualFold(name, d.Domain) }) {
			all = append(all, signing.Domain{Domain: "*." + d.Domain, Keys: d.Keys})
		}
	}
	return all
}

// entries are places in the configuration, by what they have there that the store
// has too: a From domain, or the name of a record for another key.
type entries map[string]string

func entriesBefore(cfg *configs.Config, stored []signing.Domain) entries {
	if len(stored) == 0 {
		return nil
	}
	owned, found := map[string]string{}, entries{}
	for _, d := range stored {
		maps.Copy(owned, namesOf(d))
	}
	look := func(at string, d signing.Domain) {
		for name, file := range namesOf(d) {
			if own, ok := owned[name]; ok && (file == "" || file != own) {
				found[name] = at
			}
		}
	}
	for i, d := range cfg.Signing.Domains {
		at := cfg.Problem(fmt.Sprintf("signing.domains[%d]", i), "").String()
		look(strings.TrimSuffix(at, ": "), d)
	}
	if table := cfg.Signing.Table; table != "" {
		// What is wrong with the table is for the signer to say.
		_ = signing.ReadTable(table, func(line int, d signing.Domain) error {
			look(fmt.Sprintf("%s:%d", table, line), d)
			return nil
		})
	}
	return found
}

// of returns the place that excludes an entry of the store, or "".
func (e entries) of(d signing.Domain) string {
	for name := range namesOf(d) {
		if at, ok := e[name]; ok {
			return at
		}
	}
	return ""
}

// namesOf returns what two entries can't both have: the From domain, and the names
// of the records, each with the file of its key.
func namesOf(d signing.Domain) map[string]string {
	names := map[string]string{strings.ToLower(d.Domain): ""}
	for _, k := range d.Keys {
		names[d.RecordName(k.Selector)] = k.File
	}
	return names
}

func recordsOf(domains ...signing.Domain) []string {
	names := []string{}
	for _, d := range domains {
		for _, k := range d.Keys {
			names = append(names, d.RecordName(k.Selector))
		}
	}
	return names
}

// authority asks the servers that the configuration leads to.
func authority(cfg *configs.Config) *records.Authority {
	return records.New(records.Options{Resolver: cfg.DNS.Resolver, Authoritative: cfg.DNS.Authoritative})
}

// rotateKeys looks after the keys until the context ends, or what it returns is
// called: it moves them on by what the DNS shows, and has messages signed by those
// that are active.
func (d *daemon) rotateKeys(ctx context.Context) (stop func()) {
	return d.beside(ctx, "rotation of keys", func(ctx context.Context) {
		for ctx.Err() == nil {
			r := d.newRotation(d.inForce())
			for ctx.Err() == nil && d.inForce() == r.cfg {
				seen := r.store.Changed() // before the round, so that no change is missed
				wait := r.once(ctx)
				r.await(ctx, wait, seen)
			}
		}
	})
}

func (d *daemon) inForce() *configs.Config {
	d.using.Lock()
	defer d.using.Unlock()
	return d.cfg
}

// rotation looks after the keys under one configuration.
type rotation struct {
	*daemon
	cfg    *configs.Config
	store  *keystore.Store
	keeper *keystore.Keeper
}

func (d *daemon) newRotation(cfg *configs.Config) *rotation {
	r := &rotation{daemon: d, cfg: cfg, store: openKeys(d.env, cfg)}
	r.keeper = keystore.NewKeeper(r.store, authority(cfg), cfg.Keys, r.use, d.log)
	return r
}

// once plays a round, and returns how long it is to the next one. Mail goes on even
// if a mistake in here panics.
func (r *rotation) once(ctx context.Context) (wait time.Duration) {
	defer func() {
		if v := recover(); v != nil {
			r.log.Error("panic", "in", "rotation of keys", "panic", v, "stack", string(debug.Stack()))
			wait = r.cfg.Keys.CheckEvery
		}
	}()
	sum, err := r.round(ctx)
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		r.log.Error("keys can't be looked after; those in force sign on", "error", err)
		return r.cfg.Keys.CheckEvery
	}
	states := map[string]int{}
	for _, state := range keystore.States() {
		states[string(state)] = sum.Count()[state]
	}
	r.metrics.Keys(states, sum.Unverifiable, sum.Oldest())
	return r.keeper.Wait(sum.Keys)
}

func (r *rotation) round(ctx context.Context) (keystore.Summary, error) {
	keys, err := r.store.Keys()
	if err != nil {
		return keystore.Summary{}, err
	}
	if err := r.use(keys); err != nil { // what a command did does not wait for the DNS
		return keystore.Summary{}, err
	}
	return r.keeper.Round(ctx)
}

// use has new messages signed by the keys that are active, if those are others now.
func (r *rotation) use(keys []keystore.Key) error {
	r.using.Lock()
	defer r.using.Unlock()
	if r.daemon.cfg != r.cfg {
		return errors.New("the configuration has changed meanwhile")
	}
	full, _ := withKeys(r.cfg, r.store, keys)
	if reflect.DeepEqual(full.Signing, r.signing) {
		return nil
	}
	same := reflect.DeepEqual(full.Signing.Domains, r.signing.Domains)
	if err := r.put(r.cfg, full); err != nil || same {
		return err
	}
	r.log.Info("keys have changed: new messages are signed by these", "keys", recordsOf(full.Signing.Domains...))
	return nil
}

// changeWatch is how often it is looked whether a command has changed the keys.
const changeWatch = 2 * time.Second

// await waits for the next round: for the time, or a change of the keys by a command
// or of the configuration. A tenth of the time is left to chance, so that many
// daemons do not ask at once.
func (r *rotation) await(ctx context.Context, wait time.Duration, seen time.Time) {
	timer := time.NewTimer(wait + rand.N(wait/10+1))
	defer timer.Stop()
	look := time.NewTicker(changeWatch)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-look.C:
			if r.store.Changed() != seen || r.inForce() != r.cfg {
				return
			}
		}
	}
}
