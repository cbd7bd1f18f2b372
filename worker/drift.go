package worker

import (
	"math"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"bcc/model"
	"bcc/tissue"
)

const (
	// driftWindow is over how many of the last slides drift is measured: a day of a
	// laboratory, and 10 kB.
	driftWindow = 200
	// stainLeast and scoreLeast are the fewest of them. The population stability index
	// of n slides that have not drifted is 9/n on average, with ten bins: 0.09 of a
	// hundred, well below the 0.25 from which on it is called large by custom.
	stainLeast = model.MinReference
	scoreLeast = 100
	// leastDeviation bounds from below what a reference's slides differed by, as optical
	// density: where all were stained by one machine, a thousandth would be a storm.
	leastDeviation = 0.02
)

// drift is how far the last slides are from the reference of the model. It is a
// prometheus.Collector; results know nothing of it.
type drift struct {
	ref *model.Reference // nil: nobody made one

	mu     sync.Mutex
	stains ring[tissue.Density]
	scores ring[int] // bins
}

// ring holds the last driftWindow values.
type ring[T any] struct {
	values [driftWindow]T
	n      int // ever
}

func (r *ring[T]) add(v T) {
	r.values[r.n%driftWindow] = v
	r.n++
}

func (r *ring[T]) all() []T { return r.values[:min(r.n, driftWindow)] }

func (d *drift) stained(s tissue.Density) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stains.add(s)
}

func (d *drift) scored(score float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.scores.add(model.ScoreBin(score))
}

// density returns the mean of the last slides; ok: there are enough.
func (d *drift) density() (mean tissue.Density, ok bool) {
	all := d.stains.all()
	for _, s := range all {
		for c := range 3 {
			mean[c] += s[c] / float64(len(all))
		}
	}
	return mean, len(all) >= stainLeast
}

// distance is how far the mean stain lies from the reference's, in deviations of the
// reference's slides: the root of the mean square over the colours.
func distance(mean tissue.Density, ref model.Stain) float64 {
	sum := 0.
	for c := range 3 {
		z := (mean[c] - ref.Mean[c]) / max(ref.Deviation[c], leastDeviation)
		sum += z * z / 3
	}
	return math.Sqrt(sum)
}

// stability is the population stability index: the sum over bins of (p-q)·ln(p/q),
// half a slide added to each bin, so that an empty one is no infinity.
func stability(bins []int, ref []int) float64 {
	now := make([]int, len(ref))
	for _, b := range bins {
		now[b]++
	}
	share := func(n []int, i int) float64 {
		all := 0.
		for _, k := range n {
			all += float64(k) + 0.5
		}
		return (float64(n[i]) + 0.5) / all
	}
	sum := 0.
	for i := range ref {
		p, q := share(now, i), share(ref, i)
		sum += (p - q) * math.Log(p/q)
	}
	return sum
}

var (
	densityDesc    = prometheus.NewDesc("bcc_stain_density", "Mean optical density of the tissue of the last 200 slides, by colour of light.", []string{"colour"}, nil)
	stainDriftDesc = prometheus.NewDesc("bcc_stain_drift", "Distance of that from the model's reference, in deviations between the reference's slides.", nil, nil)
	scoreDriftDesc = prometheus.NewDesc("bcc_score_drift", "Population stability index of the scores of the last 200 slides against the model's reference.", nil, nil)
	referenceDesc  = prometheus.NewDesc("bcc_reference_slides", "Slides of the model's reference that drift is measured against; 0: it has none.", nil, nil)
)

// Describe is of prometheus.Collector.
func (*drift) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{densityDesc, stainDriftDesc, scoreDriftDesc, referenceDesc} {
		to <- d
	}
}

// Collect is of prometheus.Collector. What is not known is left out: a zero would be
// good news.
func (d *drift) Collect(to chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, labels...)
	}
	mean, ok := d.density()
	if ok {
		for c, colour := range []string{"red", "green", "blue"} {
			gauge(densityDesc, mean[c], colour)
		}
	}
	if d.ref == nil {
		gauge(referenceDesc, 0)
		return
	}
	gauge(referenceDesc, float64(d.ref.Slides))
	if ok {
		gauge(stainDriftDesc, distance(mean, d.ref.Stain))
	}
	if bins := d.scores.all(); len(bins) >= scoreLeast {
		gauge(scoreDriftDesc, stability(bins, d.ref.Scores))
	}
}
