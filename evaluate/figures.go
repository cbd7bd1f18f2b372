package evaluate

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"bcc/fault"
)

// Sample is one slide or tile with its truth and its score.
type Sample struct {
	Name     string // as messages and predictions.csv have it
	Group    string // patient, or block of tiles: resampled as a whole
	Part     string // the subgroup that it is reported in as well; empty: in none
	Positive bool
	Score    float64 // 0 to 1
}

// Figure is a measured value with its 95 % interval over resamples of whole groups.
type Figure struct {
	Value     float64   `json:"value"`
	Interval  []float64 `json:"interval_95,omitempty"` // low, high; absent where too few resamples gave the figure
	Resamples int       `json:"resamples"`             // that gave it
	// BySample is the interval over resamples of single samples, given beside the
	// other where groups are few. It takes the samples of a group for independent,
	// which they are not: it is too narrow.
	BySample []float64 `json:"interval_95_by_sample,omitempty"`
}

// fewGroups is how many groups an interval over them needs: below, it covers too
// seldom (Cameron, Gelbach and Miller 2008: few clusters are 5 to 30).
const fewGroups = 20

// Figures are measured values by name.
type Figures map[string]Figure

// measure is one row of the table of figures.
type measure struct {
	name, title string
	of          func(resample) float64 // NaN where the samples cannot give it
}

// resample is a ranking with what an operating point makes of it.
type resample struct {
	*ranking
	called  outcome // each sample one way, by the threshold alone
	decided outcome // those in the band apart
}

// measures are the figures of an evaluation, in the order in which they are shown.
// Sensitivity and the like are of the threshold alone; those "of the decided" leave
// out what lies in the abstention band.
var measures = []measure{
	{"auroc", "AUROC", func(r resample) float64 { return r.auroc() }},
	{"average_precision", "Average precision", func(r resample) float64 { return r.averagePrecision() }},
	{"sensitivity", "Sensitivity", func(r resample) float64 { return r.called.sensitivity() }},
	{"specificity", "Specificity", func(r resample) float64 { return r.called.specificity() }},
	{"precision", "Precision (PPV)", func(r resample) float64 { return r.called.precision() }},
	{"negative_predictive_value", "Negative predictive value", func(r resample) float64 { return r.called.negativePredictive() }},
	{"f1", "F1", func(r resample) float64 { return r.called.f1() }},
	{"balanced_accuracy", "Balanced accuracy", func(r resample) float64 { return r.called.balanced() }},
	{"indeterminate", "Indeterminate", func(r resample) float64 { return r.decided.undecided() }},
	{"sensitivity_of_decided", "Sensitivity of the decided", func(r resample) float64 { return r.decided.sensitivity() }},
	{"specificity_of_decided", "Specificity of the decided", func(r resample) float64 { return r.decided.specificity() }},
	{"brier", "Brier score", func(r resample) float64 { return r.brier() }},
	{"log_loss", "Log loss", func(r resample) float64 { return r.logLoss() }},
	{"ece", "Calibration error (ECE)", func(r resample) float64 { return r.ece() }},
}

// withoutWidth warns of figures that are perfect in every resample: a bootstrap holds
// no fault that the samples do not hold. The note is empty where there are none.
// The bound is the rule of three (Hanley and Lippman-Hand 1983), over groups, because
// the samples of one are alike.
func (f Figures) withoutWidth(groups []string, positive []bool) string {
	var titles, bounds []string
	perfect := func(name, title string) bool {
		v := f[name]
		if v.Value != 1 || len(v.Interval) != 2 || v.Interval[0] != 1 {
			return false
		}
		titles = append(titles, title)
		return true
	}
	bound := func(name, title string, class bool) {
		if !perfect(name, title) {
			return
		}
		n := groupsOf(groups, positive, class)
		bounds = append(bounds, fmt.Sprintf(" By the rule of three, no fault in %d groups leaves a %s of %.2f possible.", n, strings.ToLower(title), max(0, 1-3/float64(n))))
	}
	perfect("auroc", "AUROC")
	bound("sensitivity", "Sensitivity", true)
	bound("specificity", "Specificity", false)
	if len(titles) == 0 {
		return ""
	}
	return fmt.Sprintf("Without a fault in any resample: %s. An interval from 1 to 1 is no certainty.%s", strings.Join(titles, ", "), strings.Join(bounds, ""))
}

// groupsOf counts the groups that hold a sample of the class.
func groupsOf(groups []string, positive []bool, class bool) int {
	seen := map[string]bool{}
	for i, g := range groups {
		if positive[i] == class {
			seen[g] = true
		}
	}
	return len(seen)
}

// columns splits samples into what the arithmetic takes, and refuses scores that
// are no probabilities.
func columns(samples []Sample) (scores []float64, positive []bool, groups []string, err error) {
	if len(samples) == 0 {
		return nil, nil, nil, fault.New(fault.Invalid, "evaluate: no samples")
	}
	for _, s := range samples {
		if !(s.Score >= 0 && s.Score <= 1) {
			return nil, nil, nil, fault.Hint(fault.New(fault.Invalid, "evaluate %s: score %v is no probability", s.Name, s.Score), "scores must be numbers from 0 to 1")
		}
		scores, positive, groups = append(scores, s.Score), append(positive, s.Positive), append(groups, s.Group)
	}
	return scores, positive, groups, nil
}

// bothClasses says which class is missing.
func bothClasses(samples []Sample) error {
	positive := func(s Sample) bool { return s.Positive }
	missing := "positive"
	if slices.ContainsFunc(samples, positive) {
		if slices.ContainsFunc(samples, func(s Sample) bool { return !s.Positive }) {
			return nil
		}
		missing = "negative"
	}
	return fault.Hint(fault.New(fault.Invalid, "evaluate: none of the %d samples is %s: %w", len(samples), missing, ErrOneClass),
		"check the labels, and that the split holds both classes")
}

// over measures n figures on samples: values on all of them, then intervals over
// resamples of groups. NaN values are figures the samples cannot give.
//
// Where one group has all the positives, or all the negatives, there is no interval
// by group: every resample that holds both classes holds the same ones.
func over(ctx context.Context, groups []string, positive []bool, c Config, n int, figures func(times, out []float64)) []Figure {
	all, out := make([]float64, len(groups)), make([]float64, n)
	for i := range all {
		all[i] = 1
	}
	figures(all, out)
	measured := make([]Figure, n)
	for i, v := range out {
		measured[i].Value = v
	}
	if !oneGroupAClass(groups, positive) {
		for i, iv := range Intervals(ctx, groups, c.Rounds, c.Seed, n, figures) {
			measured[i].Interval, measured[i].Resamples = iv.ends(), iv.Rounds
		}
	}
	if different := countGroups(groups); different < fewGroups && different < len(groups) {
		single := make([]string, len(groups))
		for i := range single {
			single[i] = strconv.Itoa(i)
		}
		for i, iv := range Intervals(ctx, single, c.Rounds, c.Seed, n, figures) {
			measured[i].BySample = iv.ends()
		}
	}
	return measured
}

// ends returns low and high; nil where there is no interval.
func (i Interval) ends() []float64 {
	if math.IsNaN(i.Low) {
		return nil
	}
	return []float64{i.Low, i.High}
}

// oneGroupAClass reports whether a class that there is lies in one group.
func oneGroupAClass(groups []string, positive []bool) bool {
	in := [2]map[string]bool{{}, {}}
	for i, g := range groups {
		if positive[i] {
			in[0][g] = true
		} else {
			in[1][g] = true
		}
	}
	return len(in[0]) == 1 || len(in[1]) == 1
}

func countGroups(groups []string) int {
	seen := map[string]bool{}
	for _, g := range groups {
		seen[g] = true
	}
	return len(seen)
}

// measured returns the table's figures of samples at an operating point, without
// those that the samples cannot give.
func measured(ctx context.Context, samples []Sample, p Point, c Config) (Figures, error) {
	scores, positive, groups, err := columns(samples)
	if err != nil {
		return nil, err
	}
	r := rank(scores, positive)
	oneClass := r.oneClass()
	values := over(ctx, groups, positive, c, len(measures), func(times, out []float64) {
		lacks := r.times(times).oneClass() && !oneClass // it would say nothing about the whole
		one := resample{r, r.at(p.always()), r.at(p)}
		for i, m := range measures {
			if out[i] = m.of(one); lacks {
				out[i] = math.NaN()
			}
		}
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	figures := Figures{}
	for i, m := range measures {
		figures.set(m.name, values[i])
	}
	return figures, nil
}

// set adds a figure, unless there is none.
func (f Figures) set(name string, v Figure) {
	if !math.IsNaN(v.Value) && !math.IsInf(v.Value, 0) {
		f[name] = v
	}
}
