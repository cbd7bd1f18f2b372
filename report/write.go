package report

import (
	"fmt"
	"io"
	"os"

	"bcc/fault"
	"bcc/wsi"
)

// Write makes dir where it is missing and writes the whole set into it, in place
// of an older one. After an error, or a kill at any moment, dir holds either no
// result.json or a whole set with it. A full disk is Unavailable.
//
// The pictures and tables are the same to the byte for the same input; nothing
// holds a time or a path, timing.json apart.
func Write(dir string, in Input) error {
	return write(osDisk{}, dir, in)
}

func write(d disk, dir string, in Input) (err error) {
	if err := in.validate(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	result, err := in.Result.encode()
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	small := shrink(in.Overview)
	page, err := newPage(in, small)
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	in.Timing.FormatVersion = FormatVersion
	timing, err := indented(in.Timing)
	if err != nil {
		return fmt.Errorf("write report: timing: %w", err)
	}

	defer func() {
		if err != nil {
			err = fault.New(fault.Unavailable, "write report into %s: %w", dir, err)
		}
	}()
	_, statErr := os.Stat(dir)
	s, err := newSet(d, dir)
	if err != nil {
		return err
	}
	defer func() {
		s.discard()
		if err != nil && os.IsNotExist(statErr) {
			d.Remove(dir) // which we made; it stays where something lies in it
		}
	}()
	mpp := in.Grid.MPP
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{TimingFile, bytesTo(timing)},
		{PatchesFile, func(w io.Writer) error { return writePatches(w, in.Grid, in.Probs) }},
		{LesionsFile, func(w io.Writer) error { return writeLesions(w, in.Answer.Lesions) }},
		{HeatmapFile, func(w io.Writer) error {
			return writeHeatmap(w, small, in.Answer, mpp, in.Result.Parameters.LesionThreshold)
		}},
		{PageFile, page.write},
		{ResultFile, bytesTo(result)}, // last: see set
	} {
		if err := s.add(f.name, f.write); err != nil {
			return err
		}
	}
	return s.commit()
}

func bytesTo(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// validate refuses what the caller cannot have meant.
func (in Input) validate() error {
	switch {
	case in.Answer == nil || in.Answer.Heatmap == nil:
		return fault.New(fault.Internal, "no answer")
	case in.Grid == nil || in.Grid.Len() != len(in.Probs):
		return fault.New(fault.Internal, "the grid does not fit %d probabilities", len(in.Probs))
	case in.Overview == nil || in.Overview.Image == nil || in.Overview.W <= 0 || in.Overview.H <= 0 ||
		len(in.Overview.Pix) != 3*in.Overview.W*in.Overview.H:
		return fault.New(fault.Internal, "no overview")
	case !(in.Overview.ScaleX > 0) || !(in.Overview.ScaleY > 0):
		return fault.New(fault.Internal, "overview of scale %v, %v", in.Overview.ScaleX, in.Overview.ScaleY)
	}
	return nil
}

// MaxThumbnails is how many lesions the page shows a picture of, and ThumbnailPx
// the side it shows them at.
const (
	MaxThumbnails = 8
	ThumbnailPx   = 224
)

// thumbnailUM is the side of a thumbnail's field: at 224 pixels 2 µm a pixel, the
// view of a 5× objective, in which nests and their palisades can be told.
const thumbnailUM = 450

// ThumbnailRect returns the level-0 rectangle to show of a lesion: a field of
// 450 µm around its peak, moved so that it lies inside the slide.
func ThumbnailRect(peak wsi.Rect, slide wsi.Size, mpp wsi.MPP) wsi.Rect {
	fit := func(at, extent, slide int, mpp float64) (from, side int) {
		side = min(max(int(thumbnailUM/mpp), 1), slide)
		return min(max(at+extent/2-side/2, 0), slide-side), side
	}
	x, w := fit(peak.X, peak.W, slide.W, mpp.X)
	y, h := fit(peak.Y, peak.H, slide.H, mpp.Y)
	return wsi.Rect{X: x, Y: y, W: w, H: h}
}
