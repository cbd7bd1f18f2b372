package cli

import (
	"context"
	"fmt"

	"bcc/aggregate"
	"bcc/detect"
	"bcc/infer"
	"bcc/model"
	"bcc/native/ort"
	"bcc/native/pixel"
	"bcc/report"
	"bcc/resources"
	"bcc/telemetry"
)

// detectorConfig returns the walk's configuration as the model's card asks for
// it. What only the running engine knows is filled in by describe.
func detectorConfig(b *model.Bundle) detect.Config {
	c := &b.Card
	cfg := detect.DefaultConfig(c.InputPx(), c.InputMPP())
	cfg.Slide.Codecs = codecs()
	cfg.Slide.CacheBytes, cfg.Patch.CacheBytes = cacheBytes/2, cacheBytes/2
	cfg.Patch.Readers, cfg.Slide.Workers = cores, cores
	if pixel.Available() {
		cfg.Patch.Resample = pixel.Resample
	}
	cfg.Aggregate = operatingPoint(c)
	cfg.Probability = c.Probability
	cfg.Model = report.Model{Name: c.Name, Version: c.Version, SHA256: b.Digest, PatchSizePx: c.PatchSizePixels, MPPUM: c.SpacingUMPx}
	cfg.Card = reportCard(c)
	return cfg
}

// describe fills in what only the running engine knows.
func (e *engine) describe(cfg *detect.Config) {
	cfg.Outputs = e.infos[0].Outputs
	cfg.Program = report.Program{
		Name: "bcc", Version: telemetry.Version,
		Engine: "ONNX Runtime " + ort.Version() + " on " + e.devices(),
	}
	ready := 0 // patches that keep every runner busy: the batch it has and the next
	for _, r := range e.runners {
		ready += 2 * r.(infer.Sized).Batch()
	}
	cfg.Patch.Prefetch = max(cfg.Patch.Prefetch, 2*ready)
	cfg.Device, cfg.Workers = e.devices(), len(e.runners)
	cfg.Slide.Pressed = func() bool { return e.watch.Level() > resources.Calm }
	cfg.Enter = func(ctx context.Context) (func(), error) { return e.door.enter(ctx) }
}

// operatingPoint returns the thresholds of the card; what it does not say keeps
// its default.
func operatingPoint(c *model.Card) aggregate.Config {
	cfg := aggregate.DefaultConfig()
	cfg.Threshold = c.Threshold()
	cfg.Abstain = [2]float64{cfg.Threshold, cfg.Threshold}
	if len(c.Abstain) == 2 {
		cfg.Abstain = [2]float64{c.Abstain[0], c.Abstain[1]}
	}
	cfg.LesionThreshold = c.PatchThreshold()
	return cfg
}

// reportCard puts the card into the words of the report.
func reportCard(c *model.Card) report.Card {
	out := report.Card{
		Description: c.Description, Licence: c.Licence,
		KnownFailures: c.KnownFailures, IntendedUse: c.IntendedUse,
		OperatingPoint: report.OperatingPoint{Threshold: c.Threshold()},
	}
	if c.Training != nil {
		out.TrainingData = c.Training.Data
	}
	for _, m := range c.Metrics {
		r := report.Metric{Name: m.Name, Value: m.Value, Set: m.DataSet, Slides: m.Slides, Patients: m.Patients}
		if m.Low != nil && m.High != nil {
			r.Low, r.High = *m.Low, *m.High
		}
		out.Metrics = append(out.Metrics, r)
	}
	if p := c.OperatingPoint; p != nil {
		out.OperatingPoint.ChosenOn = p.ChosenOn
		out.OperatingPoint.Sensitivity = rate("sensitivity", p, p.Sensitivity)
		out.OperatingPoint.Specificity = rate("specificity", p, p.Specificity)
	}
	if k := c.Calibration; k != nil {
		out.Calibration = fmt.Sprintf("temperature %.2f", k.Temperature)
		if k.FittedOn != "" {
			out.Calibration += ", fitted on " + k.FittedOn
		}
	}
	return out
}

func rate(name string, p *model.OperatingPoint, r *model.Rate) *report.Metric {
	if r == nil {
		return nil
	}
	return &report.Metric{Name: name, Value: r.Value, Low: r.Low, High: r.High, Slides: p.Slides, Patients: p.Patients}
}
