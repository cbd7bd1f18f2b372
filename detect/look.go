package detect

import (
	"context"
	"fmt"

	"bcc/aggregate"
	"bcc/report"
	"bcc/wsi"
)

// Finding is what a walk found on a slide, in memory.
type Finding struct {
	Result report.Result     // as result.json would hold it
	Answer *aggregate.Answer // heat map and outlines
	Grid   *wsi.Grid         // the patches that were scored
	Values []float32         // one a patch of Grid: what the heat map was made of
	Timing report.Timing
}

// Look walks the slide as Detect does and writes nothing: for small pictures that
// somebody waits for. watch may be nil.
func (d *Detector) Look(ctx context.Context, src Source, watch Watcher) (*Finding, error) {
	v, err := d.see(ctx, src, watch)
	if err != nil {
		return nil, err
	}
	defer v.slide.Close()

	f, err := d.find(ctx, src, v)
	if err != nil {
		return nil, err
	}
	v.clock.lap(&v.clock.AggregateS)
	f.Timing = d.timing(v)
	return f, nil
}

// see walks the slide up to the model's outputs.
func (d *Detector) see(ctx context.Context, src Source, watch Watcher) (*seen, error) {
	if watch == nil {
		watch = silent{}
	}
	if d.cfg.Coarse.On {
		return d.coarse(ctx, src, watch)
	}
	return d.walk(ctx, src, watch)
}

// find turns what was seen into the answer and the words about it.
func (d *Detector) find(ctx context.Context, src Source, v *seen) (*Finding, error) {
	answer, values, err := d.judge(ctx, v)
	if err != nil {
		return nil, fmt.Errorf("aggregate: %w", err)
	}
	digest, err := src.digest()
	if err != nil {
		return nil, err
	}
	return &Finding{
		Result: d.result(src, digest, v, answer).Canonical(),
		Answer: answer, Grid: v.grid, Values: values,
	}, nil
}
