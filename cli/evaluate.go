package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bcc/aggregate"
	"bcc/dataset"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/model"
	"bcc/telemetry"
)

// evaluateFlags are the flags of bcc evaluate.
type evaluateFlags struct {
	detectFlags
	data        string
	dataset     string
	split, tune string
	by          string
	positive    string
	about       string
	predictions string
	site        string
	sensitivity float64
	writeCard   bool
}

func newEvaluate(std Streams) *cobra.Command {
	var f evaluateFlags
	cmd := &cobra.Command{
		Use:   "evaluate [flags]",
		Short: "Measure a model on labelled tiles or slides, and set its operating point",
		Long: `Runs the model on one split of a labelled data set and writes OUT/evaluation.json,
evaluation.html, predictions.csv and the curves as SVG and PNG: AUROC, average
precision, sensitivity, specificity, F1, calibration, lesions, each with its 95 %
interval over resamples of whole patients or groups. Tiles are measured beside a
baseline that knows their colours only.

The operating point is the card's. --sensitivity or --write-card picks a new one on
the tuning split, with the band of scores that are left undecided, and a
temperature; figures on another split only read them. --write-card puts them into
the model's card, --site into a copy of the model under OUT/model.

Nothing it writes says what a model is worth for a patient.`,
		Example: `  bcc evaluate --model DIR --data tiles/ --out evaluation --by magnification
  bcc evaluate --model DIR --data slides/ --split test --sensitivity 0.95 --write-card --out evaluation
  bcc evaluate --predictions scores.csv --out evaluation
  bcc evaluate --model DIR --site our-slides/ --out ours`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return runEvaluate(cmd, f, std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.register(fs)
	fs.StringVar(&f.data, "data", "", "folder of the data set: labels.csv and its files, or COBRA's tables")
	fs.StringVar(&f.out, "out", "evaluation", "folder to write to; of slides, results are kept in it and not made again")
	fs.StringVar(&f.dataset, "dataset", "auto", "tiles, slides or cobra; auto: by the tables and the endings of the files")
	fs.StringVar(&f.split, "split", dataset.Val, "split to measure: train, val, test, or all for every sample")
	fs.StringVar(&f.tune, "tune-split", dataset.Val, "split on which an operating point and a temperature are chosen; with --split all nothing is chosen unless this is given")
	fs.StringVar(&f.by, "by", "", "column of the table by which subgroups are reported too")
	fs.Float64Var(&f.sensitivity, "sensitivity", 0, "choose the highest threshold with at least this sensitivity, above 0 to 1")
	fs.BoolVar(&f.writeCard, "write-card", false, "write operating point, temperature and figures into the model's card")
	fs.StringVar(&f.site, "site", "", "folder of a site's own labelled slides: refit the operating point, write OUT/model")
	fs.StringVar(&f.predictions, "predictions", "", "evaluate a CSV table (path,label,group,score[,split]) instead of running a model")
	fs.StringVar(&f.positive, "positive", "", "label of the positive class; empty: BCC, carcinoma, tumour or 1")
	fs.StringVar(&f.about, "about", "", "what the data is, in a sentence, for the report")
	f.registerWalk(fs)
	return cmd
}

// scored is what a run of a model, or a table from elsewhere, gives to be measured.
type scored struct {
	rows    []evaluate.Prediction
	data    evaluate.Data
	unit    string // slide or tile
	model   *evaluate.Model
	point   evaluate.Point // the card's
	source  string         // of the point
	notes   []string
	colour  *evaluate.Baseline
	lesions []evaluate.SlideLesions // of the measured split
}

func runEvaluate(cmd *cobra.Command, f evaluateFlags, std Streams) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if err := writable(f.out); err != nil {
		return err
	}
	s, b, err := f.score(cmd, std)
	if err != nil {
		return err
	}
	return f.report(cmd, s, b, std)
}

// report measures what was scored by the model b and writes all that f asks for.
func (f *evaluateFlags) report(cmd *cobra.Command, s *scored, b *model.Bundle, std Streams) error {
	e, err := f.measure(cmd, s)
	if err != nil {
		return err
	}
	if err := e.Write(f.out, f.measured(s.rows)); err != nil {
		return err
	}
	if f.writeCard {
		if err := writeCard(f.model, b, e); err != nil {
			return err
		}
	}
	if f.site != "" {
		if err := writeSite(filepath.Join(f.out, siteModel), b, e); err != nil {
			return err
		}
	}
	if f.json {
		return unwrittenIf(json.NewEncoder(std.Out).Encode(e))
	}
	_, err = fmt.Fprintf(std.Out, "%s%s/%s\n%s\n", e.Lines(), filepath.ToSlash(f.out), evaluate.PageFile, evaluate.Warning)
	return unwrittenIf(err)
}

func unwrittenIf(err error) error {
	if err != nil {
		return unwritten(err)
	}
	return nil
}

// check refuses flags that make no sense together before anything runs.
func (f *evaluateFlags) check(cmd *cobra.Command) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	named := 0
	for _, v := range []string{f.data, f.predictions, f.site} {
		if v != "" {
			named++
		}
	}
	if named != 1 {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "evaluate: one of --data, --predictions and --site is needed"), "%s --help shows examples", cmd.CommandPath()))
	}
	if given("sensitivity") && !(f.sensitivity > 0 && f.sensitivity <= 1) {
		add("--sensitivity %v: want a share above 0, at most 1", f.sensitivity)
	}
	if given("threshold") && (f.sensitivity != 0 || f.writeCard || f.site != "") {
		add("--threshold is read, --sensitivity, --write-card and --site choose one: give one or the other")
	}
	if given("threshold") && !(f.threshold >= 0 && f.threshold <= 1) {
		add("--threshold %v: want 0 to 1", f.threshold)
	}
	if f.split == splitAll && !given("tune-split") {
		f.tune = "" // every sample is measured: nothing is left to choose on
		if f.sensitivity != 0 {
			errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--sensitivity: with --split all every sample is measured, and none is left to choose an operating point on"),
				"--tune-split names samples to choose on; they are measured all the same"))
		}
	}
	if f.predictions != "" && f.writeCard {
		add("--write-card needs a model that ran here, not --predictions")
	}
	if f.site != "" && (given("split") || given("tune-split") || f.writeCard) {
		add("--site fits on all slides but those of split test, and writes its own model: leave out --split, --tune-split and --write-card")
	}
	if own, err := os.Stat(filepath.Join(f.out, siteModel)); err == nil && f.site != "" {
		if base, err := os.Stat(f.model); err == nil && os.SameFile(own, base) {
			errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--site: the model of the site would take the place of %s, which it is made from", f.model), "name another folder: --out DIR"))
		}
	}
	if f.writeCard {
		if info, err := os.Stat(filepath.Join(f.model, model.CardFile)); err != nil || !info.Mode().IsRegular() {
			errs = append(errs, fault.Hint(fault.New(fault.Invalid, "--write-card: the model %s has no folder whose card could be written", f.model), "copy the model into a folder and name that: --model DIR"))
		}
	}
	if f.jobs < 1 {
		add("--jobs %d: want 1 or more", f.jobs)
	}
	return errors.Join(errs...)
}

// chooses reports whether a new operating point is wanted.
func (f *evaluateFlags) chooses() bool {
	return f.site != "" || f.tune != "" && (f.sensitivity != 0 || f.writeCard)
}

// splitAll is what --split and --tune-split call all samples, of whatever split.
const splitAll = "all"

// shares reports whether samples are measured that an operating point is chosen on.
func (f *evaluateFlags) shares() bool { return within(f.split, f.tune) || within(f.tune, f.split) }

// within reports whether a sample's split is the one called name.
func within(split, name string) bool { return name == splitAll || split == name }

// wants reports whether samples of a split are needed.
func (f *evaluateFlags) wants(split string) bool {
	return f.site != "" || within(split, f.split) || f.chooses() && within(split, f.tune)
}

// score runs the model, or reads what was predicted elsewhere.
func (f *evaluateFlags) score(cmd *cobra.Command, std Streams) (*scored, *model.Bundle, error) {
	if f.predictions != "" {
		s, err := f.readPredictions(cmd)
		return s, nil, err
	}
	b, err := f.bundle()
	if err != nil {
		return nil, nil, err
	}
	dir := max(f.data, f.site) // one of them is empty
	kind, err := kindOf(dir, f.dataset)
	if err != nil {
		return nil, nil, err
	}
	if f.site != "" && kind == kindTiles {
		return nil, nil, fault.New(fault.Invalid, "--site %s: it holds tiles; an operating point for a site is fitted on its slides", dir)
	}
	s := f.unscored(dir, kind, b)
	if kind == kindTiles {
		err = f.scoreTiles(cmd.Context(), s, dir, b, std)
	} else {
		err = f.scoreSlides(cmd, s, dir, b, std)
	}
	return s, b, err
}

// unscored is what the model b is about to score: the data set in dir, of this kind.
func (f *evaluateFlags) unscored(dir, kind string, b *model.Bundle) *scored {
	s := &scored{
		model: &evaluate.Model{Name: b.Card.Name, Version: b.Card.Version, SHA256: b.Digest}, unit: "slide",
		data: evaluate.Data{Name: nameOf(dir), About: f.about, Kind: kind, Split: f.split},
	}
	if kind == kindTiles {
		s.unit = "tile"
	}
	return s
}

// nameOf is what a folder is called, also where it is named as ".".
func nameOf(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return filepath.Base(dir)
}

// measure chooses an operating point and a temperature where they are wanted, and
// measures the samples of the split.
func (f *evaluateFlags) measure(cmd *cobra.Command, s *scored) (*evaluate.Evaluation, error) {
	ctx, cfg := cmd.Context(), evaluate.DefaultConfig()
	point, source := s.point, s.source
	if cmd.Flags().Changed("threshold") {
		moved := aggregate.Config{Threshold: point.Threshold, Abstain: point.Abstain}.WithThreshold(f.threshold) // as detect does
		point, source = evaluate.Point{Threshold: moved.Threshold, Abstain: moved.Abstain}, "--threshold"
	}
	samples := samplesOf(f.measured(s.rows))
	tuning, on := samplesOf(f.tuning(s.rows)), f.tuneName(s)
	if len(samples) == 0 {
		return nil, noSplit(f.split, s)
	}
	var chosen *evaluate.Chosen
	if f.chooses() {
		if len(tuning) == 0 {
			return nil, noSplit(f.tune, s)
		}
		rule := evaluate.DefaultRule()
		rule.Sensitivity = f.sensitivity
		var err error
		if chosen, err = evaluate.Tune(ctx, tuning, on, rule, cfg); err != nil {
			return nil, err
		}
		point, source = chosen.Point(), "chosen on "+on
	}
	e, err := evaluate.Run(ctx, samples, point, s.colour, cfg)
	if err != nil {
		return nil, err
	}
	e.Program, e.Model, e.Data, e.Unit, e.Column = "bcc "+telemetry.Version, s.model, s.data, s.unit, f.by
	e.OperatingPoint.Source, e.Chosen = source, chosen
	if f.site != "" {
		e.Data.Split = ""
		if f.siteTest(s.rows) > 0 {
			e.Data.Split = dataset.Test
		}
	}
	e.Notes = append(s.notes, e.Notes...)
	if f.site != "" && f.siteTest(s.rows) == 0 || chosen != nil && f.site == "" && f.shares() {
		e.Notes = append(e.Notes, "The operating point and the temperature were chosen on these very samples, or some of them: sensitivity, specificity and the calibration after it are better here than they will be elsewhere.")
	}
	if len(tuning) > 0 && (chosen != nil || f.split == f.tune) {
		if e.Calibration.Temperature, err = evaluate.Temper(ctx, tuning, samples, on, cfg); err != nil {
			return nil, err
		}
		if !e.Calibration.Temperature.Found() {
			e.Calibration.Temperature = nil
			e.Notes = append(e.Notes, fmt.Sprintf("No temperature was fitted: the scores of the %d %ss of %s tell the classes apart without a fault, and then surer scores are always likelier.", len(tuning), e.Unit, on))
		}
	}
	if len(s.lesions) > 0 {
		if e.Lesions, err = evaluate.MeasureLesions(ctx, s.lesions, cfg); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// measured are the rows of the split that is measured: of a site's, those of split
// test, or all where there are none.
func (f *evaluateFlags) measured(rows []evaluate.Prediction) []evaluate.Prediction {
	return where(rows, func(r evaluate.Prediction) bool {
		if f.site != "" {
			return r.Split == dataset.Test || f.siteTest(rows) == 0
		}
		return within(r.Split, f.split) || r.Split == ""
	})
}

// tuning are the rows on which an operating point is chosen.
func (f *evaluateFlags) tuning(rows []evaluate.Prediction) []evaluate.Prediction {
	return where(rows, func(r evaluate.Prediction) bool {
		if f.site != "" {
			return r.Split != dataset.Test || len(rows) == f.siteTest(rows)
		}
		return within(r.Split, f.tune) || r.Split == ""
	})
}

// siteTest counts the rows that a site has set apart.
func (f *evaluateFlags) siteTest(rows []evaluate.Prediction) int {
	return len(where(rows, func(r evaluate.Prediction) bool { return r.Split == dataset.Test }))
}

func (f *evaluateFlags) tuneName(s *scored) string {
	split := f.tune
	switch {
	case f.site != "" && f.siteTest(s.rows) > 0:
		split = "without split test"
	case f.site != "" || len(s.rows) > 0 && s.rows[0].Split == "":
		return fmt.Sprintf("%s (%ss)", s.data.Name, s.unit)
	default:
		split = "split " + split
	}
	return fmt.Sprintf("%s, %s (%ss)", s.data.Name, split, s.unit)
}

func where(rows []evaluate.Prediction, keep func(evaluate.Prediction) bool) []evaluate.Prediction {
	var out []evaluate.Prediction
	for _, r := range rows {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

func samplesOf(rows []evaluate.Prediction) []evaluate.Sample {
	out := make([]evaluate.Sample, len(rows))
	for i, r := range rows {
		out[i] = r.Sample
	}
	return out
}

func noSplit(split string, s *scored) error {
	seen := map[string]bool{}
	var names []string
	for _, r := range s.rows {
		if !seen[r.Split] {
			seen[r.Split] = true
			names = append(names, r.Split)
		}
	}
	err := fault.New(fault.NotFound, "%s: no %ss in split %q", s.data.Name, s.unit, split)
	if len(names) > 0 {
		return fault.Hint(err, "there are: %s", strings.Join(names, ", "))
	}
	return fault.Hint(err, "the column split of the table names them")
}

// readPredictions reads a table of scores from elsewhere.
func (f *evaluateFlags) readPredictions(cmd *cobra.Command) (*scored, error) {
	file, err := os.Open(f.predictions)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err)
	}
	defer file.Close()
	rows, err := evaluate.ReadPredictions(file, f.by, f.positive)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.predictions, err)
	}
	s := &scored{rows: rows, unit: "sample", source: "0.5, as nothing else was said",
		data:  evaluate.Data{Name: filepath.Base(f.predictions), About: f.about, Kind: "predictions", Split: f.split},
		point: evaluate.Point{Threshold: model.DefaultThreshold, Abstain: [2]float64{model.DefaultThreshold, model.DefaultThreshold}}}
	if rows[0].Split == "" {
		if cmd.Flags().Changed("split") && f.split != splitAll {
			return nil, fault.New(fault.Invalid, "%s: no column split, so there is no split %q", f.predictions, f.split)
		}
		s.data.Split = ""
	}
	return s, nil
}

// siteModel is the folder under --out in which --site writes its model.
const siteModel = "model"

// Kinds of data sets.
const (
	kindTiles  = "tiles"
	kindSlides = "slides"
	kindCobra  = "cobra"
)

// kindOf returns the kind of a data set: as it is called, or by its files.
func kindOf(dir, called string) (string, error) {
	switch called {
	case kindTiles, kindSlides, kindCobra:
		return called, nil
	case "auto":
	default:
		return "", fault.New(fault.Invalid, "--dataset %q: want auto, tiles, slides or cobra", called)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fault.Hint(fault.New(fault.NotFound, "data set %s: no such folder", dir), "a data set is a folder with labels.csv and its files")
	}
	if _, err := os.Stat(filepath.Join(dir, "bcc_bcc.csv")); err == nil {
		return kindCobra, nil
	}
	if _, err := os.Stat(filepath.Join(dir, dataset.LabelsFile)); err != nil {
		return "", fault.Hint(fault.New(fault.NotFound, "data set %s: no %s", dir, dataset.LabelsFile), "a data set is a folder with labels.csv and its files")
	}
	if slices.Contains(tileEndings, strings.ToLower(filepath.Ext(dataset.FirstPath(dir)))) {
		return kindTiles, nil
	}
	return kindSlides, nil // whatever is wrong with the table is said when it is read
}

// tileEndings are those of files that are taken for tiles, not slides.
var tileEndings = []string{".jpg", ".jpeg", ".png"}
