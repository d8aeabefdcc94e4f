package configs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"pratique/dashboard"
)

// problems reports everything in the configuration that can't be meant.
func (c *Config) problems(report func(key, problem string)) {
	c.ownProblems(report)
	for _, room := range []struct {
		table   string
		options interface {
			Problems(report func(key, problem string))
		}
	}{
		{"milter", c.Milter},
		{"access", c.Access},
		{"lint", c.Lint},
		{"scanning", c.Scanning},
		{"signing", c.Signing},
		{"survival", c.Survival},
		{"keys", c.Keys},
		{"rates", c.Rates},
		{"watch", c.Watch},
		{"telemetry", c.Telemetry},
		{"canary", c.Canary},
		{"dashboard", c.Dashboard},
		{"baseline", c.Baseline},
		{"bulk", c.Bulk},
		{"alerts", c.Alerts},
		{"journal", c.Journal},
		{"audit", c.Audit},
	} {
		room.options.Problems(func(key, problem string) { report(room.table+"."+key, problem) })
	}
}

// ownProblems are those of the keys that belong to no room.
func (c *Config) ownProblems(report func(key, problem string)) {
	if len(c.Listen) == 0 {
		report("listen", "is empty, so no MTA could connect; the default is [\"inet:127.0.0.1:8891\"]")
	}
	first := map[string]int{}
	for i, text := range c.Listen {
		key := fmt.Sprintf("listen[%d]", i)
		address, err := parseListen(text)
		if err != nil {
			report(key, err.Error())
			continue
		}
		if j, ok := first[address]; ok {
			report(key, fmt.Sprintf("%q is the same address as listen[%d]", text, j))
			continue
		}
		first[address] = i
	}
	if !filepath.IsAbs(c.State) {
		report("state", fmt.Sprintf("%q is not an absolute path such as \"/var/lib/pratique\"", c.State))
	}
	if err := checkHostPort(c.HTTP); c.HTTP != "" && err != nil {
		report("http", fmt.Sprintf("%q: %v; host:port is wanted, such as \"127.0.0.1:8892\", or \"\" for none", c.HTTP, err))
	}
	if checkHostPort(c.HTTP) == nil && !dashboard.IsLoopback(c.HTTP) && c.Dashboard.Open() {
		report("http", fmt.Sprintf("%q is reached from other machines, and everyone there could read who writes to whom; set password or token under [dashboard], or listen on loopback", c.HTTP))
	}
	if err := checkHostname(c.Hostname); c.Hostname != "" && err != nil {
		report("hostname", fmt.Sprintf("%q: %v; a full host name such as \"mail.example.org\" is wanted", c.Hostname, err))
	}
	for i, addr := range c.Egress {
		if ip, err := netip.ParseAddr(addr); err != nil || ip.Zone() != "" {
			report(fmt.Sprintf("egress[%d]", i), fmt.Sprintf("%q is no address such as \"192.0.2.25\" or \"2001:db8::25\"", addr))
		}
	}
	oneOf(report, "log_level", c.LogLevel, "debug", "info", "warn", "error")
	oneOf(report, "log_format", c.LogFormat, "text", "json")
	if err := checkHostPort(c.DNS.Resolver); c.DNS.Resolver != "" && err != nil {
		report("dns.resolver", fmt.Sprintf("%q: %v; host:port is wanted, such as \"127.0.0.1:53\" or \"[::1]:53\"", c.DNS.Resolver, err))
	}
	for i, server := range c.DNS.Authoritative {
		if err := checkHostPort(server); err != nil {
			report(fmt.Sprintf("dns.authoritative[%d]", i), fmt.Sprintf("%q: %v; host:port is wanted, such as \"192.0.2.53:53\" or \"ns1.example.org:53\"", server, err))
		}
	}
}

func oneOf(report func(key, problem string), key, value string, words ...string) {
	for _, word := range words {
		if value == word {
			return
		}
	}
	report(key, fmt.Sprintf("%q is none of %s", value, strings.Join(words, ", ")))
}

// longestSocketPath is what fits in sun_path with its final NUL (unix(7)).
const longestSocketPath = 107

// parseListen returns an address to listen on in a form that is the same for the
// same address. Postfix's and sendmail's ways to write it are understood.
func parseListen(text string) (string, error) {
	const forms = "\"inet:127.0.0.1:8891\", \"inet6:[::1]:8891\" or \"unix:/run/pratique/milter.sock\" is wanted"
	network, rest, _ := strings.Cut(text, ":")
	switch network {
	case "inet", "inet6":
		if port, host, ok := strings.Cut(rest, "@"); ok { // sendmail's port@host
			rest = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		if err := checkHostPort(rest); err != nil {
			return "", fmt.Errorf("%q: %w; %s", text, err, forms)
		}
		return "inet:" + strings.ToLower(rest), nil
	case "unix", "local":
		if !filepath.IsAbs(rest) {
			return "", fmt.Errorf("%q has no absolute path; %s", text, forms)
		}
		if len(rest) > longestSocketPath {
			return "", fmt.Errorf("%q: the path of a socket has at most %d octets, this one has %d", text, longestSocketPath, len(rest))
		}
		return "unix:" + filepath.Clean(rest), nil
	}
	return "", fmt.Errorf("%q begins with none of inet:, inet6:, unix:; %s", text, forms)
}

func checkHostPort(text string) error {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("is not host:port, an IPv6 address in brackets")
	}
	if host == "" {
		return errors.New("the host is missing")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not a port", port)
	}
	return nil
}

// checkHostname accepts a host name with at least two labels (RFC 1123 2.1, RFC 1035 2.3.4).
func checkHostname(name string) error {
	if _, err := netip.ParseAddr(name); err == nil {
		return errors.New("is an address")
	}
	labels := strings.Split(name, ".")
	switch {
	case len(name) > 253:
		return errors.New("is longer than 253 characters")
	case len(labels) < 2:
		return errors.New("has no domain")
	}
	for _, label := range labels {
		switch {
		case label == "" || len(label) > 63:
			return errors.New("has a label that is empty or longer than 63 characters")
		case label[0] == '-' || label[len(label)-1] == '-':
			return errors.New("has a label that begins or ends with a hyphen")
		case strings.ContainsFunc(label, notInHostname):
			return errors.New("has a character other than letters, digits, hyphens and dots")
		}
	}
	return nil
}

func notInHostname(r rune) bool { return r == '_' || needsQuotes(r) }
