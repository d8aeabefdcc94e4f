package telemetry

import (
	"bytes"
	"errors"
	"flag"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pratique/message"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

// everything returns metrics of which each has a value.
func everything(t testing.TB) *Metrics {
	t.Helper()
	m := newMetrics()
	m.ExpectUnsigned("no_key")
	m.Observe(&message.Message{
		Findings: []message.Finding{{Rule: "M13", Action: "warn"}},
		Failures: []message.Failure{{Check: "scanning", Stage: message.StageEnd, Policy: message.Accept}},
	}, message.Outcome{Verdict: message.Accepted})
	m.Broken([]string{"shop.example"})
	m.Keys(map[string]int{"active": 1}, 0, time.Unix(400, 0))
	m.Reloaded(true, true)
	m.AlertsActive(map[[2]string]int{{"rate_spike", "warning"}: 1})
	m.AlertDelivery("log", "delivered")
	m.Journal(func() map[string]JournalStats { return map[string]JournalStats{"sqlite": {Written: 1}} })
	m.Canaries("ok")
	m.Queue(QueueStats{Messages: map[string]int{"active": 1}, Oldest: map[string]float64{"active": 1}, Deferred: map[string]int{"soft": 1}, Top: map[string]int{"example.net": 1}})
	m.Feedback(FeedbackStats{Bounces: map[string]int{"hard": 1}})
	m.Audited(time.Unix(400, 0), time.Second, map[[2]string]int{{"dns", "ok"}: 1}, 0)
	m.Redis(func() bool { return true }, func() int { return 0 })
	m.Clamd(true)
	m.Graphite()
	m.Build("1.0")
	return m
}

var (
	descForm  = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constForm = regexp.MustCompile(`(\w+)="`)
)

// known returns our metrics as the registry has them, with their labels.
func known(t testing.TB, m *Metrics) (map[string]describe, map[string][]string) {
	t.Helper()
	descs := make(chan *prometheus.Desc)
	go func() {
		m.registry.Describe(descs)
		close(descs)
	}()
	all, labels := map[string]describe{}, map[string][]string{}
	for d := range descs {
		found := descForm.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("%s is written in a new way", d)
		}
		name := found[1]
		if !strings.HasPrefix(name, "pratique_") {
			continue
		}
		all[name] = describe{help: strings.ReplaceAll(found[2], `\"`, `"`)}
		for _, l := range constForm.FindAllStringSubmatch(found[3], -1) {
			labels[name] = append(labels[name], l[1])
		}
		if found[4] != "" {
			labels[name] = append(labels[name], strings.Split(found[4], ",")...)
		}
	}
	return all, labels
}

func TestCatalogueIsWhole(t *testing.T) {
	m := everything(t)
	all, labels := known(t, m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	types := map[string]string{}
	for _, f := range families {
		types[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	seen := map[string]bool{}
	for _, row := range Catalogue() {
		if seen[row.Name] {
			t.Errorf("%s stands there twice", row.Name)
		}
		seen[row.Name] = true
		if _, ok := all[row.Name]; !ok {
			t.Errorf("%s is in the catalogue, and is no metric", row.Name)
			continue
		}
		if types[row.Name] != row.Type {
			t.Errorf("%s is a %q, the catalogue says %q", row.Name, types[row.Name], row.Type)
		}
		var has []string
		for _, l := range row.Labels {
			has = append(has, l.Name)
			if l.Values == "" {
				t.Errorf("%s does not say which values %s has", row.Name, l.Name)
			}
		}
		slices.Sort(has)
		want := slices.Sorted(slices.Values(labels[row.Name]))
		if !slices.Equal(has, want) {
			t.Errorf("%s has the labels %v, the catalogue says %v", row.Name, want, has)
		}
	}
	for name := range all {
		if !seen[name] {
			t.Errorf("%s is no row in the catalogue", name)
		}
	}
}

func TestManual(t *testing.T) {
	all, _ := known(t, everything(t))
	var text bytes.Buffer
	if err := writeManual(&text, all); err != nil {
		t.Fatal(err)
	}
	const file = "../docs/metrics.md"
	if *update {
		if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, text.Bytes()) {
		t.Errorf("%s is not what the catalogue says (%v): go test ./telemetry -run Manual -update", file, err)
	}
}

// The real promtool finds nothing to mend in what Prometheus would be given.
func TestPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("PRATIQUE_REQUIRE_REAL") != "1" {
		t.Skip("promtool is not installed")
	}
	server := httptest.NewServer(everything(t).Handler(func() error { return nil }))
	defer server.Close()
	_, text := get(t, server.URL+"/metrics")
	check := func(text string) (string, error) {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := check(text); err != nil || out != "" {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	// It can find something.
	var exit *exec.ExitError
	if out, err := check("# TYPE pratique_sent counter\npratique_sent 1\n"); !errors.As(err, &exit) || !strings.Contains(out, "_total") {
		t.Errorf("promtool finds nothing wrong: %v\n%s", err, out)
	}
}
