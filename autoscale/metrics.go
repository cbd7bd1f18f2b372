package autoscale

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of a loop. Kinds are those that the target was given, a handful, and those of
// workers that somebody started by hand, who may call them as they like: each is shown
// while it is there, and no more than maxKinds are.
type metrics struct {
	wanted    *prometheus.GaugeVec   // by kind
	present   *prometheus.GaugeVec   // by kind, state
	startUp   *prometheus.GaugeVec   // by kind
	decisions *prometheus.CounterVec // by direction
	errors    *prometheus.CounterVec // by step
	age       prometheus.Gauge
	leader    prometheus.Gauge
	shown     map[string]bool // kinds
}

const maxKinds = 64

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.GaugeOpts {
		return prometheus.GaugeOpts{Namespace: "bcc", Subsystem: "autoscale", Name: name, Help: help}
	}
	m := &metrics{
		wanted:    prometheus.NewGaugeVec(gauge("workers_wanted", "Workers that there should be, as last decided."), []string{"kind"}),
		present:   prometheus.NewGaugeVec(gauge("workers_present", "Workers that are paid for: busy, idle, or starting."), []string{"kind", "state"}),
		startUp:   prometheus.NewGaugeVec(gauge("start_up_seconds", "Time from wanting a worker until it takes work, as measured; before, as given."), []string{"kind"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts(gauge("decisions_total", "Rounds, by where the number of workers went; held: the fleet was not known.")), []string{"direction"}),
		errors:    prometheus.NewCounterVec(prometheus.CounterOpts(gauge("errors_total", "Rounds in which a step failed.")), []string{"step"}),
		age:       prometheus.NewGauge(gauge("signals_age_seconds", "Age of what is known of the fleet.")),
		leader:    prometheus.NewGauge(gauge("leader", "1 while this autoscaler may act.")),
	}
	for _, d := range []string{"up", "down", "keep", "held"} { // a rate needs a zero to begin with
		m.decisions.WithLabelValues(d)
	}
	for _, s := range []string{"signals", "target", "scale", "publish"} {
		m.errors.WithLabelValues(s)
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.wanted, m.present, m.startUp, m.decisions, m.errors, m.age, m.leader} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}

func (m *metrics) decided(direction string) { m.decisions.WithLabelValues(direction).Inc() }
func (m *metrics) failed(step string)       { m.errors.WithLabelValues(step).Inc() }
func (m *metrics) aged(d time.Duration)     { m.age.Set(d.Seconds()) }

func (m *metrics) leads(yes bool) {
	m.leader.Set(0)
	if yes {
		m.leader.Set(1)
	}
}

// sees shows the groups, the target's first, and no longer those that are gone.
func (m *metrics) sees(groups []Group, d Decision) {
	shown := map[string]bool{}
	for _, g := range groups[:min(len(groups), maxKinds)] {
		shown[g.Name] = true
		m.wanted.WithLabelValues(g.Name).Set(float64(d.Wanted[g.Name]))
		m.present.WithLabelValues(g.Name, "busy").Set(float64(g.Busy))
		m.present.WithLabelValues(g.Name, "idle").Set(float64(g.Ready - g.Busy))
		m.present.WithLabelValues(g.Name, "starting").Set(float64(len(g.Starting)))
		m.startUp.WithLabelValues(g.Name).Set(g.StartUp.Seconds())
	}
	for kind := range m.shown {
		if !shown[kind] {
			m.forget(kind)
		}
	}
	m.shown = shown
}

func (m *metrics) forget(kind string) {
	of := prometheus.Labels{"kind": kind}
	m.wanted.DeletePartialMatch(of)
	m.present.DeletePartialMatch(of)
	m.startUp.DeletePartialMatch(of)
}
