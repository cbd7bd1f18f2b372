package worker_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"bcc/cohort"
	"bcc/queue"
	"bcc/worker"
)

func TestWorkersAndLookersOfAProcessShareTheirMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reg := prometheus.NewPedanticRegistry()
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue, cfg.Registerer, cfg.PricePerHour = w.store, w.queue, reg, 1
	l, err := cohort.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	with := func(c *worker.Config) { c.Registerer = reg }
	w.start(t, with)
	w.start(t, with)
	looks := worker.DefaultLookerConfig()
	looks.Registerer = reg
	looker, err := worker.NewLooker(looks, w.model)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := looker.Look(t.Context(), picture(t, 1)); err != nil {
		t.Fatal(err)
	}
	m := w.submit(t, queue.Routine, w.upload(t, "a", paint(t, 0)), w.upload(t, "b", paint(t, 2)))
	w.wait(t, m, 0)
	w.wait(t, m, 1)

	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, v := range f.GetMetric() {
			got[f.GetName()] += v.GetCounter().GetValue() + v.GetGauge().GetValue() + float64(v.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"bcc_slides_total": 2, "bcc_patches_total": 3 * 72, "bcc_looks_total": 1, "bcc_look_seconds": 1,
		"bcc_result_cache_total": 3, "bcc_slide_seconds": 2, "bcc_step_seconds": 6, "bcc_slides_walking": 0,
		"bcc_decode_seconds": 3 * 72,
		"bcc_slide_score":    2, "bcc_predictions_total": 3, "bcc_reference_slides": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
