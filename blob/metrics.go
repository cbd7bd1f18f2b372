package blob

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/telemetry"
)

// s3Metrics counts what is asked of a bucket.
type s3Metrics struct {
	seconds  *prometheus.HistogramVec // operation
	failures *prometheus.CounterVec   // operation, kind
}

func newS3Metrics(r prometheus.Registerer) s3Metrics {
	return s3Metrics{
		register(r, prometheus.NewHistogramVec(telemetry.Histogram(
			"bcc_blob_request_seconds", "How long operations on object storage took, with their repetitions.",
			prometheus.ExponentialBuckets(0.002, 3, 10),
		), []string{"operation"})),
		register(r, prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bcc_blob_request_failures_total",
			Help: "Operations on object storage that failed in the end, by kind of error.",
		}, []string{"operation", "kind"})),
	}
}

func (m s3Metrics) observe(operation string, took time.Duration, err error) {
	m.seconds.WithLabelValues(operation).Observe(took.Seconds())
	if err != nil {
		m.failures.WithLabelValues(operation, fault.Of(err).String()).Inc()
	}
}

// spoolMetrics counts what waits for a store that does not answer.
type spoolMetrics struct {
	kept, sent, lost, refused prometheus.Counter
}

func newSpoolMetrics(r prometheus.Registerer, waiting func() (int, int64)) spoolMetrics {
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_blob_waiting_objects", Help: "Writes and deletions kept here until object storage takes them.",
	}, func() float64 { n, _ := waiting(); return float64(n) }))
	register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_blob_waiting_bytes", Help: "Size of the objects kept here until object storage takes them.",
	}, func() float64 { _, n := waiting(); return float64(n) }))
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help}))
	}
	return spoolMetrics{
		kept:    counter("bcc_blob_kept_total", "Writes kept here because object storage did not answer."),
		sent:    counter("bcc_blob_sent_total", "Kept writes that object storage has taken since."),
		lost:    counter("bcc_blob_lost_races_total", "Kept objects dropped because another writer's of the same key came first."),
		refused: counter("bcc_blob_refused_total", "Kept writes that object storage will never take."),
	}
}

// register registers c, or returns the one that is there already: several stores may
// share a registerer. Without one nothing is registered.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	err := r.Register(c)
	if already, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := already.ExistingCollector.(C); ok {
			return old
		}
	}
	if err != nil {
		panic(err) // a name taken by something else: a mistake in the program
	}
	return c
}
