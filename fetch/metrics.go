package fetch

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/fault"
)

// metrics counts what was fetched and what was not.
type metrics struct {
	ends  *prometheus.CounterVec // scheme, end
	bytes prometheus.Counter
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "bcc_fetch_total", Help: "Addresses that were fetched, by how it ended: done, refused, too_large, cancelled or the kind of error.",
		}, []string{"scheme", "end"}),
		prometheus.NewCounter(prometheus.CounterOpts{Name: "bcc_fetch_bytes_total", Help: "Bytes that were fetched."}),
	}
	if r != nil {
		r.MustRegister(m.ends, m.bytes)
	}
	return m
}

func (m metrics) observe(scheme string, bytes int64, err error) {
	end := fault.Of(err).String()
	switch {
	case err == nil:
		end = "done"
	case errors.Is(err, ErrRefused):
		end = "refused"
	case errors.Is(err, ErrTooLarge):
		end = "too_large"
	case errors.Is(err, context.Canceled):
		end = "cancelled"
	}
	m.ends.WithLabelValues(scheme, end).Inc()
	m.bytes.Add(float64(bytes))
}
