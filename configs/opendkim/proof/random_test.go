package proof

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pratique/configs/opendkim"
)

// dice writes configurations of which nobody thought.
type dice struct{ *rand.Rand }

func (d dice) of(words ...string) string { return words[d.IntN(len(words))] }

// tables returns a KeyTable and a SigningTable in which every key that is named is
// there, and the rest is anything.
func (d dice) tables(pattern bool) (keys, rules string) {
	var k, r strings.Builder
	names := []string{"org", "com", "news", "shop"}
	for i, name := range names {
		domain := d.of("example.org", "example.com", "shop.example", "sub.example.org", "%")
		fmt.Fprintf(&k, "%s%s%s:s%d:@DIR/%s.pem\n", name, d.of(" ", "\t", "  \t"), domain, i, name)
	}
	for range 1 + d.IntN(8) {
		domain := d.of("example.org", "example.com", "shop.example", "sub.example.org", "lists.example.com", "org")
		address := d.of(domain, domain, "."+domain, "."+domain, "a@"+domain, "a@."+domain, "news@*", "*", "*@"+domain)
		if pattern {
			address = d.of("*@"+domain, "*@*."+domain, "*."+domain, "a@"+domain, "*"+domain, domain, "news@*", "*")
		}
		signer := d.of("", "", "", ":@%", ":%", ":@example.org", ":x@sub.example.org")
		fmt.Fprintf(&r, "%s%s%s%s%s\n", address, d.of(" ", "\t"), d.of(names...), signer, d.of("", "", " # a comment", "\r"))
	}
	return k.String(), r.String()
}

// sensible returns tables as people write them, of which nothing should be lost.
func (d dice) sensible(pattern bool) (keys, rules string) {
	var r strings.Builder
	for range 1 + d.IntN(8) {
		domain := d.of("example.org", "example.com", "shop.example", "sub.example.org", "lists.example.com")
		address := d.of(domain, "."+domain)
		if pattern {
			address = d.of("*@"+domain, "*@*."+domain, "*."+domain)
		}
		key := map[string]string{"example.com": "com", "lists.example.com": "com", "shop.example": "shop"}[domain]
		if key == "" {
			key = d.of("org", "org", "org", "news")
		}
		fmt.Fprintf(&r, "%s\t%s\n", address, key)
	}
	return "org example.org:s0:@DIR/org.pem\ncom example.com:s1:@DIR/com.pem\nnews example.org:s2:@DIR/news.pem\nshop shop.example:s3:@DIR/shop.pem\n", r.String()
}

// conf returns an opendkim.conf and its tables.
func (d dice) conf(sensible bool) (conf, keys, rules string) {
	var c strings.Builder
	form := d.of("file:", "refile:", "")
	keys, rules = d.tables(form == "refile:")
	networks := []string{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "[10.1.0.0]/16", "10.1.9.9", "10.2.0.0/15", "::/0", "::1", "0.0.0.0/0", "198.51.100.1/32", "localhost"}
	if sensible {
		keys, rules = d.sensible(form == "refile:")
	} else {
		networks = append(networks, "10.1.2.3/16", "10.1")
	}
	c.WriteString("Socket inet:8891@127.0.0.1\n")
	fmt.Fprintf(&c, "%s @DIR/KeyTable\nSigningTable %s@DIR/SigningTable\n", d.of("KeyTable", "keytable", "KEYTABLE\t"), form)
	fmt.Fprintf(&c, "MultipleSignatures %s\nMode s\nMode %s\n", d.of("yes", "no", "1", "False"), d.of("s", "sv"))
	fmt.Fprintf(&c, "Canonicalization %s\n", d.of("simple", "relaxed", "relaxed/simple", "Simple/Relaxed"))
	hosts := []string{"127.0.0.1"}
	for range d.IntN(6) {
		host := d.of(networks...)
		hosts = append(hosts, d.of("", "", "!")+host)
	}
	d.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	fmt.Fprintf(&c, "InternalHosts csl:%s\n", strings.Join(hosts, d.of(",", ", ", " ,")))
	if d.IntN(3) == 0 {
		fmt.Fprintf(&c, "PeerList %s\n", d.of("10.1.0.0/16", "10.0.0.0/8,!10.1.2.3", "127.0.0.1"))
	}
	return c.String(), keys, rules
}

// No configuration makes OpenDKIM do other than is predicted; and where the translation
// says that all was taken over, it signs as OpenDKIM does.
func TestRandomTablesBesideTheRealOpenDKIM(t *testing.T) {
	w := newWorld(t)
	letters := w.corpus(t)
	const seeds = 40
	whole := 0
	for seed := range uint64(seeds) {
		conf, keys, rules := dice{rand.New(rand.NewPCG(seed, 7))}.conf(seed%2 == 0)
		w.write(t, "KeyTable", keys)
		w.write(t, "SigningTable", rules)
		tr := w.translate(t, conf)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			complete := true
			for _, n := range tr.Notes {
				complete = complete && (n.Kind == opendkim.Fine || n.Setting == "Mode" || n.Setting == "PeerList")
			}
			if complete {
				whole++
			}
			real, model := prover(t, tr, start(t, tr)), prover(t, tr, nil)
			for _, l := range letters {
				v, m := prove(t, real, l), prove(t, model, l)
				if !alike(m.Theirs, v.Theirs) {
					t.Errorf("From %s, %+v: predicted %v, but OpenDKIM %v", fromOf(t, l), l.Client, m.Theirs, v.Theirs)
				}
				if complete && len(v.Differences) > 0 {
					t.Errorf("From %s, %+v: not noted: %s", fromOf(t, l), l.Client, v.Differences)
				}
			}
			if t.Failed() {
				t.Logf("%s\n%s\n%s\nnotes %v", conf, keys, rules, tr.Notes)
			}
		})
	}
	if !t.Failed() && whole < 5 {
		t.Errorf("%d were taken over whole, so that little was compared", whole)
	}
}

// Golden configurations are started as they are, but for their keys.
func TestOpenDKIMTakesWhatIsDeciding(t *testing.T) {
	for _, name := range []string{"debian", "verify"} {
		root, err := filepath.Abs(filepath.Join("../testdata/golden", name))
		if err != nil {
			t.Fatal(err)
		}
		tr, err := opendkim.Translate(os.DirFS(root), "/etc/opendkim.conf")
		if err != nil {
			t.Fatal(err)
		}
		d, err := Start(context.Background(), tr.Deciding())
		if errors.Is(err, ErrNotInstalled) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
			t.Skip(err)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}
