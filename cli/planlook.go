package cli

import (
	"context"
	"os"

	"bcc/capacity"
	"bcc/detect"
	"bcc/fault"
	"bcc/slide"
)

// looking finds out how large slides are, and of some how many patches they have.
type looking struct {
	walk detect.Walk

	items []detect.Item   // of sizes; their paths
	sizes []capacity.Size // addresses have none
	seen  []capacity.Size // of those whose tissue was found: both area and patches
	left  leftOut
}

// list reads the heads of the slides that are named, a millisecond each.
func (l *looking) list(ctx context.Context, named string) error {
	err := detect.Each(ctx, []string{named}, func(it detect.Item) error {
		s := capacity.Size{Patches: -1}
		if !detect.IsAddress(it.Path) {
			var err error
			if s.UM2, err = l.area(it); err != nil {
				l.left.add(it, oneLine(err), fault.Of(err))
				return nil
			}
		}
		l.items, l.sizes = append(l.items, it), append(l.sizes, s)
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// opened opens a slide's file and tells its bytes.
func opened(path string) (f *os.File, size int64, err error) {
	f, err = os.Open(path)
	if err != nil {
		return nil, 0, fault.New(fault.NotFound, "%w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, fault.New(fault.Unavailable, "%w", err)
	}
	return f, info.Size(), nil
}

// area returns the area of the slide in µm².
func (l *looking) area(it detect.Item) (um2 float64, err error) {
	f, size, err := opened(it.Path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	cfg := l.walk.Slide
	if it.MPP.Valid() {
		cfg.MPP = it.MPP
	}
	s, err := slide.Open(f, size, cfg)
	if err != nil {
		return 0, err
	}
	defer s.Close()
	mpp, err := s.MPP()
	if err != nil {
		return 0, err
	}
	px := s.Levels()[0].Size
	return float64(px.W) * mpp.X * float64(px.H) * mpp.Y, nil
}

// tissue finds the tissue of n slides, evenly spread over the list, all where n is
// negative, as a walk would: a tenth of a second or so each.
func (l *looking) tissue(ctx context.Context, n int) error {
	var files []int
	for i, s := range l.sizes {
		if s.UM2 > 0 {
			files = append(files, i)
		}
	}
	if n < 0 || n > len(files) {
		n = len(files)
	}
	bad := map[int]bool{}
	for k := range n {
		i := files[k*len(files)/n]
		patches, err := l.patches(ctx, l.items[i])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			l.left.add(l.items[i], oneLine(err), fault.Of(err))
			bad[i] = true
			continue
		}
		l.sizes[i].Patches = float64(patches)
		l.seen = append(l.seen, l.sizes[i])
	}
	var sound []capacity.Size
	for i, s := range l.sizes {
		if !bad[i] {
			sound = append(sound, s)
		}
	}
	l.sizes = sound
	return nil
}

// patches counts those that a walk of the slide would score.
func (l *looking) patches(ctx context.Context, it detect.Item) (int, error) {
	f, size, err := opened(it.Path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	g, err := detect.Plan(ctx, l.walk, detect.Source{ReaderAt: f, Size: size, Name: it.Name, MPP: it.MPP})
	if err != nil {
		return 0, err
	}
	return g.Len(), nil
}
