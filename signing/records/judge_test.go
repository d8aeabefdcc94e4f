package records

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"pratique/signing"
)

// privateKey gives a key the form in which signing has it.
func privateKey(t testing.TB, key crypto.Signer) *signing.PrivateKey {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := signing.ParseKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// shortRSA is the public half of a key of 512 bits, which crypto/rsa no longer makes.
const shortRSA = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAOUFgeL0Sp8eOGT9FrvHf23fBGIzq72OnbvDZXqTgygEE+3K1sx0zbY8XVvxbpKb7UZ/XyVYCP5XbmpDVPLDXbkCAwEAAQ=="

func TestJudge(t *testing.T) {
	rsaKey, edKey := newRSA(t, 2048), newEd25519(t)
	ours, ed := privateKey(t, rsaKey), privateKey(t, edKey)
	other := privateKey(t, newRSA(t, 2048))
	p := publicData(ours.Record())
	edP := publicData(ed.Record())
	small := privateKey(t, newRSA(t, 1024))
	spki, err := x509.MarshalPKIXPublicKey(edKey.Public())
	if err != nil {
		t.Fatal(err)
	}
	bare := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey))

	for _, c := range []struct {
		name      string
		published []string
		key       *signing.PrivateKey
		want      State
		text      string // a part of it
	}{
		{"as it is published", []string{ours.Record()}, ours, Match, "published"},
		{"Ed25519", []string{ed.Record()}, ed, Match, "published"},
		{"p alone", []string{"p=" + p}, ours, Match, ""},
		{"a semicolon at the end", []string{"k=rsa; p=" + p + "; "}, ours, Match, ""},
		{"spaces in p, as RFC 6376 3.2 allows", []string{"v=DKIM1; k=rsa; p=" + p[:200] + " \t" + p[200:]}, ours, Match, "white space"},
		{"folded as in RFC 6376 3.2", []string{"v=DKIM1;\r\n\tp=" + p}, ours, Match, ""},
		{"tags that are not known", []string{"v=DKIM1; x_1=what; n=a=20note; p=" + p}, ours, Match, ""},
		{"test flag", []string{"v=DKIM1; t=y:s; p=" + p}, ours, Match, "t=y"},
		{"1024 bits", []string{small.Record()}, small, Match, "1024 bits"},
		{"hashes with ours", []string{"h=sha1 : sha256; p=" + p}, ours, Match, ""},
		{"services with ours", []string{"s=email:tlsrpt; p=" + p}, ours, Match, ""},
		{"all services", []string{"s=*; p=" + p}, ours, Match, ""},

		{"none", nil, ours, Missing, "no record"},
		{"another key", []string{other.Record()}, ours, Different, "another key"},
		{"revoked", []string{"v=DKIM1; p="}, ours, Revoked, "revoked"},
		{"revoked with a space", []string{"v=DKIM1; p= ;"}, ours, Revoked, "revoked"},
		{"only SHA-1", []string{"v=DKIM1; h=sha1; p=" + p}, ours, WrongHash, "h=sha1"},
		{"not for mail", []string{"v=DKIM1; s=tlsrpt; p=" + p}, ours, WrongType, "s=tlsrpt"},
		{"too short", []string{"v=DKIM1; p=" + shortRSA}, ours, TooShort, "512 bits"},
		{"two keys", []string{other.Record(), ours.Record()}, ours, Multiple, "take out all but"},
		{"two wrong keys", []string{other.Record(), ed.Record()}, ours, Multiple, "none of them"},
		{"a wildcard's SPF beside", []string{"v=spf1 -all", ours.Record()}, ours, Multiple, "take out all but"},

		{"RSA for Ed25519", []string{ours.Record()}, ed, WrongType, "rsa key; this one is ed25519"},
		{"Ed25519 for RSA", []string{ed.Record()}, ours, WrongType, "ed25519 key; this one is rsa"},
		{"Ed25519 without k=", []string{"v=DKIM1; p=" + edP}, ed, WrongType, "k=ed25519 is missing"},
		{"SPF", []string{"v=spf1 include:example.net -all"}, ours, WrongType, "SPF"},
		{"DMARC", []string{"v=DMARC1; p=none"}, ours, WrongType, "DMARC"},
		{"a CNAME as TXT", []string{"s1.domainkey.example.net."}, ours, WrongType, "CNAME"},
		{"another version", []string{"v=DKIM2; p=" + p}, ours, WrongType, "DKIM2"},
		{"an unknown kind of key", []string{"k=ecdsa; p=" + p}, ours, WrongType, "ecdsa"},

		{"empty", []string{""}, ours, Malformed, "empty"},
		{"no tags", []string{"hello"}, ours, Malformed, "no tag"},
		{"no p", []string{"v=DKIM1; k=rsa"}, ours, Malformed, "no p="},
		{"version not first", []string{"k=rsa; v=DKIM1; p=" + p}, ours, Malformed, "first"},
		{"p twice", []string{"v=DKIM1; p=" + p + "; p=" + p}, ours, Malformed, "twice"},
		{"an empty tag", []string{"v=DKIM1;; p=" + p}, ours, Malformed, "two semicolons"},
		{"escaped semicolons", []string{`v=DKIM1\; k=rsa\; p=` + p}, ours, Malformed, "backslashes"},
		{"quotes around", []string{`"v=DKIM1; k=rsa; p=` + p + `"`}, ours, Malformed, "quotation marks"},
		{"quotes between", []string{`v=DKIM1; k=rsa; p=` + p[:200] + `" "` + p[200:]}, ours, Malformed, "quotation marks"},
		{"no base64", []string{"v=DKIM1; p=" + p[:100] + "_" + p[101:]}, ours, Malformed, `'_' after 100`},
		{"no key in it", []string{"v=DKIM1; p=aGVsbG8="}, ours, Malformed, "no RSA key"},
		{"cut off at 255", []string{ours.Record()[:255]}, ours, Malformed, "cut off"},
		{"cut off by a quarter", []string{"v=DKIM1; k=rsa; p=" + p[:200]}, ours, Malformed, "first 200 of its 392"},
		{"PEM", []string{"v=DKIM1; p=-----BEGIN PUBLIC KEY-----" + p}, ours, Malformed, "PEM"},
		{"a private key", []string{"-----BEGIN PRIVATE KEY-----"}, ours, Malformed, "everybody can read it"},
		{"a bare RSA key", []string{"v=DKIM1; p=" + bare}, ours, Malformed, "SubjectPublicKeyInfo"},
		{"Ed25519 with its wrapping", []string{"k=ed25519; p=" + base64.StdEncoding.EncodeToString(spki)}, ed, Malformed, "p=" + edP},
		{"letters that are none", []string{"v=DKIM1; p=é"}, ours, Malformed, "'é'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			state, text := Judge(c.published, c.key)
			if state != c.want || !strings.Contains(text, c.text) {
				t.Errorf("%s: %s; want %s: …%s…", state, text, c.want, c.text)
			}
		})
	}
}

// Whatever is published, only the key itself matches.
func FuzzParse(f *testing.F) {
	key := privateKey(f, newEd25519(f))
	for _, seed := range []string{
		"", "v=DKIM1; p=", "v=DKIM1; k=rsa; t=y:s; h=sha256; s=email; p=" + shortRSA, "k=ed25519;p=" + shortRSA, `v=DKIM1\; p=" "`,
		"a=b;a=c;p=", "v=spf1 -all", ";;;", "p = A A = =", "host.example.", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if _, ok := err.(*Problem); err != nil && !ok {
			t.Fatalf("the error is a %T", err)
		}
		if err == nil && (r.Key == nil) != r.Revoked {
			t.Fatalf("%q: a record without a problem has a key or is revoked: %+v", text, r)
		}
		state, said := Judge([]string{text}, key)
		if said == "" {
			t.Errorf("%q is %s without a reason", text, state)
		}
		if state == Match && publicData(text) != publicData(key.Record()) || state == Unknown {
			t.Errorf("%q is a %s of %s", text, state, key.Record())
		}
	})
}
