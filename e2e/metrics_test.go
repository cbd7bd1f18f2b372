//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// TestMetrics has a real Prometheus scrape a busy fleet and asks it every question of
// the rules and dashboards: each must have an answer, but those about what this fleet
// does not have.
func TestMetrics(t *testing.T) {
	prometheus, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not here: make setup-promtool installs it")
	}
	server, worker, scaler, page := freePort(t), freePort(t), freePort(t), freePort(t)
	f := newFleet(t, t.TempDir(), "--workers", "1", "--price-per-hour", "1", "--metrics-addr", server)
	f.worker(t, "--metrics-addr", worker)
	begin(t, "autoscale", "--target", "print", "--max", "2", "--interval", "1s", "--server", f.base, "--metrics-addr", scaler)

	dir := t.TempDir()
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
scrape_configs:
  - {job_name: bcc-server, static_configs: [{targets: [%q]}]}
  - {job_name: bcc-worker, static_configs: [{targets: [%q]}]}
  - {job_name: bcc-autoscale, static_configs: [{targets: [%q]}]}
`, server, worker, scaler)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := exec.Command(prometheus, "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", page)
	var said bytes.Buffer
	p.Stdout, p.Stderr = &said, &said
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })

	// Work of all kinds, more than once, so that rates have something to count.
	var slides string
	for i := range 3 {
		slides = t.TempDir()
		for n := range 8 {
			if err := os.WriteFile(filepath.Join(slides, fmt.Sprintf("s%d.png", n)), picture(600+8*i+n), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		id := f.submit(t, "--mpp", "0.5", slides)
		lookAt(t, f.base, slides, i)
		must(t, "status", "--server", f.base, "--wait", id)
	}
	pause := time.NewTimer(6 * time.Second) // some scrapes more
	lookAt(t, f.base, slides, 3)
	<-pause.C

	// What a fleet without object storage, GPUs, trouble or 100 slides says nothing about.
	silent := []string{
		"bcc_blob_", "bcc_certificate_", "bcc_device_", "bcc_slide_retries_total", "bcc_degraded_slides_total",
		"bcc_isolate_children_ended_total", "bcc_damaged_records_total", "bcc_score_drift", "bcc_stain_", "bcc_http_tiles_total", `code=~"5.."`,
	}
	questions := questions(t)
	if len(questions) < 80 {
		t.Errorf("%d questions only", len(questions))
	}
	for _, where := range slices.Sorted(maps.Keys(questions)) {
		expr := questions[where]
		answers, err := ask(page, expr)
		switch {
		case err != nil:
			t.Errorf("%s: %v\n%s\n%s", where, err, expr, tail(&said))
		case answers == 0 && !slices.ContainsFunc(silent, func(s string) bool { return strings.Contains(expr, s) }):
			t.Errorf("%s: no answer to\n%s", where, expr)
		}
	}
}

func tail(b *bytes.Buffer) string { s := b.String(); return s[max(0, len(s)-500):] }

// lookAt sends a slide of the folder as a small picture that is waited for.
func lookAt(t *testing.T, base, dir string, n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.png"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures in %s: %v", dir, err)
	}
	data, err := os.ReadFile(files[n%len(files)])
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("mpp_um", "0.5")
	part, _ := form.CreateFormFile("file", "picture.png")
	_, _ = part.Write(data)
	form.Close()
	res, err := http.Post(base+"/predict", form.FormDataContentType(), &body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Errorf("POST /predict: %s: %s", res.Status, text)
	}
}

// questions are all expressions of rules and dashboards, with short windows. What an
// alert compares is asked without the comparison: a well fleet raises none.
func questions(t *testing.T) map[string]string {
	t.Helper()
	short := strings.NewReplacer("$__rate_interval", "5s", `instance="$instance"`, `job="bcc-server"`)
	all := map[string]string{}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	text, err := os.ReadFile("../deploy/prometheus/rules.yml")
	if err == nil {
		err = yaml.Unmarshal(text, &rules)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			for i, part := range strings.FieldsFunc(strings.ReplaceAll(strings.ReplaceAll(r.Expr, " and ", "\x00"), " or ", "\x00"), func(c rune) bool { return c == 0 }) {
				for _, op := range []string{" > ", " < ", " >= ", " == "} {
					part, _, _ = strings.Cut(part, op)
				}
				all[fmt.Sprint(r.Alert, " ", i)] = part
			}
		}
	}
	files, err := filepath.Glob("../deploy/grafana/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		var d struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr, RefID string }
			}
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &d)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				all[fmt.Sprintf("%s, %q %s", filepath.Base(file), p.Title, q.RefID)] = short.Replace(q.Expr)
			}
		}
	}
	return all
}

// ask returns how many series answer.
func ask(address, expr string) (int, error) {
	res, err := http.Get("http://" + address + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	var out struct {
		Error string
		Data  struct{ Result []any }
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		return 0, err
	}
	if out.Error != "" {
		return 0, fmt.Errorf("%s", out.Error)
	}
	return len(out.Data.Result), nil
}
