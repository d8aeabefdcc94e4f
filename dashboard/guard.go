package dashboard

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Options is the [dashboard] table of the configuration.
type Options struct {
	Password string   `toml:"password"` // bcrypt hash; "": none is asked for
	Token    string   `toml:"token"`    // for programs: "Authorization: Bearer TOKEN"
	Names    []string `toml:"names"`    // further host names by which the page is reached
}

// leastToken keeps a token from being guessed, in characters.
const leastToken = 16

// Problems reports everything that is wrong with the options, each under its key.
func (o Options) Problems(report func(key, problem string)) {
	if o.Password != "" {
		if _, err := bcrypt.Cost([]byte(o.Password)); err != nil {
			report("password", "is no bcrypt hash such as \"$2a$10$…\"; \"pratique config password\" makes one")
		}
	}
	if o.Token != "" && len(o.Token) < leastToken {
		report("token", "is too short to be secret: at least 16 characters are wanted")
	}
	for i, name := range o.Names {
		if name == "" || strings.ContainsAny(name, ":/ ") {
			report(fmt.Sprintf("names[%d]", i), fmt.Sprintf("%q is no host name such as \"mail.example.org\", without scheme and port", name))
		}
	}
}

// Open reports whether no password and no token is asked for.
func (o Options) Open() bool { return o.Password == "" && o.Token == "" }

// IsLoopback reports whether an address to listen on, host:port, is reached from this host only.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// Guard lets in who knows the password or the token. Where neither is set it
// refuses requests that name another host than this one: a page somewhere else,
// whose name was made to lead to loopback, could read everything otherwise.
func Guard(o Options, hostname string, now func() time.Time, next http.Handler) http.Handler {
	g := &guard{o: o, now: now, names: map[string]bool{"localhost": true, strings.ToLower(hostname): true}}
	for _, name := range o.Names {
		g.names[strings.ToLower(name)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch err := g.admit(r); {
		case err == nil:
			next.ServeHTTP(w, r)
		case errors.Is(err, errForeign):
			http.Error(w, "this server is not known by the name in your request; add it to names under [dashboard]", http.StatusMisdirectedRequest)
		case errors.Is(err, errTooMany):
			w.Header().Set("Retry-After", "60")
			http.Error(w, "too many wrong passwords; wait a minute", http.StatusTooManyRequests)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="Pratique", charset="UTF-8"`)
			http.Error(w, "a password is needed (any user name), or a token", http.StatusUnauthorized)
		}
	})
}

var (
	errForeign = errors.New("not by this name")
	errTooMany = errors.New("too many wrong passwords")
	errNobody  = errors.New("neither password nor token")
)

type guard struct {
	o     Options
	now   func() time.Time
	names map[string]bool

	mu    sync.Mutex
	known [sha256.Size]byte // of the password that was right: bcrypt takes 50 ms, each part of a page would
	wrong int               // passwords in this minute
	since time.Time
}

// mostWrong bounds the guesses in a minute, from everywhere: a person needs fewer.
const mostWrong = 20

func (g *guard) admit(r *http.Request) error {
	if g.o.Open() {
		if g.isOurs(r.Host) {
			return nil
		}
		return errForeign
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && same(token, g.o.Token) {
		return nil
	}
	_, password, ok := r.BasicAuth()
	switch {
	case !ok || password == "":
		return errNobody
	case same(password, g.o.Token):
		return nil
	}
	return g.check(password)
}

// same compares without telling how much of it is right. An empty secret is nobody's.
func same(text, secret string) bool {
	return secret != "" && subtle.ConstantTimeCompare([]byte(text), []byte(secret)) == 1
}

func (g *guard) check(password string) error {
	sum := sha256.Sum256([]byte(password))
	g.mu.Lock()
	defer g.mu.Unlock() // one at a time: many at once would take all of the CPU
	if g.known == sum {
		return nil
	}
	if now := g.now(); now.Sub(g.since) > time.Minute || now.Before(g.since) {
		g.since, g.wrong = now, 0
	}
	if g.wrong >= mostWrong {
		return errTooMany
	}
	if g.o.Password == "" || bcrypt.CompareHashAndPassword([]byte(g.o.Password), []byte(password)) != nil {
		g.wrong++
		return errNobody
	}
	g.known = sum
	return nil
}

// isOurs reports whether the Host of a request is an address, or one of our names.
func (g *guard) isOurs(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return g.names[host]
}

// HashPassword returns what stands in the configuration for a password.
func HashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	return string(hash), err
}

// policy allows what the page consists of, and nothing from elsewhere: no scripts
// but its own file, no styles within elements, no frames around it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// secured sets what browsers hold the page to.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// cached lets a browser keep a part of the page for a while.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=3600")
		next.ServeHTTP(w, r)
	})
}
