package queue

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
	"bcc/telemetry"
)

// metrics counts what this process did, and at each scrape what is on the queue.
type metrics struct {
	registerer prometheus.Registerer
	queue      *Queue
	puts       *prometheus.CounterVec // by lane
	taken      *prometheus.CounterVec // by lane
	retaken    prometheus.Counter
	ended      prometheus.Counter
	waited     *prometheus.HistogramVec // by lane
}

var (
	waitingDesc = prometheus.NewDesc("bcc_queue_jobs_waiting", "Jobs that were never taken.", []string{"lane"}, nil)
	leasedDesc  = prometheus.NewDesc("bcc_queue_jobs_leased", "Jobs that were taken and are not done, those handed back included.", []string{"lane"}, nil)
)

func newMetrics(r prometheus.Registerer, q *Queue) (*metrics, error) {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "bcc", Subsystem: "queue", Name: name, Help: help}
	}
	m := &metrics{
		registerer: r,
		queue:      q,
		puts:       prometheus.NewCounterVec(counter("put_total", "Jobs put by this process that were not there yet."), []string{"lane"}),
		taken:      prometheus.NewCounterVec(counter("taken_total", "Jobs taken by this process."), []string{"lane"}),
		retaken:    prometheus.NewCounter(counter("redelivered_total", "Jobs taken by this process that had been taken before.")),
		ended:      prometheus.NewCounter(counter("leases_lost_total", "Leases of this process that ended before the work did.")),
	}
	m.waited = prometheus.NewHistogramVec(telemetry.Histogram(
		"bcc_queue_wait_seconds", "Time that jobs lay on the queue before they were taken the first time.",
		prometheus.ExponentialBuckets(0.01, 4, 12), // to 12 h
	), []string{"lane"})
	for _, l := range lanes { // a rate needs a zero to begin with
		m.puts.WithLabelValues(string(l))
		m.taken.WithLabelValues(string(l))
		m.waited.WithLabelValues(string(l))
	}
	if r == nil {
		return m, nil
	}
	if err := r.Register(m); err != nil {
		m.registerer = nil // what stands there is another queue's
		return m, fault.New(fault.Invalid, "metrics of the queue: %w", err)
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m != nil && m.registerer != nil {
		m.registerer.Unregister(m)
	}
}

func (m *metrics) put(l Lane) { m.puts.WithLabelValues(string(l)).Inc() }
func (m *metrics) lost()      { m.ended.Inc() }

func (m *metrics) took(l Lane, again bool, put time.Time) {
	m.taken.WithLabelValues(string(l)).Inc()
	if again {
		m.retaken.Inc()
		return
	}
	m.waited.WithLabelValues(string(l)).Observe(max(time.Since(put), 0).Seconds())
}

// Describe is of prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- waitingDesc
	ch <- leasedDesc
	m.puts.Describe(ch)
	m.taken.Describe(ch)
	m.retaken.Describe(ch)
	m.ended.Describe(ch)
	m.waited.Describe(ch)
}

// Collect is of prometheus.Collector. A server that does not answer within a second
// leaves out what is on it, and only that.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.puts.Collect(ch)
	m.taken.Collect(ch)
	m.retaken.Collect(ch)
	m.ended.Collect(ch)
	m.waited.Collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := m.queue.count(ctx)
	if err != nil {
		if !errors.Is(err, errClosed) {
			m.queue.log.Warn("queue not counted", "err", err)
		}
		return
	}
	for _, l := range lanes {
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(n[l].waiting), string(l))
		ch <- prometheus.MustNewConstMetric(leasedDesc, prometheus.GaugeValue, float64(n[l].leased), string(l))
	}
}
