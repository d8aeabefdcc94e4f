package mta

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Postfix is a configuration of Postfix as it is in force.
type Postfix struct {
	Version string // "3.7.11", "" if it is not known
	Source  string // the folder, or the files

	set      map[string]parameter
	defaults map[string]string
	services []service
	dir      string // the folder, "" for files from elsewhere: their tables can't be looked at
	asked    bool   // postconf told what it computes from the interfaces
	live     bool   // the configuration of this machine: the milter's socket can be looked at
	unended  bool   // main.cf does not end in a newline
	problems []Finding
	tabled   map[string]tableText // the tables that were read already, by their names
}

// LoadPostfix reads the main.cf and master.cf in a folder, as the configuration
// of this machine: tables and the milter's socket are looked at. Defaults come
// from postconf, if there is one, else from the table below.
func LoadPostfix(ctx context.Context, dir string) (*Postfix, error) {
	p, err := readPostfix(dir)
	if err != nil {
		return nil, err
	}
	p.live = true
	switch defaults, err := p.askDefaults(ctx); {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
	case err != nil:
		p.problems = append(p.problems, Finding{Rule: "postconf", Status: Unknown, Where: dir,
			Found: err.Error(), Means: "What is not set is judged by the defaults of Postfix 3.7."})
	default:
		p.adopt(defaults)
	}
	return p, nil
}

func readPostfix(dir string) (*Postfix, error) {
	main, err := readBounded(filepath.Join(dir, "main.cf"))
	if err != nil {
		return nil, fmt.Errorf("read the configuration of Postfix: %w", err)
	}
	var problems []Finding
	master, err := readBounded(filepath.Join(dir, "master.cf"))
	if errors.Is(err, fs.ErrNotExist) {
		master = []byte(usualServices)
		problems = []Finding{{Rule: "master.cf", Status: Unknown, Where: dir, Found: "there is no master.cf",
			Means: "Services may have settings of their own, and run in a chroot: the usual ones without either are assumed."}}
	} else if err != nil {
		return nil, fmt.Errorf("read the configuration of Postfix: %w", err)
	}
	p, err := ParsePostfix(main, master)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	p.Source, p.dir, p.problems = dir, dir, problems
	p.unended = len(main) > 0 && !bytes.HasSuffix(main, []byte("\n"))
	p.defaults["config_directory"] = dir
	return p, nil
}

// usualServices are those that matter here, as Postfix ships them.
const usualServices = `
smtp      inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
smtp      unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
`

// ParsePostfix reads main.cf and master.cf, or what "postconf -n" and "postconf -M" print.
func ParsePostfix(main, master []byte) (*Postfix, error) {
	set, err := parseMain(main)
	if err != nil {
		return nil, fmt.Errorf("read main.cf: %w", err)
	}
	services, err := parseMaster(master)
	if err != nil {
		return nil, fmt.Errorf("read master.cf: %w", err)
	}
	p := &Postfix{set: set, services: services, defaults: builtIn()}
	p.services = slices.DeleteFunc(p.services, p.isDisabled)
	if version, ok := set["mail_version"]; ok {
		p.Version = version.value
	}
	return p, nil
}

// computed are the parameters whose default Postfix makes of this machine and of
// other parameters. What "postconf -d" tells of them does not heed main.cf.
var computed = []string{"myhostname", "mydomain", "mynetworks"}

// askDefaults asks postconf for the defaults, and for what it computes.
func (p *Postfix) askDefaults(ctx context.Context) (map[string]parameter, error) {
	defaults, err := askPostconf(ctx, p.dir, "-d")
	if err != nil {
		return nil, err
	}
	asked := slices.DeleteFunc(slices.Clone(computed), func(name string) bool { _, set := p.set[name]; return set })
	if len(asked) == 0 {
		return defaults, nil
	}
	inForce, err := askPostconf(ctx, p.dir, asked...)
	if err != nil {
		return nil, err
	}
	maps.Copy(defaults, inForce)
	return defaults, nil
}

func askPostconf(ctx context.Context, dir string, what ...string) (map[string]parameter, error) {
	path, err := exec.LookPath("postconf")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/postconf"); err != nil {
			return nil, err
		}
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"-c", dir}, what...)...)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("postconf %s: %w: %.200s", strings.Join(what, " "), err, complaints.String())
	}
	return parseMain(text)
}

func (p *Postfix) adopt(defaults map[string]parameter) {
	p.defaults = make(map[string]string, len(defaults))
	for name, d := range defaults {
		p.defaults[name] = d.value
	}
	p.defaults["config_directory"] = p.dir
	p.asked = true
	if p.Version == "" {
		p.Version = p.defaults["mail_version"]
	}
}

// circles are the parameters of main.cf that refer to themselves, with which Postfix does not run.
func (p *Postfix) circles() []Finding {
	var found []Finding
	for name, v := range p.set {
		if _, ends := expandAll("$"+name, p.raw); ends {
			continue
		}
		found = append(found, Finding{Rule: "main.cf", Status: Fail, Where: p.where(name), Found: name + " refers to itself: " + shown(v.value),
			Means: "Postfix does not run with that (fatal: unreasonable macro call nesting). What is said here of it may be wrong.",
			Fix:   []string{"take the reference out; a line that begins with a space continues the one before it"}})
	}
	slices.SortFunc(found, func(a, b Finding) int { return strings.Compare(a.Found, b.Found) })
	return found
}

// builtIn are the defaults of Postfix 3.7 for what is looked at here, for a
// machine without it (postconf(5)).
func builtIn() map[string]string {
	return map[string]string{
		"compatibility_level":            "0",
		"queue_directory":                "/var/spool/postfix",
		"mail_owner":                     "postfix",
		"mydestination":                  "$myhostname, localhost.$mydomain, localhost",
		"mynetworks":                     "127.0.0.0/8 [::1]/128",
		"mynetworks_style":               "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
		"cleanup_service_name":           "cleanup",
		"inet_interfaces":                "all",
		"smtpd_sasl_auth_enable":         "no",
		"relay_domains":                  "${{$compatibility_level} <level {2} ? {$mydestination} : {}}",
		"smtpd_relay_restrictions":       "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}",
		"milter_default_action":          "tempfail",
		"milter_protocol":                "6",
		"milter_connect_timeout":         "30s",
		"milter_command_timeout":         "30s",
		"milter_content_timeout":         "300s",
		"smtp_line_length_limit":         "998",
		"smtp_mime_header_checks":        "",
		"smtp_helo_name":                 "$myhostname",
		"default_transport":              "smtp",
		"relay_transport":                "relay",
		"inet_protocols":                 "all",
		"smtpd_timeout":                  "${stress?{10}:{300}}s",
		"message_size_limit":             "10240000",
		"disable_mime_output_conversion": "no",
	}
}

// raw returns what is set, or the default, with $name in it.
func (p *Postfix) raw(name string) string {
	if v, ok := p.set[name]; ok {
		return v.value
	}
	if name == "mydomain" { // postconf -d tells the one of its own host name
		if _, domain, ok := strings.Cut(p.value("myhostname"), "."); ok {
			return domain
		}
	}
	return p.defaults[name]
}

// value returns a parameter as it is in force.
func (p *Postfix) value(name string) string { return expand(p.raw(name), p.raw) }

// in returns a parameter as it is in force in a service, whose overrides win.
func (p *Postfix) in(s *service, name string) string {
	lookup := func(name string) string {
		if v, ok := s.overrides[name]; ok {
			return v
		}
		switch name { // they are set for each process (postconf(5))
		case "service_name":
			return s.name
		case "process_name":
			return s.command
		}
		return p.raw(name)
	}
	return expand(lookup(name), lookup)
}

// where names the place of a parameter in main.cf.
func (p *Postfix) where(name string) string {
	if v, ok := p.set[name]; ok {
		return fmt.Sprintf("main.cf:%d", v.line)
	}
	return "main.cf (not set)"
}

// whereIn names the place of a parameter that a service may override.
func (p *Postfix) whereIn(s *service, name string) string {
	if _, ok := s.overrides[name]; ok {
		return fmt.Sprintf("master.cf:%d %s", s.line, s)
	}
	return p.where(name)
}

// atLeast reports whether it is known to be of a version, or later.
func (p *Postfix) atLeast(version string) bool {
	return p.Version != "" && compareVersions(p.Version, version) >= 0
}

func (p *Postfix) isOn(name string) bool { return p.value(name) == "yes" }

// seconds reads a time such as "30s", "5m", "1h", "1d", "1w", or a plain number of seconds.
func seconds(text string) (int, bool) {
	units := map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}
	text = strings.TrimSpace(text)
	unit := 1
	if n := len(text); n > 0 && units[text[n-1]] > 0 {
		unit, text = units[text[n-1]], text[:n-1]
	}
	n, err := strconv.Atoi(text)
	return n * unit, err == nil && n >= 0
}

// Judge holds the configuration against every rule.
func (p *Postfix) Judge(ours Ours) *Report {
	mta := strings.TrimSpace("Postfix " + p.Version)
	findings := append(p.circles(), p.problems...)
	for _, r := range postfixRules {
		found := grouped(r.judge(p, ours))
		if len(found) == 0 {
			found = []Finding{{Status: OK, Found: r.fine}}
		}
		for _, f := range found {
			f.Rule = r.name
			f.Fix = p.commands(f.Fix)
			findings = append(findings, f)
		}
	}
	return &Report{MTA: mta, Source: p.Source, Findings: sorted(findings)}
}

// readTable reads the text of a look-up table.
func (p *Postfix) readTable(path string) (string, error) {
	if p.dir == "" {
		return "", fmt.Errorf("%s is not at hand", path)
	}
	if !filepath.IsAbs(path) && !strings.HasPrefix(path, p.dir) {
		path = filepath.Join(p.value("queue_directory"), path) // where Postfix's processes stand
	}
	if _, err := os.Stat(path); err != nil {
		for _, suffix := range []string{".db", ".lmdb", ".cdb"} {
			if _, indexed := os.Stat(path + suffix); indexed == nil {
				return "", fmt.Errorf("only %s is there, not the text that it was made of (postmap -s lists it)", path+suffix)
			}
		}
		return "", err
	}
	text, err := readBounded(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", fmt.Errorf("%w (run this as root)", err)
	}
	return string(text), err
}

// maxFile bounds a file of configuration, or the text of a table, octets.
const maxFile = 8 << 20

// readBounded reads a regular file, unless it is larger than any that is written by hand.
func readBounded(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe is not waited for
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s has more than %d octets", path, maxFile)
	}
	return text, err
}
