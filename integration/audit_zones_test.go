package integration

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"pratique/integration/harness"
	"pratique/signing"
)

// zoneCase is a domain with what stands in its zone, and what the audit is to say of it.
type zoneCase struct {
	name  string
	lines []string          // of a zone file, below the domain
	want  map[string]string // by topic: codes and statuses of what is not well; "well"
	says  []said
	sign  string // selectors that it signs with
}

// said is what must stand in the findings of a topic: in a text, or in a record to publish.
type said struct{ topic, kind, text string }

// readZoneCases reads a file of testdata/audit: "== name: remark" begins a case, then come
// lines of its zone, then what is wanted: "topic: …", "topic says: …", "topic publishes: …".
func readZoneCases(t *testing.T, file string) []zoneCase {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "audit", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []zoneCase
	for line := range strings.Lines(string(data)) {
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "== "); ok {
			name, _, _ = strings.Cut(name, ":")
			all = append(all, zoneCase{name: name, want: map[string]string{}, sign: "rsa"})
			continue
		}
		if line == "" || strings.HasPrefix(line, "# ") || len(all) == 0 {
			continue
		}
		c := &all[len(all)-1]
		before, after, ok := strings.Cut(line, ": ")
		topic, kind, _ := strings.Cut(before, " ")
		switch {
		case !ok || strings.ContainsAny(before, "\"@") || kind != "" && kind != "says" && kind != "publishes":
			c.lines = append(c.lines, line)
		case topic == "sign":
			c.sign = after
		case kind == "":
			c.want[topic] = after
		default:
			c.says = append(c.says, said{topic, kind, after})
		}
	}
	return all
}

// zoneWith is the zone "test" with all cases of a file. A case without MX takes its mail at mail.test.
func zoneWith(t *testing.T, cases []zoneCase) string {
	t.Helper()
	common, err := os.ReadFile(filepath.Join("testdata", "audit", "common.zone"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.Write(common)
	for _, c := range cases {
		fmt.Fprintf(&b, "$ORIGIN %s.test.\n", c.name)
		if !strings.Contains(strings.Join(c.lines, "\n"), "MX ") {
			fmt.Fprintln(&b, "@ MX 10 mail.test.")
		}
		fmt.Fprintln(&b, strings.Join(c.lines, "\n"))
	}
	return b.String()
}

// auditReport is what "audit --json" prints.
type auditReport struct {
	Hostname  string
	Status    string
	Addresses []string
	Findings  []auditFinding
}

type auditFinding struct {
	Topic, Subject, Code, Status, Found, Means, Do, List string
	Publish, Details                                     []string
}

// runAudit runs the command, and returns its report and exit status.
func runAudit(t *testing.T, ctx context.Context, config string, args ...string) (auditReport, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.toml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, append([]string{"audit", "--json", "--config", file}, args...)...)
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r auditReport
	if err := json.Unmarshal(out, &r); err != nil {
		stderr := ""
		if exit != nil {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%v\n%s%s", err, out, stderr)
	}
	return r, cmd.ProcessState.ExitCode()
}

// of returns the findings of a topic about a subject.
func (r auditReport) of(topic, subject string) []auditFinding {
	var found []auditFinding
	for _, f := range r.Findings {
		if f.Topic == topic && (f.Subject == subject || strings.HasSuffix(f.Subject, "._domainkey."+subject)) {
			found = append(found, f)
		}
	}
	return found
}

// notWell returns the codes and statuses of what is not well, each once, or "well".
func notWell(found []auditFinding) string {
	var all []string
	for _, f := range found {
		if text := f.Code + " " + f.Status; f.Status != "ok" && f.Status != "info" && !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return "well"
	}
	return strings.Join(all, ", ")
}

// hold compares a report with what a case wants.
func (c zoneCase) hold(t *testing.T, r auditReport) {
	t.Helper()
	subject := c.name + ".test"
	for topic, want := range c.want {
		found := r.of(topic, subject)
		if got := notWell(found); got != want {
			t.Errorf("%s: under %s it says\n  %s, want\n  %s\n%s", c.name, topic, got, want, shown(found))
		}
	}
	for _, s := range c.says {
		found := r.of(s.topic, subject)
		if !slices.ContainsFunc(found, func(f auditFinding) bool {
			if s.kind == "publishes" {
				return strings.Contains(strings.Join(f.Publish, "\n"), s.text)
			}
			return strings.Contains(strings.Join(append(f.Details, f.Found, f.Means, f.Do), "\n"), s.text)
		}) {
			t.Errorf("%s: nothing under %s %s %q\n%s", c.name, s.topic, s.kind, s.text, shown(found))
		}
	}
}

func shown(found []auditFinding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "    %-7s %s: %s | %s | %s\n", f.Status, f.Code, f.Found, f.Means, f.Do)
		for _, line := range f.Publish {
			fmt.Fprintf(&b, "            publish %s\n", line)
		}
	}
	return b.String()
}

// zoneKeys are keys that cases sign with, by the names of their selectors.
type zoneKeys struct {
	files map[string]string
	marks *strings.Replacer // of records and parts of them, in zone files
}

func newZoneKeys(t *testing.T) zoneKeys {
	t.Helper()
	k := zoneKeys{files: map[string]string{}}
	var marks []string
	for _, name := range []string{"rsa", "short", "other", "ed"} {
		var key any
		var err error
		switch name {
		case "ed":
			_, key, err = ed25519.GenerateKey(rand.Reader)
		case "short":
			key, err = rsa.GenerateKey(rand.Reader, 1024)
		default:
			key, err = rsa.GenerateKey(rand.Reader, 2048)
		}
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		k.files[name] = filepath.Join(t.TempDir(), name+".pem")
		if err := os.WriteFile(k.files[name], block, 0o600); err != nil {
			t.Fatal(err)
		}
		private, err := signing.ParseKey(block)
		if err != nil {
			t.Fatal(err)
		}
		record := private.Record()
		_, public, _ := strings.Cut(record, "p=")
		marks = append(marks, "{"+name+"}", inStrings(record), "{"+name+".p}", inStrings(public), "{"+name+".cut}", inStrings(record[:min(255, len(record))]),
			"{"+name+".spaced}", inStrings(public[:20]+" "+public[20:]))
	}
	k.marks = strings.NewReplacer(marks...)
	return k
}

// inStrings is a text as a zone file has it, in several strings.
func inStrings(text string) string {
	var parts []string
	for ; len(text) > 200; text = text[200:] {
		parts = append(parts, fmt.Sprintf("%q", text[:200]))
	}
	return strings.Join(append(parts, fmt.Sprintf("%q", text)), " ")
}

// toml is the part of a configuration by which a case signs.
func (k zoneKeys) toml(c zoneCase) string {
	if c.sign == "none" {
		return ""
	}
	var keys []string
	for _, name := range strings.Fields(c.sign) {
		keys = append(keys, fmt.Sprintf("{ selector = %q, file = %q }", name, k.files[name]))
	}
	return fmt.Sprintf("[[signing.domains]]\ndomain = %q\nkeys = [ %s ]\n", c.name+".test", strings.Join(keys, ", "))
}

// reverseZones are those of the addresses that the cases send from.
func reverseZones() map[string]string {
	const head = "$TTL 60\n@ SOA ns.test. h.test. 1 60 60 600000 60\n@ NS ns.test.\n"
	return map[string]string{
		"2.0.192.in-addr.arpa":             head + "25 PTR mail.test.\n",
		"0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": head + "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR mail.test.\n",
	}
}

// zoneAudit audits the cases of a file at a real name server.
type zoneAudit struct {
	keys  zoneKeys
	cases []zoneCase
}

// run serves a zone "test" and audits all domains in it.
func (a zoneAudit) run(t *testing.T, zone string) auditReport {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testPatience)
	defer cancel()
	zones := reverseZones()
	zones["test"] = zone
	nsd, err := harness.StartNSD(ctx, t.TempDir(), harness.NSDOptions{Zones: zones})
	nsd = started(t, nsd, err)
	if strings.Contains(nsd.Log(), "error:") {
		t.Fatal(nsd.Log())
	}
	var names []string
	signs := ""
	for _, c := range a.cases {
		names = append(names, fmt.Sprintf("%q", c.name+".test"))
		signs += a.keys.toml(c)
	}
	r, _ := runAudit(t, ctx, fmt.Sprintf("state = %q\nhostname = \"mail.test\"\negress = [\"192.0.2.25\", \"2001:db8::25\"]\n[dns]\nresolver = %q\nauthoritative = [%q]\n"+
		"[audit]\nmax_domains = 1000\nports = []\ndomains = [%s]\n[[audit.blocklists]]\nzone = \"*\"\nkind = \"off\"\n%s", t.TempDir(), nsd.Addr(), nsd.Addr(), strings.Join(names, ", "), signs))
	return r
}

// TestAuditZones audits domains with all that can be wrong in their zones, by the real
// command and at a real name server. Then it publishes what it was told to publish, and
// looks whether that helps.
func TestAuditZones(t *testing.T) {
	keys := newZoneKeys(t)
	for _, file := range []string{"spf.zones", "dmarc.zones", "dkim.zones", "mx.zones", "transport.zones"} {
		t.Run(file, func(t *testing.T) {
			a := zoneAudit{keys, readZoneCases(t, file)}
			zone := keys.marks.Replace(zoneWith(t, a.cases))
			before := a.run(t, zone)
			for _, c := range a.cases {
				c.hold(t, before)
			}
			for round := 0; a.publishes(t, zone, before, round); round++ {
			}
		})
	}
}

// advised returns the findings about a case that say what to publish.
func (c zoneCase) advised(r auditReport) []auditFinding {
	return slices.DeleteFunc(slices.Clone(r.Findings), func(f auditFinding) bool {
		return len(f.Publish) == 0 || f.Subject != c.name+".test" && !strings.HasSuffix(f.Subject, "._domainkey."+c.name+".test")
	})
}

// publishes publishes, for each case, what one of its findings says, and audits again:
// the finding must be gone, and nothing that is not well may have come. It reports
// whether there was anything to publish.
func (a zoneAudit) publishes(t *testing.T, zone string, before auditReport, round int) bool {
	t.Helper()
	z := parseZone(t, zone)
	tried := map[string]auditFinding{}
	for _, c := range a.cases {
		if advised := c.advised(before); round < len(advised) {
			tried[c.name] = advised[round]
			for _, line := range advised[round].Publish {
				z.publish(t, line)
			}
		}
	}
	if len(tried) == 0 {
		return false
	}
	after := a.run(t, z.String())
	for name, f := range tried {
		subject := name + ".test"
		for _, now := range after.of(f.Topic, subject) {
			if now.Code == f.Code && now.Found == f.Found && now.Subject == f.Subject {
				t.Errorf("%s: %s is published, and it still says %s: %s", name, f.Publish, now.Code, now.Found)
			}
			if (now.Status == "warn" || now.Status == "fail") && !follows(f, now) && !slices.ContainsFunc(before.of(f.Topic, subject), func(old auditFinding) bool { return old.Code == now.Code }) {
				t.Errorf("%s: %s is published for %s, and now it says %s: %s", name, f.Publish, f.Code, now.Code, now.Found)
			}
		}
	}
	return true
}

// follows reports whether a finding may come once another one is gone: a record of
// MTA-STS wants a policy, which is no record; and a record that is an error for all
// receivers may become one that is long for some. Where there is no MX, reports have no
// place to go to until there is one.
func follows(gone, come auditFinding) bool {
	return gone.Code == "no_dmarc" && come.Code == "dmarc_report_address" && strings.Contains(come.Found, "neither MX nor address") || come.Code == "sts_policy" || gone.Status == "fail" && come.Code == "spf_too_long"
}

// parsedZone is a zone that records can be published in.
type parsedZone struct{ records []dns.RR }

func parseZone(t *testing.T, text string) *parsedZone {
	t.Helper()
	z := &parsedZone{}
	parser := dns.NewZoneParser(strings.NewReader(text), "test.", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		z.records = append(z.records, rr)
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	return z
}

// publish puts a record in place of those of its kind, as the administrator does who is
// told to: a CNAME goes, an SPF record takes the place of what looks like one, an
// address is one more.
func (z *parsedZone) publish(t *testing.T, line string) {
	t.Helper()
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	z.records = slices.DeleteFunc(z.records, func(old dns.RR) bool {
		switch {
		case !strings.EqualFold(old.Header().Name, rr.Header().Name):
			return false
		case old.Header().Rrtype == dns.TypeCNAME:
			return true
		case old.Header().Rrtype != rr.Header().Rrtype, rr.Header().Rrtype == dns.TypeA, rr.Header().Rrtype == dns.TypeAAAA:
			return false
		}
		txt, ok := old.(*dns.TXT)
		return !ok || strings.HasPrefix(rr.Header().Name, "_") || strings.Contains(rr.Header().Name, "._") || strings.Contains(strings.ToLower(strings.Join(txt.Txt, "")), "spf")
	})
	z.records = append(z.records, rr)
}

func (z *parsedZone) String() string {
	var b strings.Builder
	for _, rr := range z.records {
		fmt.Fprintln(&b, rr)
	}
	return b.String()
}
