package deepzoom

import (
	"context"
	"math"

	"golang.org/x/sync/semaphore"

	"bcc/fault"
	"bcc/wsi"
)

// Overviewer is a Source that can give a small picture of the whole slide:
// slide.Slide. A slide of one level is read once for it, from top to bottom.
type Overviewer interface {
	// Overview returns a picture at about down level-0 pixels per pixel.
	Overview(ctx context.Context, down float64) (*wsi.Overview, error)
}

// overview is made when a tile needs it for the first time, and kept: 12 MB. Tiles
// that lie between it and the finest levels of a slide beyond 6 Gpx in one level are
// enlarged from it, and sharp again a step further in.
type overview struct {
	src  Overviewer          // nil: there is none
	size wsi.Size            // of the slide
	room *semaphore.Weighted // for one that makes it, so that the others can leave
	made *wsi.Overview
}

// overviewPixels is the most that slide.Slide gives.
const overviewPixels = 4 << 20

func (o *overview) get(ctx context.Context) (*wsi.Overview, error) {
	if o.src == nil {
		return nil, fault.Hint(
			fault.New(fault.Unsupported, "the slide has no small levels to be shown from"),
			"convert it to a pyramid: vips tiffsave IN OUT.tif --tile --pyramid --compression jpeg --bigtiff")
	}
	if err := o.room.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer o.room.Release(1)
	if o.made != nil {
		return o.made, nil
	}
	// A power of two, as every level of the pyramid is: nothing is resampled twice.
	down := math.Exp2(math.Ceil(math.Log2(math.Sqrt(float64(o.size.Area()) / overviewPixels))))
	m, err := o.src.Overview(ctx, max(down, 1))
	if err != nil {
		return nil, err
	}
	if m == nil || m.Image == nil || m.W < 1 || m.H < 1 || !(m.ScaleX > 0 && m.ScaleY > 0) {
		return nil, fault.New(fault.Internal, "the slide's overview is empty")
	}
	o.made = m
	return m, nil
}
