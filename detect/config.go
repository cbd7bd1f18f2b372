package detect

import (
	"context"
	"errors"

	"bcc/aggregate"
	"bcc/fault"
	"bcc/patch"
	"bcc/report"
	"bcc/slide"
	"bcc/tissue"
)

// Walk says how slides are opened and cut into patches. Patch and Outputs come from
// the model; the rest has defaults.
type Walk struct {
	Slide  slide.Config  // codecs and cache; a Source's MPP goes before its MPP
	Tissue tissue.Config // what counts as tissue
	Patch  patch.Config  // the model's patch, overlap, smallest tissue

	// Open opens slides. Default nil: this process decodes them.
	Open OpenFunc

	// Enter is called before each slide of a list is begun, and waits while there is no
	// room for one; leave is called when the slide has ended. It fails only with ctx.
	// Default nil: slides are begun as soon as one of their places is free.
	Enter func(ctx context.Context) (leave func(), err error)

	// Stain hears how the tissue of each slide is stained, once a walk. Default nil:
	// nobody asks.
	Stain func(tissue.Density)

	// Outputs is the number of values the scorer gives a patch.
	Outputs int

	// OnePatch takes a picture without a scale that is exactly one patch of the model
	// (as large as Patch.SizePx) at the model's own scale, with a word in the result,
	// and asks no tissue of it. Default false: a scale must be given.
	OnePatch bool
}

// Config says how slides are walked and judged. Probability or Head, Model and Card
// come from the model.
type Config struct {
	Walk
	Aggregate aggregate.Config // operating point, abstention, lesions

	// Probability turns a patch's outputs into the probability of BCC, 0 to 1.
	Probability func(row []float32) float32
	// Head judges the slide by the outputs of all its patches, which are embeddings
	// then. Default nil: the slide is judged by the probabilities of its patches.
	Head Head

	Program report.Program // what computed the result, as results state it
	Model   report.Model   // the model, as results state it
	Card    report.Card    // the model's card in words, for the report
	Device  string         // where the model runs, for timing.json
	Workers int            // runners, for timing.json

	// Coarse leaves patches out where there is no time for all of them.
	Coarse Coarse

	// Degraded is said in every result: what is done less well than asked, in words.
	Degraded []string

	// Passing says that results go from their folder into a store, which makes them last:
	// the folder does not outlive a power cut. Default: it does.
	Passing bool

	// Thumbnails is the number of lesions shown with a picture in the report.
	// Default: as many as the page has room for; its table lists all.
	Thumbnails int
}

// DefaultWalk returns the defaults, for a model that sees sizePx×sizePx pixels of
// mpp µm.
func DefaultWalk(sizePx int, mpp float64) Walk {
	return Walk{
		Slide:  slide.DefaultConfig(),
		Tissue: tissue.DefaultConfig(),
		Patch:  patch.DefaultConfig(sizePx, mpp),
	}
}

// DefaultConfig returns the defaults, for a model that sees sizePx×sizePx pixels
// of mpp µm.
func DefaultConfig(sizePx int, mpp float64) Config {
	return Config{
		Walk:       DefaultWalk(sizePx, mpp),
		Aggregate:  aggregate.DefaultConfig(),
		Thumbnails: report.MaxThumbnails,
	}
}

// Validate returns every problem at once.
func (w Walk) Validate() error {
	var errs []error
	if w.Outputs < 1 {
		errs = append(errs, fault.New(fault.Invalid, "no model: %d outputs", w.Outputs))
	}
	return errors.Join(append(errs, w.Tissue.Validate(), w.Patch.Validate())...)
}

// Validate returns every problem at once.
func (c Config) Validate() error {
	var errs []error
	if c.Probability == nil && c.Head == nil {
		errs = append(errs, fault.New(fault.Invalid, "no model: its outputs have no meaning"))
	}
	if c.Thumbnails < 0 || c.Thumbnails > 1000 {
		errs = append(errs, fault.New(fault.Invalid, "%d thumbnails: want 0 to 1000", c.Thumbnails))
	}
	return errors.Join(append(errs, c.validateCoarse(), c.Walk.Validate(), c.Aggregate.Validate())...)
}
