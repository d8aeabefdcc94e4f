package main

import (
	"context"
	"sync"

	"pratique/configs"
	"pratique/signing"
	"pratique/signing/keystore"
	"pratique/signing/records"
)

// configuredKey is a key that signs, or is to, wherever it is configured.
type configuredKey struct {
	domain   signing.Domain
	selector string
	file     string
	private  *signing.PrivateKey // nil: it can't be used
	err      error               // why
}

func (k configuredKey) record() string { return k.domain.RecordName(k.selector) }

// keyLoader loads each file once: many domains may share one.
type keyLoader map[string]loadedKey

type loadedKey struct {
	key *signing.PrivateKey
	err error
}

func (l keyLoader) load(d signing.Domain, k signing.Key) configuredKey {
	loaded, ok := l[k.File]
	if !ok {
		loaded.key, loaded.err = signing.LoadKey(k.File)
		l[k.File] = loaded
	}
	return configuredKey{domain: d, selector: k.Selector, file: k.File, private: loaded.key, err: loaded.err}
}

// everyKey returns the keys of the configuration, of its table and of the store.
func everyKey(cfg *configs.Config, store *keystore.Store) ([]configuredKey, error) {
	loader := keyLoader{}
	var all []configuredKey
	add := func(d signing.Domain) {
		for _, k := range d.Keys {
			all = append(all, loader.load(d, k))
		}
	}
	for _, d := range cfg.Signing.Domains {
		add(d)
	}
	if cfg.Signing.Table != "" {
		if err := signing.ReadTable(cfg.Signing.Table, func(_ int, d signing.Domain) error { add(d); return nil }); err != nil {
			return nil, err
		}
	}
	kept, err := store.Keys()
	if err != nil {
		return nil, keysHint(err, store)
	}
	for _, k := range kept {
		if k.State != keystore.Done { // that one is to be taken out of the DNS
			d := signing.Domain{Domain: k.Domain}
			all = append(all, loader.load(d, signing.Key{Selector: k.Selector, File: store.File(k)}))
		}
	}
	return all, nil
}

// surveysAtATime bounds the keys whose servers are asked at a time.
const surveysAtATime = 16

// survey looks for the records of the keys that can be used, each record once,
// until the context ends. The result is by the names of the records; those for
// which there was no more time are not in it.
func survey(ctx context.Context, cfg *configs.Config, keys []configuredKey) map[string]records.Survey {
	ask := authority(cfg)
	found := map[string]records.Survey{}
	var mu sync.Mutex
	var group sync.WaitGroup
	turn := make(chan struct{}, surveysAtATime)
	for name, private := range byRecord(keys) {
		turn <- struct{}{}
		group.Go(func() {
			defer func() { <-turn }()
			s := ask.Survey(ctx, name, private)
			if ctx.Err() != nil && s.State == records.Unknown {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[name] = s
		})
	}
	group.Wait()
	return found
}

// byRecord returns the keys that can be used by the names of their records.
func byRecord(keys []configuredKey) map[string]*signing.PrivateKey {
	private := map[string]*signing.PrivateKey{}
	for _, k := range keys {
		if k.private != nil {
			private[k.record()] = k.private
		}
	}
	return private
}
