package worker

import (
	"errors"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/aggregate"
	"bcc/cohort"
	"bcc/detect"
	"bcc/model"
	"bcc/report"
	"bcc/telemetry"
)

// metrics are shared by all workers and lookers of a process.
type metrics struct {
	slides   *prometheus.CounterVec   // by end
	patches  *prometheus.CounterVec   // by lane
	cache    *prometheus.CounterVec   // by lane, answer
	retries  *prometheus.CounterVec   // by kind of error
	degraded *prometheus.CounterVec   // by what was given up
	took     *prometheus.HistogramVec // by end
	steps    *prometheus.HistogramVec // by step
	read     prometheus.Histogram
	walking  prometheus.Gauge
	slots    prometheus.Gauge
	level    prometheus.Gauge

	shards    *prometheus.CounterVec // by end
	offers    *prometheus.CounterVec // by lane
	parts     *prometheus.CounterVec // by end
	shardTook prometheus.Histogram

	looks    *prometheus.CounterVec // by end
	lookTook prometheus.Histogram
	lookRoom prometheus.Gauge

	score   prometheus.Histogram
	answers *prometheus.CounterVec // by lane, prediction
	drift   *drift
}

// Lanes: slides of cohorts, and pictures that somebody waits for.
const (
	durable = "durable"
	direct  = "direct"
)

// What becomes of shards.
const (
	shardMade      = "made"       // scored here, and kept
	shardFound     = "found"      // in the store before the slide was begun
	shardPoisoned  = "poisoned"   // did not fit its checksum, and was dropped
	shardTakenOver = "taken_over" // another took too long: begun here too
	shardLostRace  = "lost_race"  // scored here, but another's was kept first
	shardStopped   = "stopped"    // another's was kept before it was through here
)

// What becomes of part jobs: shards of slides that others conduct.
const (
	partScored   = "scored"
	partOver     = "over" // it was made already, or is not wanted any more
	partLost     = "lease_lost"
	partReturned = "returned" // the worker stops
	partAgain    = "retried"
	partLeft     = "left"    // to others: for another model or version, or not worth it here
	partDropped  = "dropped" // left to its conductor
)

// newMetrics registers the metrics, or takes those that another worker of this
// process has registered. A nil reg: nobody reads them; a nil ref: drift is measured
// against nothing.
func newMetrics(reg prometheus.Registerer, ref *model.Reference) (*metrics, error) {
	slow := prometheus.ExponentialBuckets(0.25, 2, 14) // to 34 min
	fine := prometheus.ExponentialBuckets(0.0001, 2, 14)
	fast := prometheus.ExponentialBuckets(0.001, 2, 14)
	m, errs := &metrics{}, []error{}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c, err := shared(reg, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
		errs = append(errs, err)
		return c
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		c, err := shared(reg, prometheus.NewHistogramVec(telemetry.Histogram(name, help, buckets), labels))
		errs = append(errs, err)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		c, err := shared(reg, prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help}))
		errs = append(errs, err)
		return c
	}
	m.slides = counter("bcc_slides_total", "Slides of cohorts by how they ended here.", "end")
	m.patches = counter("bcc_patches_total", "Patches scored.", "lane")
	m.cache = counter("bcc_result_cache_total", "Results asked for before work was begun: hit, miss, or poisoned where the checksum did not fit.", "lane", "answer")
	m.retries = counter("bcc_slide_retries_total", "Attempts at slides that are to be made again.", "kind")
	m.degraded = counter("bcc_degraded_slides_total", "Slides looked at less closely than asked, by what was given up.", "what")
	m.took = histogram("bcc_slide_seconds", "Time from taking a slide to its end.", slow, "end")
	m.steps = histogram("bcc_step_seconds", "Time of the steps of a walk.", slow, "step")
	m.read = histogram("bcc_decode_seconds", "Time of reading a patch: what of it had to be decoded, and scaling.", fine).WithLabelValues().(prometheus.Histogram)
	m.walking = gauge("bcc_slides_walking", "Slides being walked in this process.")
	m.slots = gauge("bcc_slide_slots", "Slides that this process may walk at once, the place for urgent ones left out.")
	m.shards = counter("bcc_shards_total", "Shards of slides by what became of them here.", "end")
	m.offers = counter("bcc_shard_offers_total", "Shards offered to other workers.", "lane")
	m.parts = counter("bcc_part_jobs_total", "Shards of slides that others conduct, taken from the queue, by what became of them.", "end")
	m.shardTook = histogram("bcc_shard_seconds", "Time of scoring a shard.", slow).WithLabelValues().(prometheus.Histogram)
	m.level = gauge("bcc_degrade_level", "What routine slides give up: 0 nothing, 1 overlap, 2 also what a coarse pass finds unsuspicious.")
	m.looks = counter("bcc_looks_total", "Small pictures by how they were answered.", "end")
	m.lookTook = histogram("bcc_look_seconds", "Time of looking at a small picture, results from memory left out.", fast).WithLabelValues().(prometheus.Histogram)
	m.lookRoom = gauge("bcc_look_limit_patches", "Patches of small pictures that may be in flight.")
	m.score = histogram("bcc_slide_score", "Scores of slides that were looked at, those of the cache left out.", prometheus.LinearBuckets(0.1, 0.1, 9)).WithLabelValues().(prometheus.Histogram)
	m.answers = counter("bcc_predictions_total", "Answers about slides and small pictures that were looked at, those of the cache left out. Indeterminate: the model abstains.", "lane", "prediction")
	var err error
	m.drift, err = shared(reg, &drift{ref: ref})
	m.zero()
	return m, errors.Join(append(errs, err)...)
}

// zero has what alerts count stand at 0 before it happens: a rate over nothing is
// nothing, and no alarm.
func (m *metrics) zero() {
	for _, s := range []cohort.State{cohort.Done, cohort.Failed, cohort.Quarantined, cohort.Cancelled} {
		m.slides.WithLabelValues(string(s))
	}
	for _, lane := range []string{durable, direct} {
		m.patches.WithLabelValues(lane)
		for _, p := range predictions {
			m.answers.WithLabelValues(lane, string(p))
		}
		for _, answer := range []string{"hit", "miss", "poisoned"} {
			m.cache.WithLabelValues(lane, answer)
		}
	}
	for _, end := range []string{shardMade, shardFound, shardPoisoned, shardTakenOver, shardLostRace, shardStopped} {
		m.shards.WithLabelValues(end)
	}
	for _, end := range []string{partScored, partOver, partLost, partReturned, partAgain, partLeft, partDropped} {
		m.parts.WithLabelValues(end)
	}
	for _, end := range []string{"done", "cached", "refused", "failed", "gone"} {
		m.looks.WithLabelValues(end)
	}
}

var predictions = []aggregate.Prediction{aggregate.BCC, aggregate.NonMalignant, aggregate.Indeterminate}

// answered takes down what was said. What is none of the three, as of a worker of
// another version, is not a label.
func (m *metrics) answered(lane, prediction string) {
	if slices.Contains(predictions, aggregate.Prediction(prediction)) {
		m.answers.WithLabelValues(lane, prediction).Inc()
	}
}

// ended takes down how a slide ended.
func (m *metrics) ended(e cohort.End) {
	m.slides.WithLabelValues(string(e.State)).Inc()
	m.took.WithLabelValues(string(e.State)).Observe(e.TookS)
	if e.State == cohort.Done && !e.Cached {
		m.answered(durable, e.Prediction)
		m.score.Observe(e.Score)
		m.drift.scored(e.Score)
	}
}

// shared registers c, or returns what was registered as the same before.
func shared[T prometheus.Collector](reg prometheus.Registerer, c T) (T, error) {
	if reg == nil {
		return c, nil
	}
	err := reg.Register(c)
	if there, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if old, ok := there.ExistingCollector.(T); ok {
			return old, nil
		}
	}
	return c, err
}

// hear has the times of reading of what walks by c taken down.
func (m *metrics) hear(c *detect.Config) {
	c.Patch.Read = func(took time.Duration) { m.read.Observe(took.Seconds()) }
}

func (m *metrics) stepped(t report.Timing) {
	m.steps.WithLabelValues("overview").Observe(t.OverviewS)
	m.steps.WithLabelValues("inference").Observe(t.InferenceS)
	m.steps.WithLabelValues("aggregate").Observe(t.AggregateS)
}
