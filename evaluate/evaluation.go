package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"bcc/fault"
)

// formatVersion is that of evaluation.json.
const formatVersion = 1

// Warning stands in every evaluation.
const Warning = "Research use only. Not for diagnostic use: these figures describe a program on one set of files, not its worth for any patient."

// Config says how figures are measured.
type Config struct {
	Rounds int    // of the bootstrap; default Rounds
	Seed   uint64 // of the bootstrap; default 1
}

// DefaultConfig returns the defaults.
func DefaultConfig() Config { return Config{Rounds: Rounds, Seed: 1} }

// Model names what gave the scores.
type Model struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
}

// Data names what was evaluated.
type Data struct {
	Name   string `json:"name"`
	About  string `json:"about,omitempty"` // what the set is: real, synthetic, a surrogate
	Kind   string `json:"kind"`            // tiles, slides, cobra or predictions
	Split  string `json:"split,omitempty"` // empty: all rows
	SHA256 string `json:"sha256,omitempty"`
}

// Part is a set of samples with its figures: the whole, or a subgroup.
type Part struct {
	Value     string  `json:"value,omitempty"` // of the column that subgroups are made by
	Samples   int     `json:"samples"`
	Positives int     `json:"positives"`
	Groups    int     `json:"groups"`
	Figures   Figures `json:"figures"`
	// Missing says why there are no figures: a subgroup may hold one class only.
	Missing string  `json:"missing,omitempty"`
	Colour  *Colour `json:"colour_baseline,omitempty"`
}

// Colour is how colour alone does on the same samples, over the same resamples.
type Colour struct {
	TrainedOn  int        `json:"trained_on_samples"`
	AUROC      Figure     `json:"auroc"`
	Difference Figure     `json:"auroc_difference"` // the model's less colour's, paired
	ROC        []ROCPoint `json:"roc"`
}

// Counts counts the calls of all samples, those within the band apart.
type Counts struct {
	TP                    int `json:"true_positives"`
	FP                    int `json:"false_positives"`
	TN                    int `json:"true_negatives"`
	FN                    int `json:"false_negatives"`
	IndeterminatePositive int `json:"indeterminate_positives"`
	IndeterminateNegative int `json:"indeterminate_negatives"`
}

// Applied is the operating point that the figures were read at.
type Applied struct {
	Threshold float64    `json:"threshold"`
	Abstain   [2]float64 `json:"abstain"` // equal ends: no band
	Source    string     `json:"source"`  // where it comes from
}

// Chosen is an operating point picked on a tuning set, with what it does there.
type Chosen struct {
	Threshold   float64    `json:"threshold"`
	Abstain     [2]float64 `json:"abstain"`
	Rule        string     `json:"rule"`
	Wanted      float64    `json:"wanted_sensitivity,omitempty"` // 0: none was asked for
	On          string     `json:"chosen_on"`
	Samples     int        `json:"samples"`
	Positives   int        `json:"positives"`
	Groups      int        `json:"groups"`
	Sensitivity Figure     `json:"sensitivity"`
	Specificity Figure     `json:"specificity"`
	Undecided   Figure     `json:"indeterminate"`
}

// Calibration is how well scores mean what they say.
type Calibration struct {
	Bins []CalibrationBin `json:"bins"`
	// Temperature is that of the tuning set, in one with what the card has already
	// if Applied; ECE and Brier score on the evaluated set after it.
	Temperature *Tempered `json:"temperature,omitempty"`
}

// CalibrationBin is a Bin that holds samples, with the interval of its share.
type CalibrationBin struct {
	Low      float64   `json:"low"`
	High     float64   `json:"high"`
	Count    int       `json:"count"`
	Score    float64   `json:"mean_score"`
	Positive float64   `json:"share_positive"`
	Interval []float64 `json:"interval_95,omitempty"`
}

// Tempered is what a temperature does.
type Tempered struct {
	Value    float64 `json:"value"` // logits are divided by it
	FittedOn string  `json:"fitted_on"`
	Samples  int     `json:"samples"`
	ECE      Figure  `json:"ece_after"`
	Brier    Figure  `json:"brier_after"`
	LogLoss  Figure  `json:"log_loss_after"`
}

// Evaluation is evaluation.json: every figure, with what it was measured on.
type Evaluation struct {
	FormatVersion int    `json:"format_version"`
	Warning       string `json:"warning"`
	Program       string `json:"program"`
	Model         *Model `json:"model,omitempty"` // nil: predictions from elsewhere
	Data          Data   `json:"data"`
	Unit          string `json:"unit"` // "slide" or "tile": what a sample is
	Rounds        int    `json:"bootstrap_rounds"`
	Seed          uint64 `json:"bootstrap_seed"`

	Part
	OperatingPoint Applied     `json:"operating_point"`
	Counts         Counts      `json:"confusion"`
	Calibration    Calibration `json:"calibration"`
	ROC            []ROCPoint  `json:"roc"`
	Band           []BandPoint `json:"roc_band_95"`
	PR             []PRPoint   `json:"precision_recall"`
	Scores         Histogram   `json:"score_histogram"`

	Column  string   `json:"by,omitempty"` // what the parts are made by
	Parts   []Part   `json:"parts,omitempty"`
	Lesions *Lesions `json:"lesions,omitempty"`
	Chosen  *Chosen  `json:"chosen,omitempty"` // the new operating point, where one was asked for
	Notes   []string `json:"notes,omitempty"`
}

// Histogram counts the scores of each class in steps of equal width from 0 to 1.
type Histogram struct {
	Positive []int `json:"positive"`
	Negative []int `json:"negative"`
}

// histogramSteps is how many steps a Histogram has.
const histogramSteps = 20

// Run measures samples at an operating point. Both classes must be among them.
// colour may be nil.
func Run(ctx context.Context, samples []Sample, p Point, colour *Baseline, c Config) (*Evaluation, error) {
	if err := bothClasses(samples); err != nil {
		return nil, err
	}
	e := &Evaluation{FormatVersion: formatVersion, Warning: Warning, Rounds: c.Rounds, Seed: c.Seed}
	var err error
	if e.Part, err = part(ctx, samples, p, colour, "", c); err != nil {
		return nil, err
	}
	scores, positive, groups, err := columns(samples)
	if err != nil {
		return nil, err
	}
	r := rank(scores, positive)
	o := r.at(p)
	e.Counts = Counts{int(o.tp), int(o.fp), int(o.tn), int(o.fn), int(o.openPos), int(o.openNeg)}
	e.OperatingPoint = Applied{Threshold: p.Threshold, Abstain: p.Abstain}
	e.Calibration.Bins = reliability(ctx, r, groups, c)
	if e.ROC, err = ROC(scores, positive); err != nil {
		return nil, err
	}
	if e.PR, err = PR(scores, positive); err != nil {
		return nil, err
	}
	e.ROC, e.PR = thin(e.ROC), thin(e.PR)
	if !oneGroupAClass(groups, positive) {
		e.Band = r.band(ctx, groups, c)
	}
	e.Scores = histogram(scores, positive)
	if e.Groups < fewGroups {
		note := fmt.Sprintf("There are only %d groups: intervals over so few are unsure.", e.Groups)
		if e.Groups == 1 {
			note = "There is only one group: an interval over groups cannot be had."
		}
		if e.Groups < e.Samples {
			note += " Intervals over single samples are given beside them; they are too narrow, because the samples of a group are alike."
		}
		e.Notes = append(e.Notes, note)
	}
	if oneGroupAClass(groups, positive) {
		e.Notes = append(e.Notes, "One group holds all the positives or all the negatives: there is no interval by group.")
	}
	if note := e.Figures.withoutWidth(groups, positive); note != "" {
		e.Notes = append(e.Notes, note)
	}
	if err := e.byPart(ctx, samples, p, colour, c); err != nil {
		return nil, err
	}
	return e, ctx.Err()
}

// byPart measures each subgroup, by its value.
func (e *Evaluation) byPart(ctx context.Context, samples []Sample, p Point, colour *Baseline, c Config) error {
	var values []string
	for _, s := range samples {
		if s.Part != "" && !slices.Contains(values, s.Part) {
			values = append(values, s.Part)
		}
	}
	slices.Sort(values)
	for _, v := range values {
		sub, err := part(ctx, slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return s.Part != v }), p, colour, v, c)
		if err != nil {
			return err
		}
		e.Parts = append(e.Parts, sub)
	}
	return nil
}

// part measures one set of samples.
func part(ctx context.Context, samples []Sample, p Point, colour *Baseline, value string, c Config) (Part, error) {
	out := Part{Value: value, Samples: len(samples)}
	_, positive, groups, err := columns(samples)
	if err != nil {
		return out, err
	}
	out.Groups = countGroups(groups)
	for _, yes := range positive {
		if yes {
			out.Positives++
		}
	}
	if out.Figures, err = measured(ctx, samples, p, c); err != nil {
		return out, err
	}
	if err := bothClasses(samples); err != nil {
		out.Missing = "one class only"
		return out, nil
	}
	if colour != nil {
		out.Colour, err = colour.compare(ctx, samples, value, c)
	}
	return out, err
}

// reliability returns the bins that hold samples.
func reliability(ctx context.Context, r *ranking, groups []string, c Config) []CalibrationBin {
	intervals := Intervals(ctx, groups, c.Rounds, c.Seed, Bins, func(times, out []float64) {
		for i, b := range r.times(times).bins() {
			out[i] = b.Positive
		}
	})
	ones := make([]float64, len(groups))
	for i := range ones {
		ones[i] = 1
	}
	var bins []CalibrationBin
	for i, b := range r.times(ones).bins() {
		if b.Count > 0 {
			bins = append(bins, CalibrationBin{b.Low, b.High, int(b.Count), b.Score, b.Positive, intervals[i].ends()})
		}
	}
	return bins
}

func histogram(scores []float64, positive []bool) Histogram {
	h := Histogram{make([]int, histogramSteps), make([]int, histogramSteps)}
	for i, s := range scores {
		at := min(int(s*histogramSteps), histogramSteps-1)
		if positive[i] {
			h.Positive[at]++
		} else {
			h.Negative[at]++
		}
	}
	return h
}

// Tune picks an operating point on a tuning set, as the rule says, and measures it
// there. on names the set.
func Tune(ctx context.Context, samples []Sample, on string, rule Rule, c Config) (*Chosen, error) {
	scores, positive, groups, err := columns(samples)
	if err != nil {
		return nil, err
	}
	p, err := Choose(ctx, scores, positive, groups, rule)
	if errors.Is(err, ErrOneClass) {
		err = fault.New(fault.Invalid, "choose an operating point on %s: %w", on, bothClasses(samples))
	}
	if err != nil {
		return nil, err
	}
	whole, err := part(ctx, samples, p, nil, "", c)
	if err != nil {
		return nil, err
	}
	name := "where sensitivity and specificity add up to most (Youden)"
	if rule.Sensitivity > 0 {
		name = fmt.Sprintf("the highest threshold with a sensitivity of at least %v", rule.Sensitivity)
	}
	return &Chosen{
		Threshold: p.Threshold, Abstain: p.Abstain, Rule: name, Wanted: rule.Sensitivity, On: on,
		Samples: whole.Samples, Positives: whole.Positives, Groups: whole.Groups,
		Sensitivity: whole.Figures["sensitivity"], Specificity: whole.Figures["specificity"], Undecided: whole.Figures["indeterminate"],
	}, nil
}

// Temper fits a temperature on a tuning set and measures on samples what it does.
func Temper(ctx context.Context, tuning, samples []Sample, on string, c Config) (*Tempered, error) {
	scores, positive, _, err := columns(tuning)
	if err != nil {
		return nil, err
	}
	t := &Tempered{FittedOn: on, Samples: len(tuning)}
	if t.Value, err = Temperature(scores, positive); err != nil {
		return nil, fmt.Errorf("fit a temperature on %s: %w", on, err)
	}
	scaled := slices.Clone(samples)
	for i := range scaled {
		scaled[i].Score = Scale(scaled[i].Score, t.Value)
	}
	figures, err := measured(ctx, scaled, Point{}, c)
	if err != nil {
		return nil, err
	}
	t.ECE, t.Brier, t.LogLoss = figures["ece"], figures["brier"], figures["log_loss"]
	return t, nil
}

// Found reports whether the likelihood has a maximum. Where the classes do not
// overlap, as on a small tuning set, surer scores are always likelier: the value is
// the lower bound then, and would make of any score a certainty that nobody measured.
// At the upper bound all scores come near ½, which is what scores are worth that say
// nothing, or the opposite of the truth.
func (t *Tempered) Found() bool { return t.Value > minTemperature }

// Point returns the chosen operating point.
func (c *Chosen) Point() Point { return Point{c.Threshold, c.Abstain} }

// Scaled returns the point at which scaled scores are called as those before were.
func (p Point) Scaled(temperature float64) Point {
	return Point{Scale(p.Threshold, temperature), [2]float64{Scale(p.Abstain[0], temperature), Scale(p.Abstain[1], temperature)}}
}

// Baseline is the score that colour alone gives samples, by their names, for each
// part (the whole is "").
type Baseline struct {
	TrainedOn map[string]int
	Scores    map[string]map[string]float64
}

// compare measures colour on samples, beside the model.
func (b *Baseline) compare(ctx context.Context, samples []Sample, value string, c Config) (*Colour, error) {
	own, ok := b.Scores[value]
	if !ok {
		return nil, nil
	}
	scores, positive, groups, err := columns(samples)
	if err != nil {
		return nil, err
	}
	colour := make([]float64, len(samples))
	for i, s := range samples {
		v, ok := own[s.Name]
		if !ok || math.IsNaN(v) {
			return nil, fault.New(fault.Internal, "colour baseline: no score of %s", s.Name)
		}
		colour[i] = v
	}
	model, base := rank(scores, positive), rank(colour, positive)
	values := over(ctx, groups, positive, c, 2, func(times, out []float64) {
		out[0] = base.times(times).auroc()
		out[1] = model.times(times).auroc() - out[0]
	})
	roc, err := ROC(colour, positive)
	return &Colour{TrainedOn: b.TrainedOn[value], AUROC: values[0], Difference: values[1], ROC: thin(roc)}, err
}
