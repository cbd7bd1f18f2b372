package detect

import (
	"errors"

	"bcc/aggregate"
	"bcc/fault"
	"bcc/patch"
	"bcc/report"
	"bcc/slide"
	"bcc/tissue"
)

// Config says how slides are walked. Patch, Outputs, Probability, Model and Card
// come from the model; the rest has defaults.
type Config struct {
	Slide     slide.Config     // codecs and cache; a Source's MPP goes before its MPP
	Tissue    tissue.Config    // what counts as tissue
	Patch     patch.Config     // the model's patch, overlap, smallest tissue
	Aggregate aggregate.Config // operating point, abstention, lesions

	// Outputs is the number of values the scorer gives a patch.
	Outputs int
	// Probability turns them into the probability of BCC, 0 to 1.
	Probability func(row []float32) float32

	Program report.Program // what computed the result, as results state it
	Model   report.Model   // the model, as results state it
	Card    report.Card    // the model's card in words, for the report
	Device  string         // where the model runs, for timing.json
	Workers int            // runners, for timing.json

	// Thumbnails is the number of lesions shown with a picture in the report.
	// Default: as many as the page has room for; its table lists all.
	Thumbnails int
}

// DefaultConfig returns the defaults, for a model that sees sizePx×sizePx pixels
// of mpp µm.
func DefaultConfig(sizePx int, mpp float64) Config {
	return Config{
		Slide:      slide.DefaultConfig(),
		Tissue:     tissue.DefaultConfig(),
		Patch:      patch.DefaultConfig(sizePx, mpp),
		Aggregate:  aggregate.DefaultConfig(),
		Thumbnails: report.MaxThumbnails,
	}
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	if c.Outputs < 1 || c.Probability == nil {
		errs = append(errs, fault.New(fault.Invalid, "no model: %d outputs", c.Outputs))
	}
	if c.Thumbnails < 0 || c.Thumbnails > 1000 {
		errs = append(errs, fault.New(fault.Invalid, "%d thumbnails: want 0 to 1000", c.Thumbnails))
	}
	errs = append(errs, c.Tissue.Validate(), c.Patch.Validate(), c.Aggregate.Validate())
	return errors.Join(errs...)
}
