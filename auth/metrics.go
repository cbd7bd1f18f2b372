package auth

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	decisions *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bcc_auth_decisions_total",
		Help: "Requests by what their credentials were: good, none, wrong, or unchecked because of an error.",
	}, []string{"credentials"})}
	for _, c := range []string{"good", "none", "wrong", "unchecked"} {
		m.decisions.WithLabelValues(c) // a rate over nothing is no zero
	}
	if r != nil {
		r.MustRegister(m.decisions)
	}
	return m
}

func (m metrics) count(err error) {
	outcome := "unchecked"
	switch {
	case err == nil:
		outcome = "good"
	case errors.Is(err, ErrNone):
		outcome = "none"
	case errors.Is(err, ErrWrong):
		outcome = "wrong"
	}
	m.decisions.WithLabelValues(outcome).Inc()
}
