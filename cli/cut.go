package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/pflag"

	"bcc/dataset"
	"bcc/fault"
	"bcc/harvest"
	"bcc/native/pixel"
)

var _ pictures = (*harvest.Patches)(nil)

// cutFlags say which patches a slide with outlined lesions gives, whatever they are for.
type cutFlags struct {
	cover    float64
	perSlide int
}

func (c *cutFlags) add(fs *pflag.FlagSet) {
	d := harvest.DefaultConfig(0, 0)
	fs.Float64Var(&c.cover, "cover", d.Cover, "part of a patch that has to be lesion for a positive one; negatives have none")
	fs.IntVar(&c.perSlide, "per-slide", d.PerSlide, "patches of each class that a slide gives at most")
}

// config returns how patches of px pixels of mpp µm are cut.
func (c cutFlags) config(px int, mpp float64) harvest.Config {
	cfg := harvest.DefaultConfig(px, mpp)
	cfg.Cover, cfg.PerSlide = c.cover, c.perSlide
	cfg.Slide.Codecs = codecs()
	if pixel.Available() {
		cfg.Resample = pixel.Resample
	}
	return cfg
}

// cut finds the patches of a folder's labelled slides. It also returns what is odd
// about them and no error.
func cut(ctx context.Context, dir, positive string, cfg harvest.Config, notes io.Writer) (*harvest.Patches, []string, error) {
	set, err := dataset.Slides(ctx, dir, dataset.SlidesConfig{Positive: positive})
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(notes, "bcc: looking for patches on %d slides\n", len(set.Slides)+len(cfg.Negatives))
	patches, err := harvest.Open(ctx, set, cfg)
	if err != nil {
		return nil, nil, err
	}
	return patches, slices.Concat(set.Notes, patches.Notes()), nil
}

// noOutlines says that a data set has no patches with a class.
func noOutlines(dir string) error {
	return fault.New(fault.Unsupported, "%s holds slides with one label each and no outlines: patches cannot be learned from it", dir)
}
