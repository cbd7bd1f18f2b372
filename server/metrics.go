package server

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/telemetry"
)

// metrics are rate, errors and duration of requests, and what was refused.
type metrics struct {
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	conns    prometheus.Gauge
	closed   prometheus.Counter
	received prometheus.Counter
	tiles    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, s *Server) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bcc_http_requests_total", Help: "Requests by route, method and status.",
		}, []string{"route", "method", "code"}),
		took: prometheus.NewHistogramVec(telemetry.Histogram(
			"bcc_http_request_duration_seconds", "From the first byte of a request to the last of its answer.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120, 600},
		), []string{"route"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bcc_http_refused_total", Help: "Work refused for want of room: looker, queue, wait, memory, disk, limit, streams, requests.",
		}, []string{"reason"}),
		conns: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "bcc_http_connections", Help: "Open connections.",
		}),
		closed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bcc_http_connections_closed_total", Help: "Idle connections closed to make room for others.",
		}),
		received: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "bcc_http_received_bytes_total", Help: "Bytes of slides received.",
		}),
		tiles: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bcc_http_tiles_total", Help: "Deep-zoom tiles sent, by where they came from: cache, made.",
		}, []string{"from"}),
	}
	for _, reason := range []string{"looker", "queue", "wait", "memory", "disk", "limit", "streams", "requests"} {
		m.refused.WithLabelValues(reason) // a rate over nothing is no zero
	}
	inFlight := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_http_requests_in_flight", Help: "Requests being answered.",
	}, func() float64 { return float64(s.open.Load()) })
	streams := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_http_event_streams", Help: "Open event streams.",
	}, func() float64 { return float64(s.streams.used.Load()) })
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_http_picture_bytes", Help: "Memory of pictures that are being looked at.",
	}, func() float64 { return float64(s.memory.used.Load()) })
	wanted := wantedGauge{s, prometheus.NewDesc("bcc_workers_wanted",
		"Workers that there should be, by kind; no kind: nobody has said so but the command line.", []string{"kind"}, nil)}
	var errs []error
	for _, c := range []prometheus.Collector{m.requests, m.took, inFlight, m.refused, m.conns, m.closed, m.received, m.tiles, streams, memory, wanted} {
		errs = append(errs, r.Register(c))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return m, nil
}

func (m *metrics) observe(rt *route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(rt.pattern, plainMethod(method), strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(rt.pattern).Observe(took.Seconds())
}

// wantedGauge is read from the server when somebody asks: kinds come and go.
type wantedGauge struct {
	s    *Server
	desc *prometheus.Desc
}

func (g wantedGauge) Describe(to chan<- *prometheus.Desc) { to <- g.desc }

func (g wantedGauge) Collect(to chan<- prometheus.Metric) {
	for kind, n := range g.s.wantedByKind(len(g.s.cfg.Ledger.Workers())) {
		to <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, float64(n), kind)
	}
}
