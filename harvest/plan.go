package harvest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"bcc/dataset"
	"bcc/evaluate"
	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
	"bcc/tissue"
	"bcc/wsi"
)

// Classes of the pixels of NAME.mask.tif, as bcc synth writes it.
const (
	maskLesion    = 2
	maskMimic     = 3
	maskEpidermis = 4
	maskClasses   = 6
)

// The least share of a negative patch that makes it one of a kind: a follicle's edge
// does not make a mimic.
const (
	mimicShare     = 0.12
	epidermisShare = 0.12
)

// overviewUM is the scale at which tissue is looked for, as in detect.
const overviewUM = 8

// maskOf returns where a slide's truth lies: the class of each pixel, or outlines.
func maskOf(s dataset.Slide) string {
	if mask := s.Beside(".mask.tif"); mask != "" {
		return mask
	}
	return s.Beside(".geojson")
}

// plan is what was found on one slide.
type plan struct {
	extent     wsi.Size // of a patch, level-0 pixels
	cover      *cover
	candidates []place
}

// kinds are shares of other kinds of tissue, where the mask knows them.
type kinds struct{ mimic, epidermis []uint8 }

// planSlide finds the candidates of one slide.
func (f *field) planSlide(ctx context.Context, i int) (plan, error) {
	s := &f.sources[i]
	h, err := f.shelf.take(i)
	if errors.Is(err, slide.ErrNoMPP) {
		err = fault.Hint(err, "patches are cut by the scale in the slide's own file: write it there (a TIFF's XResolution), or leave the slide out; the scale of patches is not that of a slide")
	}
	if err != nil {
		return plan{}, fmt.Errorf("%s: %w", s.name, err)
	}
	defer f.shelf.put(h)
	p, err := f.candidates(ctx, int32(i), h)
	if err != nil {
		return plan{}, fmt.Errorf("%s: %w", s.name, err)
	}
	return p, nil
}

func (f *field) candidates(ctx context.Context, source int32, h *handle) (plan, error) {
	s := &f.sources[source]
	level0 := h.slide.Levels()[0].Size
	if err := inside(s.within, level0); err != nil {
		return plan{}, err
	}
	overview, err := h.slide.Overview(ctx, overviewUM/h.mpp.Mean())
	if err != nil {
		return plan{}, err
	}
	mask, err := tissue.Find(overview, h.mpp, f.cfg.Tissue)
	if err != nil {
		return plan{}, err
	}
	grid, err := patch.Plan(level0, h.mpp, mask, f.cfg.patchConfig())
	if err != nil {
		return plan{}, err
	}
	p := plan{extent: grid.Patch, cover: newCover(level0, grid.Patch)}
	p.cover.tissues = p.cover.fromMask(mask)
	known, err := f.readTruth(ctx, s, level0, p.cover)
	if err != nil {
		return plan{}, err
	}
	for k := range grid.Cells {
		r := grid.Rect(k)
		if !s.within.Empty() && r.Intersect(s.within) != r {
			continue
		}
		q := place{source: source, x: int32(r.X), y: int32(r.Y)}
		switch share := p.cover.lesion(r); {
		case share >= f.cfg.Cover:
			q.class, q.kind = 0, Lesion
		case share > 0:
			continue
		default:
			q.class, q.kind = 1, kindOf(s, p.cover, known, r)
		}
		p.candidates = append(p.candidates, q)
	}
	if known.mimic == nil {
		markDense(p.candidates, overview, grid.Patch)
	}
	return p, nil
}

// kindOf names the tissue of a negative patch.
func kindOf(s *source, c *cover, k kinds, r wsi.Rect) string {
	switch {
	case s.given:
		return Given
	case c.share(k.mimic, r) >= mimicShare:
		return Mimic
	case c.share(k.epidermis, r) >= epidermisShare:
		return Epidermis
	}
	return Dermis
}

// readTruth fills the cover's lesions. A slide without a lesion needs no truth; one
// with a lesion does.
func (f *field) readTruth(ctx context.Context, s *source, level0 wsi.Size, c *cover) (kinds, error) {
	var known kinds
	var err error
	switch {
	case strings.HasSuffix(s.mask, ".tif"):
		known, err = f.readMask(ctx, s.mask, level0, c)
	case s.mask != "":
		err = readOutlines(s.mask, level0, c)
	case s.positive:
		return known, fault.Hint(fault.New(fault.NotFound, "labelled positive, and nothing says where"),
			"put the class of each pixel beside it as NAME.mask.tif, or outlines as NAME.geojson; or train with --task slide, which needs labels only")
	}
	if err != nil {
		return known, fault.New(fault.Of(err), "truth: %w", err)
	}
	if !s.positive && c.lesions != nil && c.share(c.lesions, wsi.Rect{W: level0.W, H: level0.H}) > 0 {
		return known, fault.New(fault.Invalid, "labelled negative, and its truth shows a lesion")
	}
	return known, nil
}

// readMask reads the class of each pixel, a stored tile at a time.
func (f *field) readMask(ctx context.Context, path string, level0 wsi.Size, c *cover) (kinds, error) {
	file, err := os.Open(path)
	if err != nil {
		return kinds{}, fault.New(fault.Unavailable, "%w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return kinds{}, fault.New(fault.Unavailable, "%w", err)
	}
	cfg := f.cfg.Slide
	cfg.MPP = wsi.MPP{}
	m, err := slide.Open(file, info.Size(), cfg)
	if err != nil {
		return kinds{}, err
	}
	defer m.Close()
	l := m.Levels()[0]
	scaleX, scaleY := float64(level0.W)/float64(l.Size.W), float64(level0.H)/float64(l.Size.H)
	if scaleX < 1 || scaleX > 1.02*scaleY || scaleY > 1.02*scaleX {
		return kinds{}, fault.New(fault.Invalid, "a mask of %v for a slide of %v: another slide's", l.Size, level0)
	}
	if scaleX > float64(c.cellW) || scaleY > float64(c.cellH) {
		return kinds{}, fault.New(fault.Invalid, "a mask of %v for a slide of %v is too coarse: want a pixel for %dx%d of the slide's", l.Size, level0, c.cellW, c.cellH)
	}
	var by [maskClasses]*counts
	for _, class := range []int{maskLesion, maskMimic, maskEpidermis} {
		by[class] = newCounts(c, scaleX, scaleY)
		by[class].all = by[maskLesion].all // one count of pixels serves all
	}
	tile := wsi.Size{W: min(l.Tile.W, 1024), H: min(l.Tile.H, 1024)}
	rgb := make([]byte, 3*tile.Area())
	for y := 0; y < l.Size.H; y += tile.H {
		for x := 0; x < l.Size.W; x += tile.W {
			r := wsi.Rect{X: x, Y: y, W: min(tile.W, l.Size.W-x), H: min(tile.H, l.Size.H-y)}
			if err := m.Read(ctx, 0, r, rgb); err != nil {
				return kinds{}, err
			}
			if err := gather(&by, rgb, r); err != nil {
				return kinds{}, err
			}
		}
	}
	c.lesions = by[maskLesion].layer()
	return kinds{mimic: by[maskMimic].layer(), epidermis: by[maskEpidermis].layer()}, nil
}

// gather counts the classes of the pixels of r, which a reader gives as grey.
func gather(by *[maskClasses]*counts, rgb []byte, r wsi.Rect) error {
	n := by[maskLesion]
	cols := cellsOf(r.X, r.W, n.scaleX, n.cellW, n.cols)
	rows := cellsOf(r.Y, r.H, n.scaleY, n.cellH, n.rows)
	for y, row := range rows {
		base := int(row) * n.cols
		for x, col := range cols {
			at := base + int(col)
			class := rgb[3*(y*r.W+x)]
			if class >= maskClasses {
				return fault.Hint(fault.New(fault.Unsupported, "mask value %d at (%d,%d): want 0 to %d", class, r.X+x, r.Y+y, maskClasses-1),
					"the values are those of bcc synth: 0 background, 1 tissue, 2 lesion, 3 mimic, 4 epidermis, 5 fat; outlines can be given as NAME.geojson")
			}
			n.all[at]++
			if c := by[class]; c != nil {
				c.inside[at]++
			}
		}
	}
	return nil
}

// readOutlines draws the regions of a GeoJSON file.
func readOutlines(path string, level0 wsi.Size, c *cover) error {
	file, err := os.Open(path)
	if err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	defer file.Close()
	regions, err := evaluate.ReadRegions(file)
	if err != nil {
		return err
	}
	down := max(float64(min(c.cellW, c.cellH))/4, 1) // sixteen points a cell
	raster, err := evaluate.Raster(regions, level0, down)
	if err != nil {
		return err
	}
	n := newCounts(c, down, down)
	cols := cellsOf(0, raster.W, down, c.cellW, c.cols)
	for y, row := range cellsOf(0, raster.H, down, c.cellH, c.rows) {
		for x, id := range raster.ID[y*raster.W : (y+1)*raster.W] {
			at := int(row)*c.cols + int(cols[x])
			n.all[at]++
			if id != 0 {
				n.inside[at]++
			}
		}
	}
	c.lesions = n.layer()
	return nil
}
