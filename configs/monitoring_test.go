package configs

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pratique/telemetry"
)

// TestPromtoolTakesTheRules: the rules are valid, and each alert has a test in which it
// is raised and one in which it is not.
func TestPromtoolTakesTheRules(t *testing.T) {
	promtool := program(t, "promtool")
	run(t, promtool, "check", "rules", "prometheus.rules.yml")
	run(t, promtool, "test", "rules", "testdata/prometheus.test.yml", "testdata/prometheus-week.test.yml")
	rules, tests := readFile(t, "prometheus.rules.yml"), readFile(t, "testdata/prometheus.test.yml")+readFile(t, "testdata/prometheus-week.test.yml")
	for _, found := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rules, -1) {
		raised, quiet := false, false
		for _, part := range strings.Split(tests, "alertname: ")[1:] {
			if strings.HasPrefix(part, found[1]+"\n") {
				empty := strings.Contains(strings.SplitN(part, "\n", 3)[1], "[]")
				raised, quiet = raised || !empty, quiet || empty
			}
		}
		if !raised || !quiet {
			t.Errorf("%s: there is a test in which it is raised: %v; is not: %v", found[1], raised, quiet)
		}
	}
}

// expressions are the queries of the rules and of the dashboard.
func ruleExpressions(t *testing.T) []string {
	var all []string
	for _, part := range regexp.MustCompile(`(?s)expr: (.*?)\n        (?:for|labels):`).FindAllStringSubmatch(readFile(t, "prometheus.rules.yml"), -1) {
		all = append(all, part[1])
	}
	return all
}

type grafana struct {
	UID, Title    string
	SchemaVersion int `json:"schemaVersion"`
	Annotations   struct {
		List []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Panels []panel
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int } `json:"gridPos"`
	Targets     []struct {
		RefID, Expr, LegendFormat string
		Datasource                struct{ Type, UID string }
	}
}

func readDashboard(t *testing.T) grafana {
	var d grafana
	if err := json.Unmarshal([]byte(readFile(t, "grafana-dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *grafana) expressions() []string {
	var all []string
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		all = append(all, a.Expr)
	}
	return all
}

var (
	metricName = regexp.MustCompile(`\bpratique_\w+`)
	selectors  = regexp.MustCompile(`\b(pratique_\w+)(?:\{([^}]*)\})?`)
	matchers   = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// TestQueriesNameWhatExists: metrics and labels.
func TestQueriesNameWhatExists(t *testing.T) {
	labels := map[string][]string{}
	anywhere := map[string]bool{"instance": true, "job": true, "le": true}
	for _, m := range telemetry.Catalogue() {
		names := []string{m.Name}
		if m.Type == "histogram" {
			names = []string{m.Name + "_bucket", m.Name + "_count", m.Name + "_sum"}
		}
		for _, name := range names {
			labels[name] = []string{"instance", "job"}
			for _, l := range m.Labels {
				labels[name] = append(labels[name], l.Name)
				anywhere[l.Name] = true
			}
		}
	}
	d := readDashboard(t)
	queries := append(ruleExpressions(t), d.expressions()...)
	for _, v := range d.Templating.List {
		queries = append(queries, fmt.Sprint(v.Query))
	}
	if len(queries) < 50 {
		t.Errorf("only %d queries were found", len(queries))
	}
	used := map[string]bool{}
	for _, q := range queries {
		for _, s := range selectors.FindAllStringSubmatch(q, -1) {
			known, ok := labels[s[1]]
			if !ok {
				t.Errorf("%s is no metric: %s", s[1], q)
			}
			used[s[1]] = true
			for _, m := range matchers.FindAllStringSubmatch(s[2], -1) {
				if !slices.Contains(known, m[1]) {
					t.Errorf("%s has no label %s: %s", s[1], m[1], q)
				}
			}
		}
		for _, g := range grouping.FindAllStringSubmatch(q, -1) {
			for _, name := range strings.Split(g[1], ",") {
				if !anywhere[strings.TrimSpace(name)] {
					t.Errorf("no metric has the label %s: %s", name, q)
				}
			}
		}
	}
	if len(used) < 20 {
		t.Errorf("only these are used: %v", slices.Sorted(maps.Keys(used)))
	}
	// The check itself must be able to fail.
	if metricName.FindString("sum(pratique_mesages_total)") == "" || labels["pratique_mesages_total"] != nil {
		t.Error("a wrong name would not be found")
	}
}

// TestDashboardIsWellFormed: as far as it can be told without a Grafana.
func TestDashboardIsWellFormed(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("%q, %q, schema %d", d.UID, d.Title, d.SchemaVersion)
	}
	variables := map[string]bool{"__rate_interval": true, "__all": true}
	for _, v := range d.Templating.List {
		variables[v.Name] = true
	}
	ids := map[int]bool{}
	var cells [200][24]string
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" {
			t.Errorf("panel %d %q: its number is not its own, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 || g.Y+g.H > len(cells) {
			t.Errorf("panel %q lies outside: %+v", p.Title, g)
			continue
		}
		for y := g.Y; y < g.Y+g.H; y++ {
			for x := g.X; x < g.X+g.W; x++ {
				if cells[y][x] != "" {
					t.Fatalf("panels %q and %q lie upon each other", p.Title, cells[y][x])
				}
				cells[y][x] = p.Title
			}
		}
		if !slices.Contains([]string{"row", "stat", "timeseries"}, p.Type) || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %q is a %s with %d queries", p.Title, p.Type, len(p.Targets))
		}
		refs := map[string]bool{}
		for _, target := range p.Targets {
			if refs[target.RefID] || target.RefID == "" || target.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q: query %+v", p.Title, target)
			}
			refs[target.RefID] = true
		}
	}
	for _, found := range regexp.MustCompile(`\$\{?(\w+)`).FindAllStringSubmatch(readFile(t, "grafana-dashboard.json"), -1) {
		if !variables[found[1]] {
			t.Errorf("there is no variable %s", found[0])
		}
	}
}

// TestPrometheusParsesTheDashboard: every query, with values for the variables, as the
// expression of a rule.
func TestPrometheusParsesTheDashboard(t *testing.T) {
	promtool := program(t, "promtool")
	values := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$job", ".*")
	d := readDashboard(t)
	var rules strings.Builder
	rules.WriteString("groups:\n  - name: dashboard\n    rules:\n")
	for i, e := range d.expressions() {
		fmt.Fprintf(&rules, "      - record: q%d\n        expr: %q\n", i, values.Replace(e))
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, promtool, "check", "rules", file)
}
