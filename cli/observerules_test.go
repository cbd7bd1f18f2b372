package cli_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// ruleFile is deploy/prometheus/rules.yml, as far as it is looked at here.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Expr         string
			Labels, Annotations map[string]string
		}
	}
}

// ruleTests is deploy/prometheus/rules_test.yml, the same.
type ruleTests struct {
	Tests []struct {
		Name   string
		Alerts []struct {
			Alertname string
			Expected  []any `json:"exp_alerts"`
		} `json:"alert_rule_test"`
	}
}

// dashboard is a file of deploy/grafana, the same.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []struct {
		ID                       int
		Type, Title, Description string
		GridPos                  struct{ X, Y, W, H int }
		Targets                  []struct{ Expr, RefID string }
	}
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", path))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".json") {
		err = json.Unmarshal(data, into)
	} else {
		err = yaml.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := fs.Glob(os.DirFS(".."), "deploy/grafana/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("dashboards %v, %v", files, err)
	}
	all := map[string]dashboard{}
	for _, f := range files {
		var d dashboard
		read(t, f, &d)
		all[f] = d
	}
	return all
}

// asked are all expressions of rules and dashboards, by where they stand.
func asked(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	var rules ruleFile
	read(t, "deploy/prometheus/rules.yml", &rules)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			all["alert "+r.Alert] = r.Expr
		}
	}
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all[fmt.Sprintf("%s %q %s", filepath.Base(file), p.Title, q.RefID)] = q.Expr
			}
		}
	}
	return all
}

func TestEveryAlertHasItsParagraphAndItsTests(t *testing.T) {
	t.Parallel()
	var rules ruleFile
	var tests ruleTests
	read(t, "deploy/prometheus/rules.yml", &rules)
	read(t, "deploy/prometheus/rules_test.yml", &tests)
	runbook, err := os.ReadFile("../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]bool{}
	for _, h := range regexp.MustCompile(`(?m)^### (\S+)\n(\*page\.\*|\*ticket\.\*) \S`).FindAllStringSubmatch(string(runbook), -1) {
		headings[h[1]+" "+strings.Trim(h[2], "*.")] = true
	}
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, c := range tests.Tests {
		for _, a := range c.Alerts {
			if len(a.Expected) > 0 {
				fires[a.Alertname] = true
			} else {
				silent[a.Alertname] = true
			}
		}
	}
	alerts := map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert+" "+r.Labels["severity"]] = true
			if !headings[r.Alert+" "+r.Labels["severity"]] {
				t.Errorf("%s (%s) has no paragraph in docs/runbook.md that says so", r.Alert, r.Labels["severity"])
			}
			if want := "docs/runbook.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want || r.Annotations["summary"] == "" {
				t.Errorf("%s: %v: want a summary, and %s", r.Alert, r.Annotations, want)
			}
			if !fires[r.Alert] || !silent[r.Alert] {
				t.Errorf("%s: no test shows that it fires, or none that it does not", r.Alert)
			}
		}
	}
	for h := range headings {
		if !alerts[h] {
			t.Errorf("docs/runbook.md: %s is no alert", h)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(#(\w+)\)`).FindAllStringSubmatch(string(runbook), -1) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(alerts)), func(a string) bool { return strings.HasPrefix(strings.ToLower(a), link[1]+" ") }) {
			t.Errorf("docs/runbook.md: nothing lies at %s", link[0])
		}
	}
}

func TestPromtoolAgrees(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not here: make setup-promtool installs it")
	}
	// What dashboards ask goes through promtool as rules: it knows no dashboards.
	var b strings.Builder
	b.WriteString("groups:\n- name: dashboards\n  rules:\n")
	queries := asked(t)
	for _, where := range slices.Sorted(maps.Keys(queries)) {
		if expr := queries[where]; !strings.HasPrefix(where, "alert ") {
			text, _ := json.Marshal(plainQuery(expr, "5m", ".*"))
			fmt.Fprintf(&b, "  - record: bcc:x\n    expr: %s\n    labels: {from: %q}\n", text, where)
		}
	}
	file := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, {"check", "rules", "rules.yml"}, {"test", "rules", "rules_test.yml"}, {"check", "rules", "--lint=none", file},
	} {
		c := exec.CommandContext(t.Context(), promtool, args...)
		c.Dir = "../deploy/prometheus"
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// plainQuery fills in what Grafana would.
func plainQuery(expr, interval, instance string) string {
	expr = strings.ReplaceAll(expr, "$__rate_interval", interval)
	return strings.ReplaceAll(expr, `instance="$instance"`, `instance=~"`+instance+`"`)
}

func TestDashboardsCanBeReadByGrafanaAndPeople(t *testing.T) {
	t.Parallel()
	uids := map[string]string{}
	for file, d := range dashboards(t) {
		if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 || uids[d.UID] != "" {
			t.Errorf("%s: uid %q, title %q, schema %d", file, d.UID, d.Title, d.SchemaVersion)
		}
		uids[d.UID] = file
		ids, cells := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] || p.Title == "" || p.GridPos.W < 1 || p.GridPos.H < 1 || p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %d %q at %+v", file, p.ID, p.Title, p.GridPos)
			}
			ids[p.ID] = true
			if (p.Type == "row") != (len(p.Targets) == 0) {
				t.Errorf("%s: %q asks %d questions", file, p.Title, len(p.Targets))
			}
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					if other := cells[at]; other != "" {
						t.Fatalf("%s: %q lies on %q", file, p.Title, other)
					}
					cells[at] = p.Title
				}
			}
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b(bcc_[a-z0-9_]+|inference_time_seconds|memory_usage_bytes|process_[a-z_]+|go_[a-z_]+)\b`)
	ofHist     = regexp.MustCompile(`_(bucket|sum|count)$`)
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
)

// seldom are metrics that need what a test's fleet does not have. Each must stand in
// the source under this name.
var seldom = map[string]string{
	"bcc_blob_request_seconds": "object storage", "bcc_blob_request_failures_total": "object storage that fails", "bcc_blob_waiting_objects": "object storage",
	"bcc_certificate_end_timestamp_seconds": "an ACME issuer",
	"bcc_slide_retries_total":               "an attempt that fails", "bcc_degraded_slides_total": "an overload",
	"bcc_isolate_children_ended_total": "a decoder that ended", "bcc_http_tiles_total": "a viewer", "bcc_damaged_records_total": "damage",
	"bcc_score_drift": "100 slides", "bcc_stain_drift": "20 slides", "bcc_stain_density": "20 slides",
	"bcc_device_use_percent": "a GPU",
}

func TestWhatIsSeldomStandsInTheSource(t *testing.T) {
	t.Parallel()
	source := literals(t)
	for name, why := range seldom {
		if !source[name] {
			t.Errorf("%s (%s) stands nowhere in the source", name, why)
		}
	}
}

func (o *observed) everyMetricThatIsAskedForExists(t *testing.T) {
	t.Helper()
	scaler := o.autoscaler(t)
	there := map[string]string{}
	for _, url := range []string{o.metrics, o.worker, scaler, o.api + "/metrics"} {
		for _, m := range typeLine.FindAllStringSubmatch(fetch(t, url), -1) {
			there[m[1]] = m[2]
		}
	}
	used := map[string]bool{}
	for where, expr := range asked(t) {
		for _, name := range metricName.FindAllString(expr, -1) {
			used[name] = true
			histogram := ofHist.ReplaceAllString(name, "")
			if there[name] == "" && seldom[name] == "" && there[histogram] != "histogram" && seldom[histogram] == "" {
				t.Errorf("%s asks for %s, which nobody tells", where, name)
			}
		}
	}
	if len(used) < 40 {
		t.Errorf("rules and dashboards ask for %d metrics only: is the test blind?", len(used))
	}
	for _, name := range []string{"inference_time_seconds", "memory_usage_bytes"} { // agreed with those who scrape
		if there[name] != "gauge" {
			t.Errorf("%s is a %q, want a gauge", name, there[name])
		}
	}
}

// autoscaler starts bcc autoscale over the server and returns where its metrics are.
func (o *observed) autoscaler(t *testing.T) string {
	t.Helper()
	addr := freePort(t)
	o.bcc(t, "autoscale", "--target", "print", "--server", o.api, "--max", "2", "--interval", "1s", "--metrics-addr", addr)
	url := "http://" + addr + "/metrics"
	eventually(t, "the autoscaler has decided nothing", func() bool { return strings.Contains(fetchIf(url), "bcc_autoscale_workers_wanted{") })
	return url
}

// literals are the names of metrics that stand as they are in the source.
func literals(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	name := regexp.MustCompile(`"(bcc_[a-z0-9_]+)"`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 {
			return cmp.Or(err, fs.SkipDir)
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range name.FindAllStringSubmatch(string(text), -1) {
			all[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
