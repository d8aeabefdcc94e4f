package proof

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pratique/configs/opendkim"
)

// world is a folder with keys, tables and a corpus.
type world struct{ dir string }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{t.TempDir()}
	for _, name := range []string{"org", "com", "news", "shop"} {
		key, err := rsa.GenerateKey(rand.Reader, 1024) // the least that OpenDKIM signs with
		if err != nil {
			t.Fatal(err)
		}
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		w.write(t, name+".pem", string(pem.EncodeToMemory(block)))
	}
	return w
}

// write writes a file in which @ stands for the folder.
func (w world) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "@DIR", w.dir)), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w world) translate(t *testing.T, conf string) *opendkim.Translation {
	t.Helper()
	w.write(t, "opendkim.conf", conf)
	tr, err := opendkim.Translate(os.DirFS("/"), filepath.Join(w.dir, "opendkim.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// senders are the From fields of the corpus, and clients those who send them.
var (
	senders = []string{
		"a@example.org", "A@EXAMPLE.ORG", "\"Doe, J.\" <a@example.org>", "a@sub.example.org", "a@deep.sub.example.org",
		"a@example.com", "news@example.com", "a@lists.example.com", "a@shop.example", "a@x.shop.example",
		"a@other.example", "a@notexample.org", "a@exempt.example.org", "no address", "a@example.org, b@example.com",
	}
	clients = []string{
		"client=127.0.0.1", "client=::1", "client=10.1.2.3", "client=10.1.9.9", "client=10.2.0.1",
		"client=198.51.100.1", "client=198.51.100.1 login=shop",
	}
)

// corpus writes a letter of each sender from the first client, and one of the first
// sender and of a few others from each client; and one with everything in its header.
func (w world) corpus(t *testing.T) []Letter {
	t.Helper()
	var lines strings.Builder
	put := func(from, client, more, body string) {
		name := fmt.Sprintf("%02d.eml", strings.Count(lines.String(), "\n"))
		w.write(t, "corpus/"+name, "From: "+from+"\nTo: b@example.net\nSubject: a test\nDate: Mon, 2 Mar 2026 10:00:00 +0000\n"+more+"\n"+body)
		fmt.Fprintf(&lines, "%s %s sender=bounce@example.org\n", name, client)
	}
	for _, from := range senders {
		put(from, clients[0], "", "text\n")
	}
	for _, client := range clients[1:] {
		put(senders[0], client, "", "text\n")
		put(senders[8], client, "", "text\n")
	}
	put(senders[0], clients[0], "Reply-To: c@example.org\nCc: d@example.net\nList-Id: <l.example.org>\nReferences: <1@x>\nIn-Reply-To: <1@x>\nX-Other: y\nMessage-ID: <2@example.org>\n", "")
	put(senders[0], clients[0], "MIME-Version: 1.0\nContent-Type: text/plain;\n charset=utf-8\nSender: s@example.org\nComments: x\n", strings.Repeat("line\n", 5000))
	w.write(t, "corpus/manifest", "# who sent what\n"+lines.String())
	letters, err := ReadCorpus(filepath.Join(w.dir, "corpus"))
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// start starts OpenDKIM with what the translation leaves of its configuration.
func start(t *testing.T, tr *opendkim.Translation) *Daemon {
	t.Helper()
	d, err := Start(context.Background(), tr.Deciding())
	if errors.Is(err, ErrNotInstalled) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// configurations, with the differences that are expected, by From and client, as "*" of
// one of them. Anything else is a mistake in the translation.
var configurations = map[string]struct {
	conf, keys, signing string
	want                map[string]string
}{
	"one key": {
		conf: "Mode sv\nCanonicalization relaxed/simple\nOversignHeaders From\nDomain example.org,shop.example\nSubDomains yes\nSelector S1\nKeyFile @DIR/org.pem\n" +
			"SignatureTTL 3600\nExemptDomains exempt.example.org\nInternalHosts csl:127.0.0.1,::1,10.0.0.0/8,!10.1.0.0/16,10.1.2.3\nPeerList 10.2.0.0/16\n",
	},
	"patterns": {
		conf:    "Canonicalization relaxed/relaxed\nKeyTable refile:@DIR/KeyTable\nSigningTable refile:@DIR/SigningTable\nInternalHosts 127.0.0.1, ::1\n",
		keys:    "org example.org:s1:@DIR/org.pem\ncom example.com:s2:@DIR/com.pem\nnews example.com:news:@DIR/news.pem\nshop %:s3:@DIR/shop.pem\n",
		signing: "*@example.org org\n*@*.example.org org:@%\nnews@example.com news\n*@example.com com\n*@lists.example.com com\n*@shop.example shop\n*@x.shop.example shop\n",
		want: map[string]string{
			"news@example.com":       "only OpenDKIM signs with d=example.com s=news",
			"a@sub.example.org":      `i= is "@sub.example.org" by OpenDKIM and "" by Pratique`,
			"a@deep.sub.example.org": `i= is "@deep.sub.example.org" by OpenDKIM and "" by Pratique`,
			"a@exempt.example.org":   `i= is "@exempt.example.org" by OpenDKIM and "" by Pratique`,
		},
	},
	"several": {
		conf: "Mode s\nCanonicalization simple\nMultipleSignatures yes\nKeyTable file:@DIR/KeyTable\nSigningTable file:@DIR/SigningTable\nInternalHosts 127.0.0.1\n",
		keys: "org example.org:s1:@DIR/org.pem\nnews example.org:news:@DIR/news.pem\nshop shop.example:s3:@DIR/shop.pem\n",
		signing: "example.org org\n.example.org news\nsub.example.org org\nexample.com org\n" +
			"*@shop.example shop\n.shop.example shop\n",
		want: map[string]string{
			"a@example.com":    "OpenDKIM signs it with d=example.org s=s1; Pratique does not sign it",
			"news@example.com": "OpenDKIM signs it with d=example.org s=s1; Pratique does not sign it",
		},
	},
}

// The translation decides as OpenDKIM itself does, but where it says that it does not;
// and what is predicted of OpenDKIM is what it does.
func TestBesideTheRealOpenDKIM(t *testing.T) {
	w := newWorld(t)
	letters := w.corpus(t)
	for name, tc := range configurations {
		t.Run(name, func(t *testing.T) {
			w.write(t, "KeyTable", tc.keys)
			w.write(t, "SigningTable", tc.signing)
			tr := w.translate(t, tc.conf)
			daemon := start(t, tr)
			real := prover(t, tr, daemon)
			model := prover(t, tr, nil)
			signed := 0
			for _, l := range letters {
				v := prove(t, real, l)
				from := fromOf(t, l)
				if got := strings.Join(v.Differences, "\n"); got != "" && !strings.Contains(got, orNever(tc.want[from])) || got == "" && tc.want[from] != "" {
					t.Errorf("From %s, %+v: difference %q, want %q", from, l.Client, got, tc.want[from])
				}
				if len(v.Theirs.Signatures) > 0 {
					signed++
				}
				if m := prove(t, model, l); !alike(m.Theirs, v.Theirs) {
					t.Errorf("From %s, %+v: predicted %v, but OpenDKIM %v", from, l.Client, m.Theirs, v.Theirs)
				}
			}
			if signed < 5 || signed > len(letters)-5 {
				t.Errorf("OpenDKIM signed %d of %d, so that little was compared", signed, len(letters))
			}
		})
	}
}

func orNever(s string) string {
	if s == "" {
		return "\x00"
	}
	return s
}

func prover(t *testing.T, tr *opendkim.Translation, d *Daemon) *Prover {
	t.Helper()
	p, err := New(tr, d, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func prove(t *testing.T, p *Prover, l Letter) Verdict {
	t.Helper()
	v, err := p.Prove(context.Background(), l)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func fromOf(t *testing.T, l Letter) string {
	t.Helper()
	data, err := os.ReadFile(l.File)
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimPrefix(line, "From: ")
}

// alike compares what is predicted of signatures.
func alike(a, b Side) bool {
	names := func(s Side) (all []string) {
		for _, sig := range s.Signatures {
			all = append(all, sig.Domain+" "+strings.ToLower(sig.Selector)+" "+sig.Identity+" "+sig.Canonicalization)
		}
		slices.Sort(all)
		return all
	}
	return a.Refused == b.Refused && slices.Equal(names(a), names(b))
}

// Every way to differ is seen.
func TestDifferencesAreSeen(t *testing.T) {
	base := "v=1; a=rsa-sha256; c=relaxed/simple; d=example.org; s=s1; t=100; h=From:From:To; bh=x; b=y"
	side := func(values ...string) (s Side) {
		for _, v := range values {
			s.Signatures = append(s.Signatures, parseSignature(v))
		}
		return s
	}
	change := func(old, with string) Side { return side(strings.Replace(base, old, with, 1)) }
	for name, tc := range map[string]struct {
		theirs Side
		want   string
	}{
		"the same":   {side(base), ""},
		"folded":     {change("From:From:To", "from : \r\n\tFrom:to"), ""},
		"unsigned":   {Side{}, "OpenDKIM does not sign it; Pratique signs it with d=example.org s=s1"},
		"refused":    {Side{Refused: true, Why: "451"}, "OpenDKIM refuses it: 451; Pratique signs"},
		"domain":     {change("d=example.org", "d=example.com"), "only OpenDKIM signs with d=example.com s=s1\nonly Pratique signs with d=example.org s=s1"},
		"one more":   {side(base, strings.Replace(base, "s=s1", "s=s2", 1)), "only OpenDKIM signs with d=example.org s=s2"},
		"algorithm":  {change("rsa-sha256", "rsa-sha1"), `a= is "rsa-sha1" by OpenDKIM`},
		"canonical":  {change("c=relaxed/simple", "c=simple"), `c= is "simple/simple" by OpenDKIM`},
		"identity":   {change("s=s1;", "s=s1; i=@x.example.org;"), `i= is "@x.example.org" by OpenDKIM and "" by Pratique`},
		"of itself":  {change("s=s1;", "s=s1; i=@example.org;"), ""},
		"expiry":     {change("t=100", "t=100; x=160"), `x= is "60 s" by OpenDKIM and "0 s" by Pratique`},
		"length":     {change("t=100", "l=7"), "only OpenDKIM adds l="},
		"more":       {change("From:From:To", "From:From:From:To:Subject"), "h= has from 1 times less than that of OpenDKIM\nd=example.org s=s1: h= has subject 1 times less"},
		"less":       {change("From:From:To", "From:To"), ""},
		"not signed": {side(), "OpenDKIM does not sign it"},
	} {
		differences, wider := compare(side(base), tc.theirs)
		got := strings.Join(differences, "\n")
		if got != tc.want && (tc.want == "" || !strings.Contains(got, tc.want)) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		if want := name == "less"; (len(wider) > 0) != want {
			t.Errorf("%s: wider %v", name, wider)
		}
	}
}

func TestBadCorpora(t *testing.T) {
	for name, tc := range map[string]struct {
		manifest, want string
	}{
		"not there":  {"none.eml client=127.0.0.1", "names none.eml, which is not there"},
		"no address": {"a.eml client=localhost", `manifest:1: client="localhost" is no address`},
		"unknown":    {"\na.eml ip=::1", `manifest:2: there is no "ip"`},
		"no value":   {"a.eml client", `"client" is not key=value`},
	} {
		w := world{t.TempDir()}
		w.write(t, "a.eml", "From: a@example.org\n\ntext\n")
		w.write(t, "manifest", tc.manifest)
		if _, err := ReadCorpus(w.dir); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %s", name, err, tc.want)
		}
	}
	if _, err := ReadCorpus(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no .eml file") {
		t.Errorf("an empty folder: error %v", err)
	}
}

// A configuration with which OpenDKIM does not run is said with its own words.
func TestOpenDKIMThatDoesNotStart(t *testing.T) {
	_, err := Start(context.Background(), "Mode s\nDomain example.org\n")
	if errors.Is(err, ErrNotInstalled) && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip(err)
	}
	if err == nil || !strings.Contains(err.Error(), "Domain requires KeyFile and Selector") {
		t.Errorf("error %v", err)
	}
}
