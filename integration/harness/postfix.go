package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PostfixOptions say what a private Postfix is like.
type PostfixOptions struct {
	Relay  string            // host:port to which all mail goes
	Milter string            // as in smtpd_milters: "unix:/path" or "inet:host:port"; "": none
	Set    map[string]string // further settings of main.cf; they win
	Master string            // further lines of master.cf
}

// Postfix is a running private Postfix. It takes mail from loopback addresses,
// by SMTP and by sendmail(1), and relays all of it.
type Postfix struct {
	*Process
	Port int // of SMTP, on 127.0.0.1, and on ::1 where there is IPv6

	dir      string
	ipv6     bool
	reserved *reservation
}

// postfixDaemons is where Debian keeps Postfix's daemons.
const postfixDaemons = "/usr/lib/postfix/sbin"

// StartPostfix starts a private Postfix in an empty folder that other users may
// pass through. It needs root, as Postfix does.
func StartPostfix(ctx context.Context, dir string, o PostfixOptions) (*Postfix, error) {
	ids, err := findPostfix()
	if err != nil {
		return nil, fmt.Errorf("start Postfix: %w", err)
	}
	if err := layOutPostfix(dir, ids); err != nil {
		return nil, fmt.Errorf("lay out Postfix's folders: %w", err)
	}
	p := &Postfix{dir: dir, ipv6: hasIPv6()}
	if p.reserved, err = reservePort(p.ipv6); err != nil {
		return nil, fmt.Errorf("start Postfix: %w", err)
	}
	p.Port = p.reserved.port
	if err := p.start(ctx, o); err != nil {
		p.reserved.release()
		return nil, fmt.Errorf("start Postfix: %w", err)
	}
	return p, nil
}

// Close stops Postfix.
func (p *Postfix) Close() error {
	defer p.reserved.release()
	return p.Process.Close()
}

// postfixIDs are the user and the group that Postfix's queue belongs to.
type postfixIDs struct{ postfix, postdrop int }

func findPostfix() (postfixIDs, error) {
	if os.Geteuid() != 0 {
		return postfixIDs{}, fmt.Errorf("postfix without root: %w", ErrMissing)
	}
	if _, err := os.Stat(postfixDaemons + "/master"); err != nil {
		return postfixIDs{}, fmt.Errorf("postfix: %w", ErrMissing)
	}
	u, err := user.Lookup("postfix")
	if err != nil {
		return postfixIDs{}, err
	}
	g, err := user.LookupGroup("postdrop")
	if err != nil {
		return postfixIDs{}, err
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(g.Gid)
	return postfixIDs{uid, gid}, errors.Join(uerr, gerr)
}

// layOutPostfix makes what "postfix start" would make, quicker: owners and modes as in postfix-files.
func layOutPostfix(dir string, ids postfixIDs) error {
	folders := []struct {
		name     string
		mode     os.FileMode
		uid, gid int
	}{
		{"etc", 0o755, 0, 0}, {"queue", 0o755, 0, 0}, {"queue/pid", 0o755, 0, 0}, {"data", 0o700, ids.postfix, 0},
		{"queue/maildrop", 0o730, ids.postfix, ids.postdrop}, {"queue/public", 0o710, ids.postfix, ids.postdrop},
	}
	for _, f := range folders {
		if err := ownedFolder(filepath.Join(dir, f.name), f.mode, f.uid, f.gid); err != nil {
			return err
		}
	}
	for _, q := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"} {
		if err := ownedFolder(filepath.Join(dir, "queue", q), 0o700, ids.postfix, 0); err != nil {
			return err
		}
	}
	return nil
}

func ownedFolder(path string, mode os.FileMode, uid, gid int) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return errors.Join(os.Chmod(path, mode), os.Chown(path, uid, gid))
}

func (p *Postfix) start(ctx context.Context, o PostfixOptions) error {
	if err := writeFiles(p.etc(), map[string]string{"main.cf": p.mainCf(o), "master.cf": o.Master + p.masterCf()}); err != nil {
		return err
	}
	if err := backdate(filepath.Join(p.etc(), "main.cf")); err != nil {
		return err
	}
	// -d keeps master from leaving its process group, by which it and its children are found again.
	master := exec.Command(postfixDaemons+"/master", "-d", "-c", p.etc())
	master.Env = append(os.Environ(), "MAIL_CONFIG="+p.etc())
	process, err := startProcess(master, filepath.Join(p.dir, "master.log"))
	if err != nil {
		return err
	}
	p.Process = process
	if err := process.untilReady(ctx, p.listens); err != nil {
		return errors.Join(err, process.Close())
	}
	return nil
}

// backdate makes a file older than it is: Postfix waits for two seconds when its
// main.cf is new, lest it read half of it.
func backdate(path string) error {
	past := time.Now().Add(-time.Minute)
	return os.Chtimes(path, past, past)
}

func (p *Postfix) etc() string { return filepath.Join(p.dir, "etc") }

// ConfigDir returns the folder of its main.cf, which its commands are told by MAIL_CONFIG.
func (p *Postfix) ConfigDir() string { return p.etc() }

// Addr returns where Postfix takes mail by SMTP, over IPv4.
func (p *Postfix) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port)) }

// Addr6 is Addr over IPv6, or "" where there is none.
func (p *Postfix) Addr6() string {
	if !p.ipv6 {
		return ""
	}
	return net.JoinHostPort("::1", strconv.Itoa(p.Port))
}

// listens looks for the socket of the last service in master.cf: when that one is there, all are.
// A connection would tell it too, but Postfix would greet the milter for it.
func (p *Postfix) listens() error {
	_, err := os.Stat(filepath.Join(p.dir, "queue", "public", "postlog"))
	return err
}

// mainCf is written for mail that goes out: everything is relayed, nothing is
// looked up in the DNS, errors cost no time, and bounces meet the milter too.
func (p *Postfix) mainCf(o PostfixOptions) string {
	host, port, _ := net.SplitHostPort(o.Relay)
	settings := map[string]string{
		"compatibility_level":   "3.6",
		"queue_directory":       filepath.Join(p.dir, "queue"),
		"data_directory":        filepath.Join(p.dir, "data"),
		"daemon_directory":      postfixDaemons,
		"command_directory":     "/usr/sbin",
		"mail_owner":            "postfix",
		"setgid_group":          "postdrop",
		"maillog_file":          filepath.Join(p.dir, "mail.log"),
		"maillog_file_prefixes": p.dir,
		"import_environment":    "MAIL_CONFIG",

		"myhostname":                     "mail.example.org",
		"myorigin":                       "example.org",
		"mydestination":                  "",
		"alias_maps":                     "",
		"alias_database":                 "",
		"local_recipient_maps":           "",
		"inet_interfaces":                "loopback-only",
		"inet_protocols":                 "all",
		"mynetworks":                     "127.0.0.0/8, [::1]/128",
		"relayhost":                      "[" + host + "]:" + port,
		"smtp_tls_security_level":        "none",
		"smtp_dns_support_level":         "disabled",
		"smtp_host_lookup":               "native",
		"smtpd_peername_lookup":          "no",
		"smtpd_relay_restrictions":       "permit_mynetworks, reject",
		"smtpd_authorized_xclient_hosts": "127.0.0.0/8",

		"smtpd_error_sleep_time":              "0",
		"smtpd_soft_error_limit":              "1000",
		"smtpd_hard_error_limit":              "1000",
		"smtpd_client_connection_count_limit": "0",
		"in_flow_delay":                       "0",
		"minimal_backoff_time":                "1s",
		"notify_classes":                      "",

		"internal_mail_filter_classes": "bounce",
		"milter_default_action":        "tempfail",
		"milter_protocol":              "6",
		"smtpd_milters":                o.Milter,
		"non_smtpd_milters":            o.Milter,
	}
	maps.Copy(settings, o.Set)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s = %s\n", name, settings[name])
	}
	return b.String()
}

// masterCf lists the services that outgoing mail needs, none of them in a chroot.
func (p *Postfix) masterCf() string {
	const services = `
pickup    unix  n  -  n  60    1    pickup
cleanup   unix  n  -  n  -     0    cleanup
qmgr      unix  n  -  n  300   1    qmgr
rewrite   unix  -  -  n  -     -    trivial-rewrite
bounce    unix  -  -  n  -     0    bounce
defer     unix  -  -  n  -     0    bounce
trace     unix  -  -  n  -     0    bounce
verify    unix  -  -  n  -     1    verify
flush     unix  n  -  n  1000? 0    flush
proxymap  unix  -  -  n  -     -    proxymap
proxywrite unix -  -  n  -     1    proxymap
smtp      unix  -  -  n  -     -    smtp
relay     unix  -  -  n  -     -    smtp
showq     unix  n  -  n  -     -    showq
error     unix  -  -  n  -     -    error
retry     unix  -  -  n  -     -    error
discard   unix  -  -  n  -     -    discard
anvil     unix  -  -  n  -     1    anvil
scache    unix  -  -  n  -     1    scache
tlsmgr    unix  -  -  n  1000? 1    tlsmgr
postlog   unix-dgram n - n  -     1    postlogd
`
	smtpd := p.Addr() + " inet n - n - - smtpd"
	if p.ipv6 {
		smtpd += "\n" + p.Addr6() + " inet n - n - - smtpd"
	}
	return smtpd + services
}

// Log returns all that Postfix logged so far.
func (p *Postfix) Log() string {
	mail, err := os.ReadFile(filepath.Join(p.dir, "mail.log"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err.Error()
	}
	return p.Process.Log() + string(mail)
}

// Submit hands in a message by sendmail(1), with its arguments, as a local program would.
func (p *Postfix) Submit(ctx context.Context, message []byte, args ...string) error {
	_, err := p.run(ctx, message, "sendmail", args...)
	return err
}

// Queued is a message in Postfix's queue.
type Queued struct {
	Queue      string `json:"queue_name"` // incoming, active, deferred, hold or maildrop
	ID         string `json:"queue_id"`
	Size       int64  `json:"message_size"`
	Sender     string `json:"sender"`
	Recipients []struct {
		Address string `json:"address"`
		Reason  string `json:"delay_reason"`
	} `json:"recipients"`
}

// Queue lists what is in the queue (postqueue -j).
func (p *Postfix) Queue(ctx context.Context) ([]Queued, error) {
	listing, err := p.run(ctx, nil, "postqueue", "-j")
	if err != nil {
		return nil, err
	}
	var queued []Queued
	for line := range bytes.Lines(listing) {
		var q Queued
		if err := json.Unmarshal(line, &q); err != nil {
			return nil, fmt.Errorf("read postqueue's line %q: %w", line, err)
		}
		queued = append(queued, q)
	}
	return queued, nil
}

// Flush has Postfix try at once to deliver what is deferred.
func (p *Postfix) Flush(ctx context.Context) error {
	_, err := p.run(ctx, nil, "postqueue", "-f")
	return err
}

// Release releases a message from hold and has it delivered.
func (p *Postfix) Release(ctx context.Context, id string) error {
	if _, err := p.run(ctx, nil, "postsuper", "-H", id); err != nil {
		return err
	}
	return p.Flush(ctx)
}

func (p *Postfix) run(ctx context.Context, input []byte, command string, args ...string) ([]byte, error) {
	path, err := program(command)
	if err != nil {
		return nil, err
	}
	option := "-c"
	if command == "sendmail" {
		option = "-C"
	}
	cmd := exec.CommandContext(ctx, path, append([]string{option, p.etc()}, args...)...)
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+p.etc())
	cmd.Stdin = bytes.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", command, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
