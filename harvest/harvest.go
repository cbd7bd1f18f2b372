// Package harvest cuts patches to learn from straight out of slides whose lesions
// are outlined: a set of labelled slides comes in, samples with class and kind of
// tissue go out. Nothing is written to disk, so the same slides serve every patch
// size and scale.
//
//	plan.go       one slide: tissue, what lies where, candidates
//	cover.go      how much of a rectangle is lesion
//	dense.go      which patches are dark, where no mask tells kinds
//	choose.go     a bounded, mixed part of the candidates
//	shelf.go      open slides
//	negative.go   slides without a lesion, or a rectangle of one
//
// A patch is positive where enough of it is lesion and negative where none of it
// is; what lies between is nobody's example and left out. The list of patches is
// the same for a seed. When a patch is read for learning it is moved a little each
// time, as far as its class holds: the grid must not become part of the lesson.
package harvest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"bcc/dataset"
	"bcc/fault"
	"bcc/patch"
	"bcc/slide"
	"bcc/tissue"
	"bcc/wsi"
)

// Kinds of tissue, by which batches are mixed.
const (
	Lesion    = "lesion"
	Mimic     = "mimic"     // what looks like a lesion and is none
	Epidermis = "epidermis" // dark and crowded, too
	Dense     = "dense"     // darkest of a slide whose mask tells no kinds
	Dermis    = "dermis"    // everything else

	GivenDense = "given-dense" // darkest of those out of Config.Negatives
	Given      = "given"       // the others
)

// all kinds in the order in which they are reported.
var all = []string{Lesion, Mimic, Epidermis, Dense, Dermis, GivenDense, Given}

// Config says what is cut out. DefaultConfig is a good start.
type Config struct {
	SizePx int     // side of a patch as the model sees it; no default
	MPP    float64 // µm per pixel as the model sees it; no default

	// Cover is the part of a patch that has to be lesion for a positive. Default 0.25:
	// a nest in a corner is no example of what a patch of BCC looks like.
	Cover float64

	// MinTissue is the part of a patch that has to be tissue. Default 0.5, as in detect.
	MinTissue float64

	// PerSlide is how many patches of each class a slide gives at most, so that large
	// slides do not outvote small ones. Default 100.
	PerSlide int

	// Negatives are slides of which every patch is negative, whatever they look like.
	// They are learned from only, never measured on.
	Negatives []Negative

	// PerNegative is how many patches each of them gives at most. Default 2,000.
	PerNegative int

	Seed uint64 // chooses among candidates

	// Mean and Std normalise what Read writes, as model.Card.Normalization gives them.
	// Default (zero): values from 0 to 1.
	Mean, Std [3]float32

	// Augment changes what Read writes where it is given a source of randomness.
	Augment dataset.Augment

	Slide    slide.Config       // how slides are opened; CacheBytes is for each. Default 2 MiB: reads are scattered
	Tissue   tissue.Config      // default: tissue.DefaultConfig
	Resample patch.ResampleFunc // default: patch.Resample

	// Open is how many slides are kept open, 5 MB each. Default 48; opening one again
	// costs a millisecond, reading a patch two.
	Open int

	// Planned, where set, is told of each slide that is through, one call at a time.
	Planned func(done, of int)
}

// DefaultConfig returns the defaults for a model that sees sizePx×sizePx pixels of mpp µm.
func DefaultConfig(sizePx int, mpp float64) Config {
	return Config{
		SizePx: sizePx, MPP: mpp, Cover: 0.25, MinTissue: 0.5, PerSlide: 100, PerNegative: 2000,
		Slide: slide.Config{CacheBytes: 2 << 20}, Tissue: tissue.DefaultConfig(), Open: 48,
	}
}

// Validate returns every problem of the Config at once.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !(c.Cover > 0 && c.Cover <= 1) {
		bad("cover %v: want above 0, at most 1", c.Cover)
	}
	if c.PerSlide < 1 || c.PerNegative < 1 {
		bad("%d patches a slide, %d a negative one: want 1 or more", c.PerSlide, c.PerNegative)
	}
	if c.Open < 1 {
		bad("%d slides kept open: want 1 or more", c.Open)
	}
	for _, err := range []error{c.patchConfig().Validate(), c.Tissue.Validate(), c.Slide.Validate()} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fault.New(fault.Invalid, "harvest: %w", errors.Join(errs...))
	}
	return nil
}

// patchConfig returns how a slide is cut into candidates: patches that overlap by
// half, so that a small lesion between two of them has its own.
func (c Config) patchConfig() patch.Config {
	p := patch.DefaultConfig(c.SizePx, c.MPP)
	p.Overlap, p.MinTissue, p.Resample = 0.5, c.MinTissue, c.Resample
	return p
}

// Patches are samples for training, or a part of them. Several goroutines may use
// them at once.
type Patches struct {
	*field
	rows []int // of field.patches
}

// field is what all parts share.
type field struct {
	cfg     Config
	set     *dataset.SlideSet
	normal  *dataset.Normal
	sources []source
	patches []place
	shelf   *shelf
	notes   []string
	scratch sync.Pool // *[]byte, twice a patch's pixels
}

// source is one slide, or the rectangle of one.
type source struct {
	name, path, mask string
	group, split     string
	positive         bool
	given            bool // out of Config.Negatives
	within           wsi.Rect
	extent           wsi.Size // of a patch, level-0 pixels
	cover            *cover
}

// place is one patch: its corner in level-0 pixels.
type place struct {
	source int32
	x, y   int32
	class  uint8
	kind   string
}

// Open finds the patches of a set of slides and of cfg.Negatives. It looks at every
// slide; all those with a fault come back as one error. Close has to be called.
func Open(ctx context.Context, set *dataset.SlideSet, cfg Config) (*Patches, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	normal, err := dataset.NewNormal(cfg.Mean, cfg.Std)
	if err != nil {
		return nil, err
	}
	if len(set.Classes) != 2 {
		return nil, fault.New(fault.Invalid, "harvest: a lesion is there or not, and the slides have the classes %q", set.Classes)
	}
	f := &field{cfg: cfg, set: set, normal: normal}
	for _, s := range set.Slides {
		f.sources = append(f.sources, source{name: s.Name, path: s.Path, group: s.Group, split: s.Split, positive: s.Positive(), mask: maskOf(s)})
	}
	if err := ownSlides(set, cfg.Negatives); err != nil {
		return nil, err
	}
	for _, n := range cfg.Negatives {
		f.sources = append(f.sources, source{name: n.String(), path: n.Path, group: n.Path, split: dataset.Train, given: true, within: n.Rect})
	}
	f.shelf = newShelf(cfg.Open, func(i int) (*handle, error) { return openSlide(f.sources[i].path, cfg) })
	if err := f.plan(ctx); err != nil {
		f.shelf.close()
		return nil, err
	}
	p := &Patches{field: f, rows: make([]int, len(f.patches))}
	for i := range p.rows {
		p.rows[i] = i
	}
	return p, nil
}

// ownSlides refuses negatives out of the set's own slides where they would teach what
// is measured, or that a lesion is none.
func ownSlides(set *dataset.SlideSet, negatives []Negative) error {
	var errs []error
	for _, n := range negatives {
		file, err := os.Stat(n.Path)
		if err != nil {
			continue // told when it is opened
		}
		for _, s := range set.Slides {
			if own, err := os.Stat(s.Path); err != nil || !os.SameFile(file, own) {
				continue
			}
			switch {
			case s.Split != dataset.Train:
				errs = append(errs, fault.New(fault.Invalid, "negative %s: it is slide %s of split %s, which is measured on and not learned from", n, s.Name, s.Split))
			case s.Positive() && n.Rect == (wsi.Rect{}):
				errs = append(errs, fault.New(fault.Invalid, "negative %s: it is slide %s, which has the label %s", n, s.Name, set.Classes[s.Class]))
			}
		}
	}
	return fault.Hint(errors.Join(errs...), "leave it out: patches without a lesion are taken out of the set's slides anyway")
}

// plan looks at every slide, some at a time, and puts their patches in the order of
// the slides.
func (f *field) plan(ctx context.Context) error {
	plans := make([]plan, len(f.sources))
	wrong := make([]error, len(f.sources))
	var mu sync.Mutex
	done := 0
	var eg errgroup.Group
	eg.SetLimit(runtime.GOMAXPROCS(0))
	for i := range f.sources {
		eg.Go(func() error {
			if ctx.Err() != nil {
				return nil
			}
			plans[i], wrong[i] = f.planSlide(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			done++
			if f.cfg.Planned != nil {
				f.cfg.Planned(done, len(f.sources))
			}
			return nil
		})
	}
	_ = eg.Wait() // each slide's error stands in its place
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := first(wrong); err != nil {
		return err
	}
	for i, p := range plans {
		s := &f.sources[i]
		s.extent, s.cover = p.extent, p.cover
		chosen := f.choose(i, p.candidates)
		if s.positive && !anyOf(chosen, 0) {
			f.notes = append(f.notes, fmt.Sprintf("%s: positive, but no patch of it is lesion to %.0f %%", s.name, 100*f.cfg.Cover))
		}
		f.patches = append(f.patches, chosen...)
	}
	return f.checkSplits()
}

// checkSplits refuses splits with one class only: nothing can be learned from one,
// nor measured on it.
func (f *field) checkSplits() error {
	count := map[string][2]int{}
	for _, s := range f.sources {
		count[s.split] = [2]int{}
	}
	for _, p := range f.patches {
		n := count[f.sources[p.source].split]
		n[p.class]++
		count[f.sources[p.source].split] = n
	}
	for _, split := range []string{dataset.Train, dataset.Val, dataset.Test} {
		if n, used := count[split]; used && (n[0] == 0 || n[1] == 0) {
			return fault.Hint(fault.New(fault.Invalid, "split %s: %d patches with a lesion and %d without", split, n[0], n[1]),
				"more slides, or a smaller part of a patch that has to be lesion (%.2f now)", f.cfg.Cover)
		}
	}
	return nil
}

func anyOf(patches []place, class uint8) bool {
	for _, p := range patches {
		if p.class == class {
			return true
		}
	}
	return false
}

// first joins the first ten errors and counts the rest.
func first(wrong []error) error {
	const shown = 10
	var errs []error
	more := 0
	for _, err := range wrong {
		if err != nil && len(errs) < shown {
			errs = append(errs, err)
		} else if err != nil {
			more++
		}
	}
	if more > 0 {
		errs = append(errs, fault.New(fault.Of(errs[0]), "and %d more slides", more))
	}
	return errors.Join(errs...)
}

// Split returns the patches of the slides of one split.
func (p *Patches) Split(name string) *Patches {
	q := &Patches{field: p.field}
	for _, i := range p.rows {
		if p.sources[p.patches[i].source].split == name {
			q.rows = append(q.rows, i)
		}
	}
	return q
}

// Len returns the number of patches.
func (p *Patches) Len() int { return len(p.rows) }

// Px returns the side of a patch in pixels.
func (p *Patches) Px() int { return p.cfg.SizePx }

// Classes returns what the classes are called, the positive one first.
func (p *Patches) Classes() []string { return p.set.Classes }

func (p *Patches) at(i int) *place { return &p.patches[p.rows[i]] }

// Class returns the place of the i-th patch's class in Classes.
func (p *Patches) Class(i int) int { return int(p.at(i).class) }

// Group returns the kind of tissue on the i-th patch.
func (p *Patches) Group(i int) string { return p.at(i).kind }

// Patient returns the group of the slide that the i-th patch is on.
func (p *Patches) Patient(i int) string { return p.sources[p.at(i).source].group }

// Name returns the i-th patch's slide and its corner on it, in level-0 pixels.
func (p *Patches) Name(i int) string {
	at := p.at(i)
	return fmt.Sprintf("%s at (%d,%d)", p.sources[at.source].name, at.x, at.y)
}

// RGB returns the pixels of the i-th patch where it was planned, 3·px·px bytes, and
// its side.
func (p *Patches) RGB(ctx context.Context, i int) (pix []byte, px int, err error) {
	at := p.at(i)
	pix = make([]byte, 3*p.cfg.SizePx*p.cfg.SizePx)
	return pix, p.cfg.SizePx, p.read(ctx, int(at.source), int(at.x), int(at.y), pix)
}

// Read writes the i-th patch, normalised, to dst(dataset.Input). With rng nil it is
// where it was planned and as the slide has it, else moved and augmented.
func (p *Patches) Read(ctx context.Context, i int, rng *rand.Rand, dst func(input string) []float32) error {
	at, n := p.at(i), 3*p.cfg.SizePx*p.cfg.SizePx
	buf, _ := p.scratch.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
		*buf = make([]byte, 2*n)
	}
	defer p.scratch.Put(buf)
	pix, changed := (*buf)[:n], (*buf)[n:]
	x, y := int(at.x), int(at.y)
	if rng != nil {
		x, y = p.move(rng, at)
	}
	if err := p.read(ctx, int(at.source), x, y, pix); err != nil {
		return err
	}
	if rng != nil && p.cfg.Augment != nil {
		p.cfg.Augment(rng, changed, pix, p.cfg.SizePx)
		pix = changed
	}
	return p.normal.Write(dst(dataset.Input), pix)
}

// moves is how often another place is tried. Most patches are deep in their kind of
// tissue and the first one does.
const moves = 6

// move returns a place up to half a patch away where the patch is of the same class.
func (f *field) move(rng *rand.Rand, p *place) (x, y int) {
	s := &f.sources[p.source]
	for range moves {
		x := int(p.x) + rng.IntN(s.extent.W+1) - s.extent.W/2
		y := int(p.y) + rng.IntN(s.extent.H+1) - s.extent.H/2
		if f.holds(s, p, wsi.Rect{X: x, Y: y, W: s.extent.W, H: s.extent.H}) {
			return x, y
		}
	}
	return int(p.x), int(p.y)
}

// holds reports whether a patch at r would be what p is.
func (f *field) holds(s *source, p *place, r wsi.Rect) bool {
	if !s.within.Empty() && r.Intersect(s.within) != r {
		return false
	}
	if s.cover.tissue(r) < f.cfg.MinTissue {
		return false
	}
	if p.class == 0 {
		return s.cover.lesion(r) >= f.cfg.Cover
	}
	return s.cover.lesion(r) == 0
}

// read writes the patch of a source at a place to pix.
func (f *field) read(ctx context.Context, source, x, y int, pix []byte) error {
	h, err := f.shelf.take(source)
	if err != nil {
		return fmt.Errorf("%s: %w", f.sources[source].name, err)
	}
	defer f.shelf.put(h)
	if err := h.reader.ReadAt(ctx, x, y, pix); err != nil {
		return fmt.Errorf("%s: %w", f.sources[source].name, err)
	}
	return nil
}

// Digest returns the SHA-256 of the set's own digest and of the list of patches: what
// a slide's lesions and the Config chose.
func (p *Patches) Digest() string {
	h := sha256.New()
	fmt.Fprintln(h, p.set.Digest(), p.cfg.SizePx, p.cfg.MPP)
	for _, q := range p.patches {
		fmt.Fprintln(h, p.sources[q.source].name, q.x, q.y, q.class, q.kind)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Summary says in one line how many patches of each kind each split holds.
func (p *Patches) Summary() string {
	var out []string
	for _, split := range []string{dataset.Train, dataset.Val, dataset.Test} {
		count, slides := map[string]int{}, map[int32]bool{}
		for _, i := range p.rows {
			if q := p.patches[i]; p.sources[q.source].split == split {
				count[q.kind]++
				slides[q.source] = true
			}
		}
		var parts []string
		for _, kind := range all {
			if count[kind] > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", count[kind], kind))
			}
		}
		if len(parts) > 0 {
			out = append(out, fmt.Sprintf("%s: %s on %d slides", split, strings.Join(parts, ", "), len(slides)))
		}
	}
	return strings.Join(out, "; ")
}

// Notes says what is odd about the slides and no error.
func (p *Patches) Notes() []string { return p.notes }

// Close closes the slides, for all parts.
func (p *Patches) Close() error {
	p.shelf.close()
	return nil
}
