package cohort

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// gauges are read from the ledger when somebody asks for them.
type gauges struct {
	ledger *Ledger

	account, slides, cohorts, left, drain, rate, workers, compute, cost *prometheus.Desc
}

func newGauges(l *Ledger) *gauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &gauges{
		ledger:  l,
		account: desc("bcc_cohort_slides", "Slides of all cohorts, by where they stand; submitted is the sum of the others.", "state"),
		slides:  desc("bcc_backlog_slides", "Slides of unfinished cohorts without an end.", "state"),
		cohorts: desc("bcc_cohorts", "Cohorts kept account of.", "state"),
		left:    desc("bcc_backlog_patches", "Patches left, guessed for slides that were not looked at yet."),
		drain:   desc("bcc_backlog_drain_seconds", "Time until nothing is left, at the measured rate; 0 where there is none."),
		rate:    desc("bcc_patches_per_second", "Patches scored per second of work by all workers, over the last minutes of work."),
		workers: desc("bcc_workers_present", "Workers that were heard of within 15 s."),
		compute: desc("bcc_compute_seconds_total", "Time of workers that slides took, since the store was begun."),
		cost:    desc("bcc_cost_usd_total", "The same, at the price given."),
	}
}

func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.account, g.slides, g.cohorts, g.left, g.drain, g.rate, g.workers, g.compute, g.cost} {
		to <- d
	}
}

func (g *gauges) Collect(to chan<- prometheus.Metric) {
	load, workers := g.ledger.Load(), len(g.ledger.Workers())
	g.ledger.mu.Lock()
	all := g.ledger.all()
	open, over, unread, spent := len(g.ledger.open), len(g.ledger.closed), len(g.ledger.unread), g.ledger.cost(all)
	g.ledger.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(g.account, float64(all.counts.Submitted), "submitted")
	for state, n := range map[State]int{
		Pending: all.counts.Pending, Running: all.counts.Running, Done: all.counts.Done,
		Failed: all.counts.Failed, Quarantined: all.counts.Quarantined, Cancelled: all.counts.Cancelled,
	} {
		gauge(g.account, float64(n), string(state))
	}
	gauge(g.slides, float64(load.SlidesWaiting), "pending")
	gauge(g.slides, float64(load.SlidesRunning), "running")
	gauge(g.cohorts, float64(open), "open")
	gauge(g.cohorts, float64(over), "over")
	gauge(g.cohorts, float64(unread), "unreadable")
	gauge(g.left, float64(load.Patches))
	gauge(g.drain, load.Drain.Seconds())
	gauge(g.rate, load.PatchesPerS)
	gauge(g.workers, float64(workers))
	to <- prometheus.MustNewConstMetric(g.compute, prometheus.CounterValue, spent.ComputeS)
	if spent.USD != nil {
		to <- prometheus.MustNewConstMetric(g.cost, prometheus.CounterValue, *spent.USD)
	}
}

func newDamaged() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bcc_damaged_records_total", Help: "Records of cohorts that were found damaged.",
	}, []string{"record"})
}

// foundDamaged takes down that a record is damaged.
func (l *Ledger) foundDamaged(record, key string, err error) {
	l.damaged.WithLabelValues(record).Inc()
	l.log.Error("a damaged record was found", "record", record, "key", key, "error", err)
}

func (l *Ledger) register() error {
	if l.cfg.Registerer == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{newGauges(l), l.damaged} {
		if err := l.cfg.Registerer.Register(c); err != nil {
			return fmt.Errorf("ledger's metrics: %w", err)
		}
		l.mute = append(l.mute, func() { l.cfg.Registerer.Unregister(c) })
	}
	return nil
}
