package isolate

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	started prometheus.Counter
	ended   *prometheus.CounterVec // by cause
	served  prometheus.Counter
	alive   prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		started: prometheus.NewCounter(prometheus.CounterOpts{Name: "bcc_isolate_children_started_total", Help: "Decoding processes started."}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bcc_isolate_children_ended_total",
			Help: "Decoding processes ended, by cause: released and cancelled are ours, the others a slide's."}, []string{"cause"}),
		served: prometheus.NewCounter(prometheus.CounterOpts{Name: "bcc_isolate_served_bytes_total", Help: "Bytes of slides handed to decoding processes; files of this machine they read themselves."}),
		alive:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "bcc_isolate_children", Help: "Decoding processes that run."}),
	}
	if reg == nil {
		return m, nil
	}
	return m, errors.Join(reg.Register(m.started), reg.Register(m.ended), reg.Register(m.served), reg.Register(m.alive))
}
