package detect

import (
	"context"

	"bcc/patch"
	"bcc/slide"
	"bcc/wsi"
)

// Slide is an open slide as a walk needs it: one of this process, or one that
// another process decodes. It is safe for concurrent use.
type Slide interface {
	// Format names the kind of file, as slide.Slide.Format.
	Format() string
	// Levels returns the resolutions, the largest first.
	Levels() []wsi.Level
	// MPP returns the scale of level 0, or slide.ErrNoMPP.
	MPP() (wsi.MPP, error)
	// Overview returns the slide about down times smaller than level 0.
	Overview(ctx context.Context, down float64) (*wsi.Overview, error)
	// Read writes the pixels of r, in pixels of the level, to dst as RGB.
	Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error
	// Patches sends every planned patch of g once, as patch.Reader.Read does.
	Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error
	Close() error
}

// OpenFunc opens the slide behind src. The Slide is closed before src.
type OpenFunc func(ctx context.Context, src Source, cfg slide.Config) (Slide, error)

// OpenHere opens slides in this process: what a nil Walk.Open does.
func OpenHere(_ context.Context, src Source, cfg slide.Config) (Slide, error) {
	s, err := slide.Open(src, src.Size, cfg)
	if err != nil {
		return nil, err // not a typed nil in an interface
	}
	return here{s}, nil
}

// here is a slide that this process decodes.
type here struct{ *slide.Slide }

func (h here) Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error {
	r, err := patch.NewReader(h.Slide, g, cfg)
	if err != nil {
		return err
	}
	return r.Read(ctx, out)
}
