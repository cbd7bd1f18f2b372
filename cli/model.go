package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"bcc/dataset"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/model"
	"bcc/native/ort"
	"bcc/onnx"
	"bcc/quantize"
	"bcc/telemetry"
)

func newModel(std Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "model",
		Short: "Change a model's form; take down what drift is measured against",
		Args:  none,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelQuantize(std), newModelReference(std))
	return cmd
}

type quantizeFlags struct {
	engineFlags
	data, out  string
	dataset    string
	cut        cutFlags
	split      string
	positive   string
	tiles      int
	rounds     int
	weightBits int
	force      bool
	json       bool
}

func newModelQuantize(std Streams) *cobra.Command {
	var f quantizeFlags
	cmd := &cobra.Command{
		Use:   "quantize [flags]",
		Short: "Turn a patch classifier into one that counts in bytes (int8)",
		Long: `Learns the ranges of a network's values from the training split of labelled tiles, or
of slides with masks or outlines, which are cut as the model sees them. Writes a
model with ` + model.ModelFile + ` and ` + model.Int8File + ` into OUT, and measures both: images a second,
one after the other in turns, and AUROC on the validation split.

The int8 network becomes the one that runs where it is faster and loses no more than
0.005 AUROC. Else the exit code is 2, and ` + model.ModelFile + ` stays the one that runs.`,
		Example: `  bcc model quantize --model DIR --data tiles/ --out model-int8
  bcc model quantize --model DIR --data slides/ --per-slide 60 --out model-int8`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), std) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	f.register(fs)
	fs.StringVar(&f.data, "data", "", "folder of labelled tiles or slides: labels.csv and its files")
	fs.StringVar(&f.dataset, "dataset", "auto", "tiles or slides; auto: by the endings of the files")
	fs.StringVar(&f.out, "out", "model-int8", "folder to write the model to")
	fs.StringVar(&f.split, "split", dataset.Val, "split to measure AUROC on: val or test")
	fs.StringVar(&f.positive, "positive", "", "label of the positive class; empty: BCC, carcinoma, tumour or 1")
	fs.IntVar(&f.tiles, "tiles", 256, "tiles or patches of the training split to learn ranges from")
	f.cut.add(fs)
	fs.IntVar(&f.rounds, "rounds", 15, "how often each network runs to measure speed; the median counts")
	fs.IntVar(&f.weightBits, "weight-bits", quantize.DefaultConfig().WeightBits, "7 or 8; 8 overflows on processors without VNNI")
	fs.BoolVar(&f.force, "force", false, "let the int8 network run whatever it loses")
	fs.BoolVar(&f.json, "json", false, "print the report as JSON")
	return cmd
}

func (f *quantizeFlags) check() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fault.New(fault.Invalid, format, args...)) }
	if f.data == "" {
		errs = append(errs, fault.Hint(fault.New(fault.Invalid, "quantize: no --data given"), "name a folder with labels.csv and its tiles or slides"))
	}
	if f.split != dataset.Val && f.split != dataset.Test {
		add("--split %q: want val or test: ranges are learned from train", f.split)
	}
	if f.tiles < 1 || f.tiles > 100_000 {
		add("--tiles %d: want 1 to 100000", f.tiles)
	}
	if f.rounds < 1 {
		add("--rounds %d: want 1 or more", f.rounds)
	}
	if err := (quantize.Config{WeightBits: f.weightBits}).Validate(); err != nil {
		add("--weight-bits: %w", err)
	}
	return errors.Join(errs...)
}

func (f *quantizeFlags) run(ctx context.Context, std Streams) error {
	if err := f.check(); err != nil {
		return err
	}
	if err := writable(f.out); err != nil {
		return err
	}
	b, err := f.bundle()
	if err != nil {
		return err
	}
	if b.Card.Kind != model.PatchClassifier {
		return fault.New(fault.Unsupported, "model %s is a %s: only a %s is quantized, for its AUROC on tiles or patches tells what is lost", b.Card.Name, b.Card.Kind, model.PatchClassifier)
	}
	float, err := b.File(model.ModelFile) // also where another runs by default
	if err != nil {
		return err
	}
	network, err := onnx.Unmarshal(float)
	if err != nil {
		return err
	}
	if err := ort.Load(libraryPaths(f.enginePath)...); err != nil {
		return err
	}
	data, err := f.open(ctx, &b.Card, std)
	if err != nil {
		return err
	}
	learn, part := data.split(dataset.Train), data.split(f.split)
	if part.Len() == 0 {
		return fault.New(fault.NotFound, "%s: no %s in split %q", nameOf(f.data), data.unit, f.split)
	}
	ranges := calibration{split: learn, px: b.Card.InputPx(), most: f.tiles, layout: b.Card.Input.Layout, fixed: fixedBatch(network)}
	fmt.Fprintf(std.Err, "learning ranges from %d of %d %s\n", ranges.count(), learn.Len(), data.unit)
	result, err := quantize.Network(ctx, network, ranges.batches(ctx), openForEval, quantize.Config{WeightBits: f.weightBits, Output: b.Card.Output.Name})
	if err != nil {
		return fmt.Errorf("model %s: %w", b.Card.Name, err)
	}
	int8 := result.Model.Marshal()

	r := &quantize.Report{
		FormatVersion: 1, Program: "bcc " + telemetry.Version, Model: b.Card.Name + " " + b.Card.Version,
		SHA256: b.Card.Files[model.ModelFile], Result: result, Rounds: f.rounds,
		Data: quantize.Data{Name: nameOf(f.data), SHA256: data.sha256, Split: f.split, Unit: data.unit, Samples: part.Len(),
			Calibrated: fmt.Sprintf("split %s, %d %s", dataset.Train, ranges.count(), data.unit)},
	}
	if err := f.compareAnswers(ctx, r, b, part, float, int8, std); err != nil {
		return err
	}
	if err := f.compareSpeed(ctx, r, &b.Card, float, int8); err != nil {
		return err
	}
	verdict := r.Verdict()
	r.Default, r.Forced = verdict == nil || f.force, verdict != nil && f.force
	if err := writeQuantized(f.out, b, r, int8); err != nil {
		return err
	}
	if f.json {
		err = json.NewEncoder(std.Out).Encode(r)
	} else {
		_, err = fmt.Fprintf(std.Out, "%s%s/%s runs.\n", r.Lines(), filepath.ToSlash(f.out), networkOf(r))
	}
	if err != nil {
		return unwritten(err)
	}
	switch {
	case verdict == nil:
		return nil
	case f.force:
		fmt.Fprintf(std.Err, "bcc: note: %v; --force lets it run all the same\n", verdict)
		return nil
	}
	return fmt.Errorf("%w: %s stays the one that runs", verdict, model.ModelFile)
}

func networkOf(r *quantize.Report) string {
	if r.Default {
		return model.Int8File
	}
	return model.ModelFile
}

// compareAnswers measures both networks' AUROC on a split, and the interval of the
// difference over the same resamples of groups.
func (f *quantizeFlags) compareAnswers(ctx context.Context, r *quantize.Report, b *model.Bundle, part pictures, float, int8 []byte, std Streams) error {
	var scores [2][]float64
	var positive []bool
	var groups []string
	for k, network := range [][]byte{float, int8} {
		running := *b
		running.ONNX = network
		e, err := startEngine(ctx, &running, f.engineFlags, std.Err)
		if err != nil {
			return err
		}
		rows, err := scoreSplit(ctx, e, b, part, f.split, std)
		if err := errors.Join(err, e.Close()); err != nil {
			return err
		}
		positive, groups = nil, nil
		for _, row := range rows {
			scores[k] = append(scores[k], row.Score)
			positive, groups = append(positive, row.Positive), append(groups, row.Group)
		}
	}
	var err error
	if r.AUROC.Float, err = evaluate.AUROC(scores[0], positive); err != nil {
		return fmt.Errorf("%s, split %s: %w", r.Data.Name, f.split, err)
	}
	if r.AUROC.Int8, err = evaluate.AUROC(scores[1], positive); err != nil {
		return fmt.Errorf("%s, split %s, int8: %w", r.Data.Name, f.split, err)
	}
	r.Lost.Value = r.AUROC.Float - r.AUROC.Int8
	interval, err := evaluate.Bootstrap(groups, evaluate.Rounds, 1, func(rows []int) (float64, error) {
		with, err := evaluate.AUROC(pick(scores[0], rows), pick(positive, rows))
		if err != nil {
			return 0, err
		}
		without, err := evaluate.AUROC(pick(scores[1], rows), pick(positive, rows))
		return with - without, err
	})
	if err == nil { // too few groups: no interval
		r.Lost.Interval = []float64{interval.Low, interval.High}
	}
	slices.Sort(groups)
	r.Data.Groups = len(slices.Compact(groups))
	return nil
}

func pick[T any](values []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, r := range rows {
		out[i] = values[r]
	}
	return out
}

// compareSpeed runs both networks in turns on the first device, one runner each.
func (f *quantizeFlags) compareSpeed(ctx context.Context, r *quantize.Report, card *model.Card, float, int8 []byte) error {
	var runs []func(context.Context) error
	var batches []int
	for _, network := range [][]byte{float, int8} {
		m, err := ort.Open(network, engineConfig(card, firstDevice(f.device), f.batch))
		if err != nil {
			return err
		}
		defer m.Close()
		runner, err := m.NewRunner()
		if err != nil {
			return err
		}
		defer runner.Close()
		runs, batches = append(runs, runner.Again), append(batches, runner.Batch())
		r.Device = m.Info().Device
	}
	if r.Device == "cpu" {
		r.Device = "one core of the CPU"
	}
	took, err := quantize.Race(ctx, f.rounds, 50*time.Millisecond, runs...)
	if err != nil {
		return err
	}
	r.Speed.Float = float64(batches[0]) / took[0].Seconds()
	r.Speed.Int8 = float64(batches[1]) / took[1].Seconds()
	r.Gain = r.Speed.Int8 / r.Speed.Float
	return nil
}

// writeQuantized writes the bundle with the int8 network, the report and the card.
func writeQuantized(dir string, b *model.Bundle, r *quantize.Report, int8 []byte) error {
	report, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fault.New(fault.Internal, "write %s: %w", quantize.ReportFile, err)
	}
	changed, err := b.With(map[string][]byte{model.Int8File: int8, quantize.ReportFile: append(report, '\n')}, []model.Change{
		{Field: "default_file", Value: networkOf(r)},
		{Field: "quantization", Value: model.Quantization{
			AUROC: r.AUROC.Float, AUROCInt8: r.AUROC.Int8, DataSet: r.Data.Name + ", split " + r.Data.Split, Unit: r.Data.Unit, Samples: r.Data.Samples,
			Speed: r.Speed.Float, SpeedInt8: r.Speed.Int8, Device: r.Device, Calibrated: r.Data.Name + ", " + r.Data.Calibrated,
		}},
	})
	if err != nil {
		return err
	}
	return changed.Save(dir)
}
