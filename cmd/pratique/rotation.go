package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
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
	stored, err := store.Domains()
	if err != nil {
		return nil, nil, keysHint(err, store)
	}
	copied := *cfg
	full = &copied
	if full.Signing.Awaited, err = store.Awaiting(); err != nil {
		return nil, nil, keysHint(err, store)
	}
	full.Signing.Domains = slices.Clone(cfg.Signing.Domains)
	configured := entriesBefore(cfg, stored)
	for _, d := range stored {
		if entry, ok := configured[d.Domain]; ok {
			clashes = append(clashes, fmt.Sprintf("%s goes before the active keys of %s in %s, which do not sign; take the entry out, or remove those keys",
				entry, d.Domain, store.Folder()))
			continue
		}
		full.Signing.Domains = append(full.Signing.Domains, d)
	}
	return full, clashes, nil
}

// entriesBefore returns the places in the configuration that have keys for domains
// of the store, or for the names of their records, by the domains of the store.
func entriesBefore(cfg *configs.Config, stored []signing.Domain) map[string]string {
	if len(stored) == 0 {
		return nil
	}
	owner, found := map[string]string{}, map[string]string{}
	for _, d := range stored {
		for _, name := range namesOf(d) {
			owner[name] = d.Domain
		}
	}
	look := func(at string, d signing.Domain) {
		for _, name := range namesOf(d) {
			if domain, ok := owner[name]; ok {
				found[domain] = at
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

// namesOf returns what two entries can't both have: the From domain, and the names
// of the records.
func namesOf(d signing.Domain) []string { return append(recordsOf(d), strings.ToLower(d.Domain)) }

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

// changeWatch is how often it is looked whether a command has changed the keys.
const changeWatch = 2 * time.Second

// rotateKeys looks after the keys until the context ends, or what it returns is
// called: it moves them on by what the DNS shows, and has messages signed by those
// that are active.
func (d *daemon) rotateKeys(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var loop sync.WaitGroup
	loop.Go(func() {
		for ctx.Err() == nil {
			cfg := d.inForce()
			store := openKeys(d.env, cfg)
			keeper := keystore.NewKeeper(store, authority(cfg), cfg.Keys, d.log)
			for ctx.Err() == nil && d.inForce() == cfg {
				seen := store.Changed() // before the round, so that no change is missed
				wait := d.rotateOnce(ctx, cfg, keeper)
				awaitKeys(ctx, wait, func() bool { return store.Changed() != seen || d.inForce() != cfg })
			}
		}
	})
	return func() {
		cancel()
		loop.Wait()
	}
}

func (d *daemon) inForce() *configs.Config {
	d.using.Lock()
	defer d.using.Unlock()
	return d.cfg
}

// rotateOnce plays a round, and returns how long it is to the next one. Mail goes on
// even if a mistake in here panics.
func (d *daemon) rotateOnce(ctx context.Context, cfg *configs.Config, keeper *keystore.Keeper) (wait time.Duration) {
	defer func() {
		if v := recover(); v != nil {
			d.log.Error("panic", "in", "rotation of keys", "panic", v, "stack", string(debug.Stack()))
			wait = cfg.Keys.CheckEvery
		}
	}()
	d.takeUpKeys() // what a command did does not wait for the DNS
	sum, err := keeper.Round(ctx)
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		d.log.Error("keys can't be looked after; those in force sign on", "error", err)
		return cfg.Keys.CheckEvery
	}
	d.takeUpKeys()
	states := map[string]int{}
	for _, state := range keystore.States() {
		states[string(state)] = sum.Count()[state]
	}
	d.metrics.Keys(states, sum.Unverifiable, sum.Oldest())
	return keeper.Wait(sum.Keys)
}

// takeUpKeys has new messages signed by the active keys, if those are others now.
func (d *daemon) takeUpKeys() {
	if err := d.useKeys(); err != nil {
		d.log.Error("the active keys can't be used; those in force sign on", "error", err)
	}
}

func (d *daemon) useKeys() error {
	d.using.Lock()
	defer d.using.Unlock()
	full, _, err := withStoredKeys(d.cfg, openKeys(d.env, d.cfg))
	if err != nil || reflect.DeepEqual(full.Signing, d.signing) {
		return err
	}
	same := reflect.DeepEqual(full.Signing.Domains, d.signing.Domains)
	if err := d.put(d.cfg, full); err != nil || same {
		return err
	}
	d.log.Info("keys have changed: new messages are signed by these", "keys", recordsOf(full.Signing.Domains...))
	return nil
}

// awaitKeys waits for the next round: for the time, or a change of the keys by a
// command or of the configuration. A tenth of the time is left to chance, so that
// many daemons do not ask at once.
func awaitKeys(ctx context.Context, wait time.Duration, changed func() bool) {
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
			if changed() {
				return
			}
		}
	}
}
