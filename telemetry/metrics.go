package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry that tells of Go, of this process and of the build;
// rooms add their own. It is not the library's global one: whatever a dependency puts
// there stays there.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	b := BuildInfo()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bcc_build_info",
		Help: "1; the labels say what this program was made of.",
		ConstLabels: prometheus.Labels{
			"version": b.Version, "revision": b.Revision, "go": b.Go, "platform": b.Platform,
		},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Gauges are two that were scraped before this program was there, by their names.
// They know the last value only; the bcc_ histograms tell the distribution.
type Gauges struct{ inference prometheus.Gauge }

// NewGauges registers them. memory returns the bytes that this process holds; it is
// asked at each scrape.
func NewGauges(r prometheus.Registerer, memory func() uint64) *Gauges {
	g := &Gauges{inference: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "inference_time_seconds",
		Help: "How long the model took for the last slide or picture.",
	})}
	r.MustRegister(g.inference, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "memory_usage_bytes",
		Help: "Memory that this process holds.",
	}, func() float64 { return float64(memory()) }))
	return g
}

// Inferred says how long the model took for a slide or picture.
func (g *Gauges) Inferred(took time.Duration) { g.inference.Set(took.Seconds()) }
