package dashboard

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestGuard(t *testing.T) {
	hash, err := HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef"
	locked := Options{Password: hash, Token: token}
	type request struct{ host, user, password, bearer string }
	for name, c := range map[string]struct {
		o    Options
		r    request
		want int
	}{
		"open, by address":       {Options{}, request{host: "127.0.0.1:8892"}, 200},
		"open, by IPv6 address":  {Options{}, request{host: "[::1]:8892"}, 200},
		"open, localhost":        {Options{}, request{host: "localhost:8892"}, 200},
		"open, own name":         {Options{}, request{host: "MAIL.example.org"}, 200},
		"open, further name":     {Options{Names: []string{"status.example.org"}}, request{host: "status.example.org"}, 200},
		"open, rebound name":     {Options{}, request{host: "evil.example:8892"}, 421},
		"open, no name":          {Options{}, request{host: ""}, 421},
		"locked, nothing":        {locked, request{host: "evil.example"}, 401},
		"locked, password":       {locked, request{user: "anyone", password: "correct horse"}, 200},
		"locked, wrong password": {locked, request{user: "anyone", password: "wrong"}, 401},
		"locked, empty password": {locked, request{user: "anyone"}, 401},
		"locked, token":          {locked, request{bearer: token}, 200},
		"locked, wrong token":    {locked, request{bearer: token + "0"}, 401},
		"locked, empty token":    {locked, request{bearer: ""}, 401},
		"token as password":      {locked, request{user: "prometheus", password: token}, 200},
		"only token, no secret":  {Options{Token: token}, request{user: "x", password: "y"}, 401},
		"only password, bearer":  {Options{Password: hash}, request{bearer: "correct horse"}, 401},
	} {
		g := Guard(c.o, "mail.example.org", time.Now, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {}))
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = c.r.host
		if c.r.user != "" {
			r.SetBasicAuth(c.r.user, c.r.password)
		}
		if c.r.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+c.r.bearer)
		}
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: the browser does not ask", name)
		}
	}
}

// Guessing ends after some tries, for a minute; who was in before stays in.
func TestGuessing(t *testing.T) {
	hash, err := HashPassword("right")
	if err != nil {
		t.Fatal(err)
	}
	at := now
	g := &guard{o: Options{Password: hash}, now: func() time.Time { return at }}
	if err := g.check("right"); err != nil {
		t.Fatal(err)
	}
	for range mostWrong {
		if err := g.check("guess"); err != errNobody {
			t.Fatal(err)
		}
	}
	if err := g.check("guess"); err != errTooMany {
		t.Errorf("one more guess: %v", err)
	}
	if err := g.check("right"); err != nil {
		t.Errorf("the right one, known: %v", err)
	}
	at = at.Add(2 * time.Minute)
	if err := g.check("guess"); err != errNobody {
		t.Errorf("a minute later: %v", err)
	}
}

func TestIsLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:1": true, "[::1]:1": true, "localhost:1": true, "127.8.8.8:1": true,
		"0.0.0.0:1": false, "[::]:1": false, "mail.example.org:1": false, "10.0.0.1:1": false, "": false,
	} {
		if got := IsLoopback(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
}
