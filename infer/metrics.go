package infer

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/telemetry"
)

// Placed is a Runner that says where it runs: cpu, cuda:0.
type Placed interface {
	Device() string
}

// metrics say how full batches are and how busy each device is: the seconds of
// batches that ended within a second, by the runners that there are.
type metrics struct {
	size    *prometheus.HistogramVec // by device
	took    *prometheus.HistogramVec // by device
	runners *prometheus.GaugeVec     // by device
}

// newMetrics registers them. A nil reg: nobody reads them.
func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	device := []string{"device"}
	m := &metrics{
		size: prometheus.NewHistogramVec(telemetry.Histogram(
			"bcc_batch_patches", "Patches in a batch.", prometheus.ExponentialBuckets(1, 2, 8),
		), device),
		took: prometheus.NewHistogramVec(telemetry.Histogram(
			"bcc_batch_seconds", "Time of a batch in the engine; its rate by bcc_runners is a device's use.",
			prometheus.ExponentialBuckets(0.001, 2, 14),
		), device),
		runners: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bcc_runners", Help: "Runners that are not lost.",
		}, device),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.size, m.took, m.runners} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("metrics of the batcher: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) ran(w *worker, patches int, took time.Duration) {
	m.size.WithLabelValues(w.device).Observe(float64(patches))
	m.took.WithLabelValues(w.device).Observe(took.Seconds())
}

func (m *metrics) opened(w *worker) { m.runners.WithLabelValues(w.device).Inc() }
func (m *metrics) lost(w *worker)   { m.runners.WithLabelValues(w.device).Dec() }
