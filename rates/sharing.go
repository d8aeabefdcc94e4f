package rates

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// storeSQLite is the store that is a file of this machine alone.
const storeSQLite = "sqlite"

// Redis is the [rates.redis] table: how a store is asked that several machines share.
type Redis struct {
	// Prefix begins the names of all keys. Machines that share counts have the same one.
	Prefix string `toml:"prefix"`
	// Timeout is the longest that a message waits for an answer.
	Timeout time.Duration `toml:"timeout"`
}

// Bounds of the [rates.redis] table.
const (
	shortestTimeout = 10 * time.Millisecond
	longestTimeout  = 5 * time.Second
)

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// DefaultRedis is in force without the table.
func DefaultRedis() Redis { return Redis{Prefix: "pratique", Timeout: 200 * time.Millisecond} }

// Shared reports whether counts are shared with other machines.
func (o Options) Shared() bool { return o.Store != storeSQLite }

// StoreName is the store without its password, for people to read.
func (o Options) StoreName() string {
	if u, err := url.Parse(o.Store); err == nil {
		return u.Redacted()
	}
	return "redis"
}

func (o Options) sharingProblems(report func(key, problem string)) {
	used := false
	if o.Shared() {
		err := checkStore(o.Store)
		if used = err == nil; !used {
			report("store", err.Error())
		}
	}
	if o.Redis == (Redis{}) && !used {
		return
	}
	if !prefixForm.MatchString(o.Redis.Prefix) {
		report("redis.prefix", fmt.Sprintf("%q is not 1 to 64 of letters, digits, \".\", \"_\" and \"-\"", o.Redis.Prefix))
	}
	if t := o.Redis.Timeout; t < shortestTimeout || t > longestTimeout {
		report("redis.timeout", fmt.Sprintf("%v is not from %v to %v: every message may have to wait so long", t, shortestTimeout, longestTimeout))
	}
}

// checkStore says what is wrong with the address of a Redis. It does not quote it,
// because there may be a password in it.
func checkStore(text string) error {
	const forms = "\"sqlite\" is a file in the state folder; \"redis://[user:password@]host:6379/0\", \"rediss://…\" (with TLS) or \"unix:///path/redis.sock?db=0\" is a Redis or Valkey that machines share"
	u, err := url.Parse(text)
	if err != nil {
		return errors.New("this is no address; what is no letter or digit in a password is written as %40 for @, %2F for / and so on; " + forms)
	}
	switch u.Scheme {
	case "redis", "rediss":
		err = checkRedisHost(u)
	case "unix":
		err = checkRedisSocket(u)
	default:
		err = errors.New("this is no store of counts")
	}
	if err != nil {
		return fmt.Errorf("%w; %s", err, forms)
	}
	return nil
}

func checkRedisHost(u *url.URL) error {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "6379"
	}
	if n, err := strconv.ParseUint(port, 10, 16); host == "" || err != nil || n == 0 {
		return errors.New("the host and its port are not right")
	}
	if strings.ContainsAny(host, ",; ") || net.ParseIP(host) == nil && strings.Contains(host, ":") {
		return errors.New("one host is wanted: of several, what keeps one of them in front (a virtual address, HAProxy)")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return errors.New("nothing may follow the number of the database")
	}
	return checkDatabase(strings.TrimPrefix(u.Path, "/"))
}

func checkRedisSocket(u *url.URL) error {
	if u.Host != "" || !filepath.IsAbs(u.Path) {
		return errors.New("the path of the socket is not absolute: unix: and three slashes are wanted")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(query) > 1 || len(query) == 1 && !query.Has("db") || u.Fragment != "" {
		return errors.New("nothing but ?db=0 may follow the path")
	}
	return checkDatabase(query.Get("db"))
}

func checkDatabase(text string) error {
	if _, err := strconv.ParseUint(text, 10, 16); text != "" && err != nil {
		return fmt.Errorf("%q is no number of a database", text)
	}
	return nil
}
