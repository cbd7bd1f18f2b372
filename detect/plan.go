package detect

import (
	"context"

	"bcc/fault"
	"bcc/wsi"
)

// Plan returns the patches that a walk as cfg says would score, each with its share
// of tissue. No model is asked.
func Plan(ctx context.Context, cfg Walk, src Source) (*wsi.Grid, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "plan: %w", err)
	}
	v, err := walker{cfg: cfg}.plan(ctx, src, silent{})
	if err != nil {
		return nil, err
	}
	defer v.slide.Close()
	return v.grid, nil
}
