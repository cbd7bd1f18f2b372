package telemetry_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/telemetry"
)

func TestAHistogramHasBothKindsOfBucketsAndABound(t *testing.T) {
	t.Parallel()
	r := prometheus.NewPedanticRegistry()
	h := prometheus.NewHistogram(telemetry.Histogram("bcc_test_seconds", "A test.", []float64{1, 10}))
	r.MustRegister(h)
	for v, i := 1e-9, 0; i < 4000; v, i = v*1.02, i+1 { // 34 decades
		h.Observe(v)
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := families[0].GetMetric()[0].GetHistogram()
	if len(got.GetBucket()) != 2 || got.GetSampleCount() != 4000 {
		t.Errorf("%d fixed buckets over %d values, want 2 over 4000", len(got.GetBucket()), got.GetSampleCount())
	}
	if n := len(got.GetPositiveDelta()); n < 10 || n > 100 {
		t.Errorf("%d native buckets, want some and at most 100", n)
	}
}
