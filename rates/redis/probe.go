package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// Info is what a Redis tells of itself. What it does not tell, because the user may
// not ask for it, is "".
type Info struct {
	Server    string // "Redis 7.0.15" or "Valkey 8.0.1"
	Latency   time.Duration
	Policy    string // what it does when its memory is full (maxmemory-policy)
	MaxMemory string // in octets; "0": as much as there is
	Replica   bool   // it can't be written to
}

// Evicts reports whether counts may go before their time: all of them have one.
func (i Info) Evicts() bool {
	return i.Policy != "" && i.Policy != "noeviction" && i.MaxMemory != "0"
}

// probes is how often Redis is asked how long it takes; the median counts.
const probes = 9

// Probe asks a Redis how it is, and whether our scripts run there.
func Probe(ctx context.Context, opts Options) (Info, error) {
	client, err := dial(opts)
	if err != nil {
		return Info{}, err
	}
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return Info{}, err
	}
	var info Info
	for _, section := range []string{"server", "memory", "replication"} {
		text, err := client.Info(ctx, section).Result()
		if err == nil {
			info.read(text)
		}
	}
	if info.Replica {
		return info, errors.New("this is a replica, which can't be written to")
	}
	if info.Latency, err = tryScript(ctx, client, opts.Prefix); err != nil {
		return info, fmt.Errorf("run a script: %w", err)
	}
	return info, nil
}

// tryScript greets Redis as an instance that it soon forgets.
func tryScript(ctx context.Context, client *goredis.Client, prefix string) (time.Duration, error) {
	scripts, names := newScripts(windowsLua), keys{prefix: prefix, instance: "check", owner: "check"}
	took := make([]time.Duration, probes)
	for i := range took {
		began := time.Now()
		if err := scripts.hello.Run(ctx, client, names.both(), "check", 60, 0, -1).Err(); err != nil {
			return 0, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[probes/2], nil
}

// read takes what is of interest from the answer to INFO.
func (i *Info) read(text string) {
	for line := range strings.SplitSeq(text, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "redis_version":
			if i.Server == "" {
				i.Server = "Redis " + value
			}
		case "valkey_version": // behind redis_version, which names the Redis that it is like
			i.Server = "Valkey " + value
		case "maxmemory_policy":
			i.Policy = value
		case "maxmemory":
			i.MaxMemory = value
		case "role":
			i.Replica = value == "slave"
		}
	}
}

// Hint says what an administrator may do about an error of Redis, or "".
func Hint(err error) string {
	var server goredis.Error
	text := err.Error()
	if !errors.As(err, &server) {
		switch {
		case errors.Is(err, context.DeadlineExceeded) || strings.Contains(text, "timeout"):
			return "it does not answer in time (rates.redis.timeout): is it busy, is the network, and does its port speak TLS if and only if rates.store begins with rediss://?"
		case strings.Contains(text, "x509") || strings.Contains(text, "tls:"):
			return "with rediss:// its certificate has to be good for the host in rates.store, and signed by a CA that this machine knows"
		case strings.Contains(text, "refused") || strings.Contains(text, "no such file"):
			return "nothing listens there: does it run, and do bind, port and unixsocket in its configuration fit rates.store?"
		}
		return ""
	}
	for _, known := range []struct{ code, hint string }{
		{"NOAUTH", "rates.store needs a password: redis://:PASSWORD@host"},
		{"WRONGPASS", "the user or password in rates.store is wrong; without a user, redis://:PASSWORD@host"},
		{"NOPERM", "its user needs +@scripting +@hash +@keyspace +@connection +time +info, and the keys PREFIX:*"},
		{"OOM", "its memory is full: raise maxmemory"},
		{"MISCONF", "it can't save to its disk, and takes no writes: look at its log"},
		{"READONLY", "this is a replica: name the one that can be written to"},
		{"LOADING", "it has just started, and reads its data"},
		{"MOVED", "this is a node of a cluster that does not have our keys: name the one that does (CLUSTER KEYSLOT {counts})"},
		{"CLUSTERDOWN", "the cluster does not work"},
	} {
		if strings.HasPrefix(text, known.code) || strings.Contains(text, ": "+known.code) {
			return known.hint
		}
	}
	return ""
}

// oldestVersion is the first whose scripts may ask for the time before they write.
const oldestVersion = 5

// TooOld reports a Redis whose version is known and too low.
func (i Info) TooOld() bool {
	number, ok := strings.CutPrefix(i.Server, "Redis ")
	major, _, _ := strings.Cut(number, ".")
	n, err := strconv.Atoi(major)
	return ok && err == nil && n < oldestVersion
}
