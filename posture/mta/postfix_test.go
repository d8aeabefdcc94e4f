package mta

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	values := map[string]string{"a": "1", "empty": "", "b": "$a$a", "level": "3.6", "loop": "x$loop"}
	for text, want := range map[string]string{
		"plain":                                 "plain",
		"$a ${b} $(a)":                          "1 11 1",
		"$$a":                                   "$a",
		"${a?yes}${a:no}":                       "yes",
		"${empty?yes}${empty:no}":               "no",
		"${empty?{10}:{300}}s":                  "300s",
		"${a?{10}:{300}}s":                      "10s",
		"${{$level} <level {2} ? {x} : {y}}":    "y",
		"${{$level} >=level {3.6} ? {x} : {y}}": "x",
		"${{3.11} <level {3.9} ? {x} : {y}}":    "y",
		"${{a} == {a} ? {same} : {other}}":      "same",
		"${{10} > {9} ? {number} : {text}}":     "number",
		"${{$a} != {1} ? {$b} : {<$b>}}":        "<11>",
		"${missing}$":                           "$",
		"a${b":                                  "a11",
		"{ $a } {":                              "{ 1 } {",
		"${{$level} <level {1} ? {} : {p, q}} ${nope}": "p, q ",
	} {
		if got := expand(text, func(name string) string { return values[name] }); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got, ends := expandAll("a$loop", func(name string) string { return values[name] }); got != "a$loop" || ends {
		t.Errorf("a parameter that names itself: %d octets, ends: %v", len(got), ends)
	}
}

// Every parameter has the value that postconf -x says.
func TestExpansionAgreesWithPostconf(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	dir := t.TempDir()
	makeFixture(t, dir, fixture{postconf: [][]string{set("compatibility_level=1", "relayhost=[${mydomain}]:${{$compatibility_level} <level {2} ? {25} : {26}}",
		"mynetworks=${mynetworks_style?{10.0.0.0/8}:{}} $inet_interfaces", "bounce_queue_lifetime=${maximal_queue_lifetime}")}})
	p, err := LoadPostfix(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	effective, err := parseMain([]byte(runPostconf(t, dir, "-x")))
	if err != nil {
		t.Fatal(err)
	}
	// Templates that Postfix fills in for each message or client, and what differs by process.
	apart := []string{"process_id", "forward_path", "default_rbl_reply", "postscreen_reject_footer", "postscreen_expansion_filter"}
	compared := 0
	for name, want := range effective {
		if slices.Contains(apart, name) {
			continue
		}
		compared++
		if got := strings.Join(strings.Fields(p.value(name)), " "); got != strings.Join(strings.Fields(want.value), " ") {
			t.Errorf("%s = %q, postconf says %q", name, got, want.value)
		}
	}
	if compared < 500 {
		t.Errorf("only %d parameters were compared", compared)
	}
}

// With the defaults of the real postconf nothing else is found.
func TestBuiltInDefaultsAgreeWithPostconf(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	for _, f := range fixtures {
		dir := filepath.Join("testdata/postfix", f.name)
		bare, err := readPostfix(dir)
		if err != nil {
			t.Fatal(err)
		}
		full, err := readPostfix(dir)
		if err != nil {
			t.Fatal(err)
		}
		defaults, err := full.askDefaults(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		full.adopt(defaults)
		if a, b := string(summary(bare.Judge(ours()))), string(summary(full.Judge(ours()))); a != b {
			t.Errorf("%s: without postconf:\n%s\nwith it:\n%s", f.name, a, b)
		}
	}
}

// What is not set of mynetworks is what Postfix makes of the interfaces in this style.
func TestNetworksOfInterfaces(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.cf"), []byte("mynetworks_style = class\ninet_interfaces = 127.0.0.1\ncompatibility_level = 3.6\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPostfix(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Networks(); !slices.Contains(got, netip.MustParsePrefix("127.0.0.0/8")) {
		t.Errorf("the class of 127.0.0.1 is not in %v", got)
	}
	elsewhere, err := readPostfix(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := elsewhere.Judge(ours()); r.Count(Unknown) != 2 { // that, and the master.cf that is not there
		t.Errorf("without postconf: %s", summary(r))
	}
}

// mynetworks may name files, and tables by address.
func TestNetworksInFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"list": "# ours\n10.2.0.0/16 10.4.0.1\n198.51.100.7\n", "cidr": "if 10.0.0.0/8\n10.1.0.0/16 OK\nendif\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "gone.db"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	p := &Postfix{dir: dir}
	got, unread := p.networks(dir + "/list, cidr:" + dir + "/cidr !10.9.0.0/16 hash:" + dir + "/gone nonsense")
	if len(got) != 4 || len(unread) != 2 || !strings.Contains(unread[0], "gone.db is there, not the text") {
		t.Errorf("%v %v", got, unread)
	}
}

func TestMilterList(t *testing.T) {
	list := milterList("inet:a:1, unix:/x/y { inet:[::1]:3, connect_timeout=1s, { default_action = accept } command_timeout=2s }")
	if len(list) != 3 || list[1].text != "unix:/x/y" || list[2].text != "inet:[::1]:3" ||
		list[2].options["default_action"] != "accept" || list[2].options["command_timeout"] != "2s" {
		t.Errorf("%+v", list)
	}
}

func TestOurAddress(t *testing.T) {
	for _, c := range []struct {
		listen, milter string
		jailed, want   bool
	}{
		{"unix:/var/spool/postfix/p/m", "unix:p/m", false, true},
		{"unix:/var/spool/postfix/p/m", "unix:p/m", true, true},
		{"unix:/var/spool/postfix/p/m", "unix:/p/m", true, true},
		{"unix:/var/spool/postfix/p/m", "unix:/p/m", false, false},
		{"unix:/run/m", "local:/run//m", false, true},
		{"inet:127.0.0.1:8891", "inet:localhost:8891", false, true},
		{"inet:8891@localhost", "inet:127.0.0.1:8891", true, true},
		{"inet:0.0.0.0:8891", "inet:127.0.0.1:8891", true, true},
		{"inet:0.0.0.0:8891", "inet:192.0.2.1:8891", true, false},
		{"inet:127.0.0.1:8891", "inet:127.0.0.1:8892", false, false},
		{"inet6:[::1]:8891", "inet6:[::1]:8891", false, true},
	} {
		a := milterRef{text: c.milter}.of("/var/spool/postfix", c.jailed)
		if got := (Ours{Listen: []string{c.listen}}).isOurs(a); got != c.want {
			t.Errorf("%s for %s (chroot %v): %v", c.milter, c.listen, c.jailed, got)
		}
	}
}

func TestSocketPermissions(t *testing.T) {
	if os.Geteuid() != 0 {
		missing(t, "root", os.ErrPermission)
	}
	dir := t.TempDir()
	socket := filepath.Join(dir, "m.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ParsePostfix([]byte("mail_owner = nobody\nqueue_directory = /q\nsmtpd_milters = unix:"+socket+"\n"), []byte("smtp inet n - n - - smtpd\n"))
	if err != nil {
		t.Fatal(err)
	}
	p.live = true
	judge := func() string {
		var text []string
		for _, f := range judgeSocket(p, Ours{Listen: []string{"unix:" + socket}}) {
			text = append(text, string(f.Status)+" "+f.Found)
		}
		return strings.Join(text, "\n")
	}
	if got := judge(); !strings.Contains(got, "fail the user nobody may not connect") {
		t.Error(got)
	}
	for _, open := range []string{socket, dir, filepath.Dir(dir)} {
		if err := os.Chmod(open, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := judge(); !strings.Contains(got, "fail the user nobody may not pass through it") {
		t.Error(got)
	}
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	if got := judge(); !strings.Contains(got, "info no socket is there") {
		t.Error(got)
	}
}

func TestBrokenFiles(t *testing.T) {
	for name, files := range map[string][2]string{
		"no equals sign": {"smtpd_milters\n", ""},
		"short service":  {"", "smtp inet n - y\n"},
	} {
		if _, err := ParsePostfix([]byte(files[0]), []byte(files[1])); err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	if _, err := LoadPostfix(t.Context(), dir); err == nil {
		t.Error("a folder without main.cf was read")
	}
	if err := os.WriteFile(filepath.Join(dir, "main.cf"), []byte("smtpd_milters = unix:pratique/milter.sock\nmynetworks = 127.0.0.0/8\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := readPostfix(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Judge(ours()); r.Count(Unknown) != 1 || r.Count(Fail) == 0 {
		t.Errorf("without a master.cf: %+v", r.Findings)
	}
}

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"[::ffff:127.0.0.0]/104": "127.0.0.0/8", "[::1]/128": "::1/128", "192.0.2.1": "192.0.2.1/32", "10.1.2.3/8": "10.0.0.0/8", "[2001:db8::]/32": "2001:db8::/32",
	} {
		if got, err := parseNetwork(text); err != nil || got != netip.MustParsePrefix(want) {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add("smtpd_milters = { unix:x, default_action=accept }\n", "smtp inet n - y - - smtpd -o { smtpd_milters = }\n", "OSTYPE(`linux')\n")
	f.Add("a = ${{$a} <level {${b?{x}:{y}}} ? {$a} : {$b}}\nmynetworks = $a, !1.2.3.4, cidr:{, inline:{ a = b }\n", "cleanup unix - - - - - cleanup\n smtpd\n", "V10\nXa, S=, T=:;\n")
	f.Add("content_filter = x:[127.0.0.1]:10024\nheader_checks = pcre:{ {/^/ FILTER pipe:} }\nsmtpd_restriction_classes = a\na = a, check_sender_access inline:{ {x = FILTER y:} }\n",
		"1:25 inet n - n - - smtpd -o smtpd_sender_restrictions=a -o { syslog_name = $service_name }\npipe unix - n n - - pipe\nx unix - - n - - smtp\n", "MODIFY_MAILER_FLAGS(`SMTP', `-')\nMAILER(smtp)\nFEATURE(msp)\n")
	f.Fuzz(func(t *testing.T, main, master, mail string) {
		ParseSendmail([]byte(mail)).Judge(ours())
		if p, err := ParsePostfix([]byte(main), []byte(master)); err == nil {
			p.Judge(ours())
			p.Routes()
			p.With(p.Propose(ours())).Without("inet:8891@localhost")
		}
	})
}

// Mail of sendmail(1) is told as that of 127.0.0.1, also by a Postfix that knows IPv6 alone.
func TestLocalMailIsNotAdmitted(t *testing.T) {
	p, err := readPostfix("testdata/postfix/good")
	if err != nil {
		t.Fatal(err)
	}
	o := ours()
	for _, c := range []struct {
		admits netip.Prefix
		pass   bool
		means  string
	}{
		{netip.MustParsePrefix("127.0.0.0/8"), false, ""},
		{netip.MustParsePrefix("2000::/3"), false, "refuses it"},
		{netip.MustParsePrefix("2000::/3"), true, "unchecked and unsigned"},
	} {
		o.Admits, o.PassUnknown = func(n netip.Prefix) bool { return c.admits.Overlaps(n) }, c.pass
		found := p.judgeLocalMail(o)
		if c.means == "" && len(found) != 0 || c.means != "" && (len(found) != 1 || !strings.Contains(found[0].Means, c.means)) {
			t.Errorf("%+v: %+v", c, found)
		}
	}
}

// What postconf -e adds to a main.cf without a newline at its end, it writes onto the last line.
func TestFixesOfAFileWithoutNewline(t *testing.T) {
	if _, err := exec.LookPath("postconf"); err != nil {
		missing(t, "postconf", err)
	}
	dir := t.TempDir()
	text := "compatibility_level = 3.6\nmynetworks = 127.0.0.0/8\nsmtpd_milters = unix:pratique/milter.sock\nmyhostname = mail.example.org"
	for name, text := range map[string]string{"main.cf": text, "master.cf": "smtp inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, err := LoadPostfix(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range p.Judge(ours()).Findings {
		if f.Rule != "non_smtpd_milters" {
			continue
		}
		if out, err := exec.Command("sh", "-c", strings.Join(f.Fix, "\n")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", f.Fix, err, out)
		}
	}
	if p, err = readPostfix(dir); err != nil || p.Value("myhostname") != "mail.example.org" || p.Value("non_smtpd_milters") != "unix:pratique/milter.sock" || p.Prelude() != "" {
		text, _ := os.ReadFile(filepath.Join(dir, "main.cf"))
		t.Errorf("%v:\n%s", err, text)
	}
}

// TestCircle: a line that continues the one before it by mistake has a list name itself.
func TestCircle(t *testing.T) {
	p, err := ParsePostfix([]byte("smtpd_milters = inet:127.0.0.1:8891\n  non_smtpd_milters = $smtpd_milters\n"), []byte(usualServices))
	if err != nil {
		t.Fatal(err)
	}
	r := p.Judge(Ours{Listen: []string{"inet:127.0.0.1:8891"}, Admits: func(netip.Prefix) bool { return true }})
	first := r.Findings[0]
	if first.Status != Fail || first.Where != "main.cf:1" || !strings.Contains(first.Found, "smtpd_milters refers to itself") {
		t.Errorf("%+v", first)
	}
	for _, f := range r.Findings {
		if len(f.Found) > 300 {
			t.Errorf("%s", f.Found)
		}
	}
}
