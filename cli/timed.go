package cli

import (
	"context"
	"time"

	"bcc/detect"
	"bcc/telemetry"
	"bcc/wsi"
)

// timed is a scorer that says how long the last slide or picture took it.
type timed struct {
	detect.Scorer
	gauges *telemetry.Gauges
}

// Score has the patches scored, the wait for others' patches included.
func (t timed) Score(ctx context.Context, patches <-chan wsi.Patch, out []float32) error {
	began := time.Now()
	err := t.Scorer.Score(ctx, patches, out)
	if err == nil {
		t.gauges.Inferred(time.Since(began))
	}
	return err
}
