package balance

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of a balancer. Members are a label: there are a handful, and who has left is
// taken out.
type metrics struct {
	of       *Balancer
	requests *prometheus.CounterVec   // by class of status
	seconds  *prometheus.HistogramVec // by method
	retries  *prometheus.CounterVec   // by cause
	hedges   prometheus.Counter

	inFlight, streams, latency, pace, up *prometheus.Desc
	asked, failed                        *prometheus.Desc
	waiting                              *prometheus.Desc
}

func newMetrics(r prometheus.Registerer, of *Balancer) (*metrics, error) {
	const prefix = "bcc_balance_"
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prefix+name, help, labels, nil)
	}
	m := &metrics{
		of:       of,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "requests_total", Help: "Requests answered, by class of status."}, []string{"class"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "request_seconds", Help: "Time from a request to the end of its answer.",
			Buckets:                     []float64{0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300},
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour,
		}, []string{"method"}),
		retries:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + "retries_total", Help: "Requests sent again, by why."}, []string{"cause"}),
		hedges:   prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + "hedges_total", Help: "Reads of which a second server was asked."}),
		inFlight: desc("server_requests", "Requests that a server has in hand from here.", "server"),
		streams:  desc("server_streams", "Event streams and WebSockets that are open to a server from here.", "server"),
		pace:     desc("server_pace_ratio", "How many times as long as usual a server takes for what it is asked; 0: not known.", "server"),
		latency:  desc("server_latency_seconds", "Time until a server's answers begin, of late.", "server"),
		up:       desc("server_up", "1 for the state that a server is in.", "server", "state"),
		asked:    desc("server_requests_total", "Requests sent to a server.", "server"),
		failed:   desc("server_failures_total", "Requests and probes that a server did not answer.", "server"),
		waiting:  desc("waiting_requests", "Requests that wait for their turn."),
	}
	for _, c := range []string{"2xx", "3xx", "4xx", "5xx", "aborted"} {
		m.requests.WithLabelValues(c)
	}
	for _, c := range []string{"refused", "unreachable", "broken", "timeout"} {
		m.retries.WithLabelValues(c)
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.retries, m.hedges, m} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

// Describe and Collect tell of the members as they are.
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.inFlight, m.streams, m.latency, m.pace, m.up, m.asked, m.failed, m.waiting} {
		to <- d
	}
}

func (m *metrics) Collect(to chan<- prometheus.Metric) {
	for _, s := range m.of.Members() {
		if s.State == gone.String() { // it may have come back under the same name
			continue
		}
		gauge := func(d *prometheus.Desc, v float64, labels ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{s.Server}, labels...)...)
		}
		gauge(m.inFlight, float64(s.InFlight))
		gauge(m.streams, float64(s.Streams))
		gauge(m.latency, s.LatencyS)
		gauge(m.pace, s.Pace)
		for _, name := range stateNames {
			is := 0.0
			if name == s.State {
				is = 1
			}
			gauge(m.up, is, name)
		}
		to <- prometheus.MustNewConstMetric(m.asked, prometheus.CounterValue, float64(s.Requests), s.Server)
		to <- prometheus.MustNewConstMetric(m.failed, prometheus.CounterValue, float64(s.Failures), s.Server)
	}
	to <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(m.of.turns.queued()))
}

func (m *metrics) answered(r *http.Request, status int, took time.Duration) {
	class := "aborted"
	if status > 0 {
		class = strconv.Itoa(status/100) + "xx"
	}
	m.requests.WithLabelValues(class).Inc()
	method := r.Method
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions:
	default:
		method = "other"
	}
	if !lasting(r) {
		m.seconds.WithLabelValues(method).Observe(took.Seconds())
	}
}

func (m *metrics) retried(cause string) { m.retries.WithLabelValues(cause).Inc() }
func (m *metrics) hedged()              { m.hedges.Inc() }
