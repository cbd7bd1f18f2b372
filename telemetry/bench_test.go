package telemetry_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/telemetry"
)

// BenchmarkObserve is what a value costs: one a patch, and some a batch and a slide.
func BenchmarkObserve(b *testing.B) {
	buckets := prometheus.ExponentialBuckets(0.0001, 2, 14)
	for name, opts := range map[string]prometheus.HistogramOpts{
		"fixed": {Name: "x", Help: "x", Buckets: buckets}, "both": telemetry.Histogram("x", "x", buckets),
	} {
		b.Run("buckets="+name, func(b *testing.B) {
			h, v := prometheus.NewHistogram(opts), 0.0001
			for b.Loop() {
				h.Observe(v)
				if v *= 1.01; v > 1 {
					v = 0.0001
				}
			}
		})
	}
}

// BenchmarkSpanOff is what a span costs where nobody traces: some twenty a slide.
func BenchmarkSpanOff(b *testing.B) {
	spans := telemetry.Spans(nil, "bench")
	for b.Loop() {
		_, span := spans.Start(b.Context(), "shard")
		telemetry.EndSpan(span, nil)
	}
}
