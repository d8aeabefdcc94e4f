package mta

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "make the fixtures and what is wanted of them anew")

// fixture is a configuration of Postfix that differs from the good one by what
// postconf was told.
type fixture struct {
	name     string
	postconf [][]string        // arguments, without -c
	files    map[string]string // tables beside main.cf
}

// set is "postconf -e" with these settings.
func set(settings ...string) []string { return append([]string{"-e"}, settings...) }

// in is "postconf -P" with these settings of services.
func in(settings ...string) []string { return append([]string{"-P"}, settings...) }

// oneByOne has postconf, which adds several settings in no certain order, set one at a time.
func oneByOne(args []string) [][]string {
	if args[0] != "-e" && args[0] != "-P" {
		return [][]string{args}
	}
	var list [][]string
	for _, setting := range args[1:] {
		list = append(list, []string{args[0], setting})
	}
	return list
}

// reinjection adds a service that takes mail back from a filter.
func reinjection(milters string) [][]string {
	return [][]string{
		{"-M", "127.0.0.1:10025/inet=127.0.0.1:10025 inet n - n - - smtpd"},
		in("127.0.0.1:10025/inet/content_filter=", "127.0.0.1:10025/inet/smtpd_milters="+milters),
	}
}

const socket = "unix:pratique/milter.sock"

var fixtures = []fixture{
	{name: "good"},
	{name: "no-milter", postconf: [][]string{set("smtpd_milters=", "non_smtpd_milters=")}},
	{name: "no-non-smtpd", postconf: [][]string{set("non_smtpd_milters=")}},
	{name: "no-bounce", postconf: [][]string{set("internal_mail_filter_classes=notify")}},
	{name: "service-override", postconf: [][]string{
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_milters=", "submission/inet/syslog_name=postfix/submission")}},
	{name: "service-other-milter", postconf: [][]string{
		{"-M", "submission/inet=submission inet n - y - - smtpd"}, in("submission/inet/smtpd_milters=inet:127.0.0.1:8899")}},
	{name: "no-milters-option", postconf: [][]string{
		{"-M", "smtps/inet=smtps inet n - y - - smtpd"}, in("smtps/inet/receive_override_options=no_milters,no_address_mappings")}},
	{name: "cleanup-override", postconf: [][]string{in("cleanup/unix/non_smtpd_milters=")}},
	{name: "milter-maps", postconf: [][]string{set("smtpd_milter_maps=cidr:${config_directory}/milter_map")},
		files: map[string]string{"milter_map": "# monitoring\n10.9.0.0/16 DISABLE\n10.8.0.0/16 " + socket + "\n"}},
	{name: "proxy-filter", postconf: [][]string{in("smtp/inet/smtpd_proxy_filter=127.0.0.1:10025"),
		{"-M", "127.0.0.1:10026/inet=127.0.0.1:10026 inet n - n - - smtpd"}}},
	{name: "accept", postconf: [][]string{set("milter_default_action=accept")}},
	{name: "reject", postconf: [][]string{set("milter_default_action=reject")}},
	{name: "accept-of-one", postconf: [][]string{set("smtpd_milters={ " + socket + ", connect_timeout=10s, default_action=accept }")}},
	{name: "accept-in-service", postconf: [][]string{in("smtp/inet/milter_default_action=accept")}},
	{name: "chroot", postconf: [][]string{set("smtpd_milters=unix:/var/spool/postfix/pratique/milter.sock")}},
	{name: "chroot-left", postconf: [][]string{set("smtpd_milters=unix:/var/spool/postfix/pratique/milter.sock"),
		{"-F", "smtp/inet/chroot=n"}, {"-F", "cleanup/unix/chroot=-"}}},
	{name: "not-last", postconf: [][]string{set("smtpd_milters=" + socket + ", inet:localhost:8893")}},
	{name: "last", postconf: [][]string{set("smtpd_milters=inet:localhost:8893 " + socket)}},
	{name: "protocol", postconf: [][]string{set("milter_protocol=2")}},
	{name: "timeouts", postconf: [][]string{set("milter_content_timeout=3s", "milter_command_timeout=2s", "milter_connect_timeout=1s", "smtpd_timeout=1h")}},
	{name: "filter-after", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024")}, reinjection("")...)},
	{name: "filter-twice", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024")}, reinjection(socket)...)},
	{name: "filter-before", postconf: append([][]string{set("content_filter=scan:127.0.0.1:10024", "smtpd_milters=", "non_smtpd_milters=")}, reinjection(socket)...)},
	{name: "milter-header-checks", postconf: [][]string{set("milter_header_checks=regexp:${config_directory}/milter_checks")},
		files: map[string]string{"milter_checks": "/^X-Spam-Flag: YES/ HOLD\n/^DKIM-/ IGNORE\n"}},
	{name: "smtp-header-checks", postconf: [][]string{set("smtp_header_checks=regexp:${config_directory}/out", "smtp_body_checks=pcre:${config_directory}/gone")},
		files: map[string]string{"out": "/^Received:.*\\[10\\./ IGNORE\n/^Subject:(.*)/i REPLACE Subject: [ext]$1\n/^X-Mailer:/ WARN\n/foo/ REPLACE X-Foo: bar\nif /^To:/\n/^To:/ PREPEND Cc: archive@example.org\nendif\n"}},
	{name: "generic", postconf: [][]string{set("smtp_generic_maps=hash:${config_directory}/generic")},
		files: map[string]string{"generic": "root@mail.example.org admin@example.org\n@host.example.org @example.org\n"}},
	{name: "line-limit", postconf: [][]string{set("smtp_line_length_limit=512")}},
	{name: "8bit", postconf: [][]string{set("force_mime_input_conversion=no")}},
	{name: "8bit-old", postconf: [][]string{set("mail_version=3.7.11"), {"-X", "force_mime_input_conversion"}}},
	{name: "discard-8bitmime", postconf: [][]string{set("smtp_discard_ehlo_keywords=8bitmime, silent-discard")}},
	{name: "networks-wide", postconf: [][]string{set("mynetworks=127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128 10.0.0.0/8 198.51.100.0/24")}},
	{name: "networks-world", postconf: [][]string{set("mynetworks=127.0.0.0/8 0.0.0.0/0")}},
	{name: "relay-open", postconf: [][]string{set("smtpd_relay_restrictions=permit", "smtpd_recipient_restrictions=permit_mynetworks, permit")}},
	{name: "relay-by-recipient", postconf: [][]string{set("smtpd_relay_restrictions=", "smtpd_recipient_restrictions=permit_mynetworks, reject_unauth_destination, check_policy_service unix:private/policy")}},
	{name: "relay-sender-map", postconf: [][]string{set("smtpd_relay_restrictions=permit_mynetworks, check_sender_access hash:${config_directory}/senders, reject_unauth_destination")},
		files: map[string]string{"senders": "partner.example OK\nspam.example REJECT\n"}},
	{name: "relay-in-service", postconf: [][]string{{"-M", "submission/inet=submission inet n - y - - smtpd"},
		in("submission/inet/smtpd_relay_restrictions=permit_sasl_authenticated,permit")}},
	{name: "relay-class", postconf: [][]string{set("smtpd_restriction_classes=partners", "partners=reject_unknown_helo_hostname, permit",
		"smtpd_relay_restrictions=permit_mynetworks, partners, reject_unauth_destination")}},
	{name: "xclient", postconf: [][]string{set("smtpd_authorized_xclient_hosts=127.0.0.1, 10.0.0.0/8")}},
	{name: "size", postconf: [][]string{set("message_size_limit=0")}},
	{name: "instances", postconf: [][]string{set("multi_instance_directories=/etc/postfix-out")}},
}

// ours is the configuration of the milter that the fixtures are held against.
func ours() Ours {
	networks := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.0.0.0/8")}
	return Ours{
		Listen: []string{"unix:/var/spool/postfix/pratique/milter.sock"},
		Admits: func(p netip.Prefix) bool {
			for _, n := range networks {
				if n.Contains(p.Addr()) && n.Bits() <= p.Bits() {
					return true
				}
			}
			return false
		},
		Generic: []string{"@host.example.org"}, Signed: []string{"From", "Subject", "To", "Cc", "Date"},
		LineLimit: 998, Progress: time.Second, Idle: 10 * time.Minute, ScanMax: 25 << 20,
	}
}

func TestFixtures(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			p, err := readPostfix(filepath.Join("testdata/postfix", f.name))
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, filepath.Join("testdata/postfix", f.name, "want"), summary(p.Judge(ours())))
		})
	}
}

// summary writes what was found but for what is fine.
func summary(r *Report) []byte {
	var b bytes.Buffer
	for _, f := range r.Findings {
		if f.Status == OK {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s: %s\n  %s\n", f.Status, f.Rule, f.Where, f.Found, f.Means)
		for _, fix := range f.Fix {
			fmt.Fprintf(&b, "  > %s\n", fix)
		}
	}
	return b.Bytes()
}

func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// The fixtures are what the real postconf makes, and each judges as the file says
// with the defaults of the real one, too.
func TestFixturesAreOfPostconf(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			dir, stored := t.TempDir(), filepath.Join("testdata/postfix", f.name)
			makeFixture(t, dir, f)
			for _, name := range append([]string{"main.cf", "master.cf"}, names(f.files)...) {
				made, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if *update {
					if err := os.MkdirAll(stored, 0o755); err != nil {
						t.Fatal(err)
					}
				}
				checkGolden(t, filepath.Join(stored, name), made)
			}
		})
	}
}

func names(files map[string]string) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	return list
}

func makeFixture(t *testing.T, dir string, f fixture) {
	t.Helper()
	for _, name := range []string{"main.cf", "master.cf"} {
		text, err := os.ReadFile(filepath.Join("testdata/debian", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range f.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range f.postconf {
		for _, one := range oneByOne(args) {
			runPostconf(t, dir, one...)
		}
	}
}

func runPostconf(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("postconf", append([]string{"-c", dir}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("postconf %s: %v: %s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// missing skips a test that needs a program, unless all of them are required.
func missing(t *testing.T, name string, err error) {
	t.Helper()
	if os.Getenv("PRATIQUE_REQUIRE_REAL") != "" {
		t.Fatalf("%s is missing: %v", name, err)
	}
	t.Skipf("%s is missing: %v", name, err)
}
