package cli

import (
	"context"

	"golang.org/x/sync/errgroup"

	"bcc/train"
	"bcc/wsi"
)

// pictures are samples that can be had as pixels: what a model in use sees.
type pictures interface {
	train.Samples
	RGB(ctx context.Context, i int) (pix []byte, px int, err error)
}

// scorePictures runs samples lo to hi-1 through the engine, in any order: their outputs
// come out in theirs, a row each. Where scored is set, it is called for each sample.
func scorePictures(ctx context.Context, e *engine, s pictures, lo, hi int, out []float32, scored func()) error {
	patches := make(chan wsi.Patch, 2*len(e.runners)*e.infos[0].Batch)
	eg, ctx := errgroup.WithContext(ctx)
	eg.Go(func() error {
		defer close(patches)
		for i := lo; i < hi; i++ {
			pix, _, err := s.RGB(ctx, i)
			if err != nil {
				return err
			}
			select {
			case patches <- wsi.Patch{Index: i - lo, Pix: pix, Release: scored}:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	eg.Go(func() error { return e.Score(ctx, patches, out) })
	return eg.Wait()
}
