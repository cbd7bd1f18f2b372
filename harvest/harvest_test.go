package harvest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"bcc/dataset"
	"bcc/fault"
	"bcc/slide"
	"bcc/synth"
	"bcc/wsi"
)

// The slides of the tests are flat and uncompressed: every pixel is the one that was
// drawn, and no codec is needed.
const px = 64

func setConfig() synth.SetConfig {
	c := synth.DefaultConfig()
	c.Seed, c.Size, c.Variant, c.Clean = 11, wsi.Size{W: 1300, H: 1000}, synth.Flat, true
	return synth.SetConfig{Slide: c, Count: 4, BCC: 0.5}
}

// drawn is the set on disk, made once.
var drawn = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "harvest")
	if err != nil {
		return "", err
	}
	return dir, synth.WriteSet(context.Background(), dir, setConfig())
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := drawn(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// labelled returns the set, all of it in train but for edit.
func labelled(t testing.TB, edit func(*dataset.SlideSet)) *dataset.SlideSet {
	t.Helper()
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	set := &dataset.SlideSet{Dir: dir, Classes: []string{"BCC", "Non-malignant"}}
	for _, it := range setConfig().Items() {
		class := 1
		if it.Slide.BCC {
			class = 0
		}
		set.Slides = append(set.Slides, dataset.Slide{Name: it.Name + ".tif", Path: filepath.Join(dir, it.Name+".tif"), Class: class, Group: it.Group, Split: dataset.Train})
	}
	if edit != nil {
		edit(set)
	}
	return set
}

func testConfig() Config {
	c := DefaultConfig(px, 0.5)
	c.Open = 2
	return c
}

func harvested(t testing.TB, set *dataset.SlideSet, c Config) *Patches {
	t.Helper()
	p, err := Open(t.Context(), set, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// scenes are the slides, drawn again.
var scenes = sync.OnceValues(func() (out []*synth.Scene, err error) {
	for _, it := range setConfig().Items() {
		s, err := synth.New(it.Slide)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
})

func truth(t testing.TB) []*synth.Scene {
	t.Helper()
	out, err := scenes()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// shares returns the part of a rectangle that is of each class.
func shares(s *synth.Scene, r wsi.Rect) (part [maskClasses]float64) {
	mask := make([]byte, r.W*r.H)
	s.Render(r, nil, mask)
	for _, class := range mask {
		part[class] += 1 / float64(len(mask))
	}
	return part
}

func TestItCutsPatchesOfTheClassThatTheMaskSays(t *testing.T) {
	t.Parallel()
	scenes, p := truth(t), harvested(t, labelled(t, nil), testConfig())
	count := map[string]int{}
	for i := range p.Len() {
		at := p.at(i)
		part := shares(scenes[at.source], wsi.Rect{X: int(at.x), Y: int(at.y), W: px, H: px})
		count[p.Group(i)]++
		switch lesion := part[synth.ClassBCC]; {
		case p.Class(i) == 0 && (lesion < 0.22 || p.Group(i) != Lesion):
			t.Errorf("%s: called %s, %.0f %% of it is lesion", p.Name(i), p.Group(i), 100*lesion)
		case p.Class(i) == 1 && (lesion != 0 || p.Group(i) == Lesion):
			t.Errorf("%s: called %s, %.2f %% of it is lesion", p.Name(i), p.Group(i), 100*lesion)
		}
		if kind := p.Group(i); kind == Mimic && part[synth.ClassMimic] < mimicShare-0.08 || kind == Epidermis && part[synth.ClassEpidermis] < epidermisShare-0.08 ||
			kind == Dermis && part[synth.ClassMimic] > mimicShare+0.01 {
			t.Errorf("%s: called %s: %.2f", p.Name(i), kind, part)
		}
	}
	for _, kind := range []string{Lesion, Mimic, Epidermis, Dermis} {
		if count[kind] < 20 {
			t.Errorf("%d patches of %s", count[kind], kind)
		}
	}
	t.Log(p.Summary(), p.Notes())
}

func TestItReadsThePixelsOfTheSlide(t *testing.T) {
	t.Parallel()
	scenes, p := truth(t), harvested(t, labelled(t, nil), testConfig())
	var eg errgroup.Group
	for k := range 60 { // two slides are open at a time, four are read
		eg.Go(func() error {
			i := k * 7919 % p.Len()
			at, want := p.at(i), make([]byte, 3*px*px)
			scenes[at.source].Render(wsi.Rect{X: int(at.x), Y: int(at.y), W: px, H: px}, want, nil)
			got, side, err := p.RGB(t.Context(), i)
			if err == nil && (side != px || !sameInside(got, want, at)) {
				t.Errorf("%s: other pixels than the slide's", p.Name(i))
			}
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		t.Fatal(err)
	}
}

// sameInside compares a patch where it is on the slide: beyond, a reader gives white
// and the scene its glass.
func sameInside(a, b []byte, at *place) bool {
	size := setConfig().Slide.Size
	for y := range px {
		for x := range px {
			i := 3 * (y*px + x)
			if int(at.x)+x < size.W && int(at.y)+y < size.H && !bytes.Equal(a[i:i+3], b[i:i+3]) {
				return false
			}
		}
	}
	return true
}

func TestItMovesAPatchAsFarAsItsClassHolds(t *testing.T) {
	t.Parallel()
	scenes, p := truth(t), harvested(t, labelled(t, nil), testConfig())
	moved := 0
	for i := range p.Len() {
		at, rng := p.at(i), rand.New(rand.NewPCG(1, uint64(i)))
		x, y := p.move(rng, at)
		if x != int(at.x) || y != int(at.y) {
			moved++
		}
		if dx, dy := x-int(at.x), y-int(at.y); max(dx, -dx, dy, -dy) > px/2 {
			t.Errorf("%s: moved by (%d,%d)", p.Name(i), dx, dy)
		}
		if lesion := shares(scenes[at.source], wsi.Rect{X: x, Y: y, W: px, H: px})[synth.ClassBCC]; (lesion > 0) != (at.class == 0) || lesion > 0 && lesion < 0.22 {
			t.Errorf("%s: moved to (%d,%d), where %.1f %% is lesion", p.Name(i), x, y, 100*lesion)
		}
	}
	if moved < p.Len()*9/10 {
		t.Errorf("%d of %d moved", moved, p.Len())
	}
	i, out := p.Len()/2, make([]float32, 3*px*px)
	read := func(rng *rand.Rand) []float32 {
		if err := p.Read(t.Context(), i, rng, func(string) []float32 { return out }); err != nil {
			t.Fatal(err)
		}
		return slices.Clone(out)
	}
	plain := read(nil)
	if !slices.Equal(plain, read(nil)) || slices.Equal(plain, read(rand.New(rand.NewPCG(5, 5)))) {
		t.Error("it moves without randomness, or not with it")
	}
	if !slices.Equal(read(rand.New(rand.NewPCG(5, 6))), read(rand.New(rand.NewPCG(5, 6)))) {
		t.Error("a seed gives two patches")
	}
}

func TestItsListDependsOnTheSeedAlone(t *testing.T) {
	t.Parallel()
	list := func(edit func(*Config), slides func(*dataset.SlideSet)) (*Patches, []string) {
		c := testConfig()
		c.PerSlide = 15
		if edit != nil {
			edit(&c)
		}
		p := harvested(t, labelled(t, slides), c)
		var names []string
		for i := range p.Len() {
			names = append(names, p.Name(i))
		}
		return p, names
	}
	p, first := list(nil, nil)
	q, again := list(nil, nil)
	if !slices.Equal(first, again) || p.Digest() != q.Digest() {
		t.Error("two runs chose two lists")
	}
	r, other := list(func(c *Config) { c.Seed++ }, nil)
	if slices.Equal(first, other) || r.Digest() == p.Digest() {
		t.Error("another seed chose the same list")
	}
	_, fewer := list(nil, func(s *dataset.SlideSet) { s.Slides = s.Slides[:3] })
	if !slices.Equal(fewer, first[:len(fewer)]) {
		t.Error("a slide's patches depend on the slides beside it")
	}
	count := map[[2]int]int{}
	for i := range p.Len() {
		count[[2]int{int(p.at(i).source), p.Class(i)}]++
	}
	for k, n := range count {
		if n > 15 || k[1] == 1 && n < 15 {
			t.Errorf("slide %d gives %d patches of class %d, want 15", k[0], n, k[1])
		}
	}
	if len(first) < 15*4 {
		t.Errorf("%d patches", len(first))
	}
}

func TestItTakesOutlinesForAMask(t *testing.T) {
	t.Parallel()
	p := harvested(t, labelled(t, nil), testConfig())
	dir := t.TempDir()
	set := labelled(t, func(s *dataset.SlideSet) {
		for i := range s.Slides {
			sl := &s.Slides[i]
			for _, ending := range []string{".tif", ".geojson"} {
				from := strings.TrimSuffix(sl.Path, ".tif") + ending
				if err := os.Symlink(from, filepath.Join(dir, filepath.Base(from))); err != nil {
					t.Fatal(err)
				}
			}
			sl.Path = filepath.Join(dir, filepath.Base(sl.Path))
		}
	})
	scenes, q := truth(t), harvested(t, set, testConfig())
	count := func(p *Patches) (n int) {
		for i := range p.Len() {
			n += 1 - p.Class(i)
		}
		return n
	}
	if got := dark(scenes, q, Dense); got < 2*dark(scenes, q, Dermis) {
		t.Errorf("%.0f %% of dense patches is mimic or epidermis, %.0f %% of the others", 100*got, 100*dark(scenes, q, Dermis))
	}
	if a, b := count(p), count(q); b < a*9/10 || b > a*11/10 {
		t.Errorf("%d positive patches by the masks, %d by the outlines", a, b)
	}
	for i := range q.Len() {
		at := q.at(i)
		lesion := shares(scenes[at.source], wsi.Rect{X: int(at.x), Y: int(at.y), W: px, H: px})[synth.ClassBCC]
		if at.class == 1 && lesion > 0.02 || at.class == 0 && lesion < 0.15 || at.kind == Mimic || at.kind == Epidermis {
			t.Errorf("%s: called %s, %.1f %% of it is lesion", q.Name(i), q.Group(i), 100*lesion)
		}
	}
}

// dark returns how much of the patches of a kind is mimic or epidermis.
func dark(scenes []*synth.Scene, p *Patches, kind string) (mean float64) {
	n := 0
	for i := range p.Len() {
		if at := p.at(i); at.kind == kind {
			part := shares(scenes[at.source], wsi.Rect{X: int(at.x), Y: int(at.y), W: px, H: px})
			mean += part[synth.ClassMimic] + part[synth.ClassEpidermis]
			n++
		}
	}
	return mean / float64(n)
}

func TestItTakesNegativesOutOfARectangle(t *testing.T) {
	t.Parallel()
	set := labelled(t, nil)
	negative := slices.IndexFunc(set.Slides, func(s dataset.Slide) bool { return !s.Positive() })
	given := Negative{Path: set.Slides[negative].Path, Rect: wsi.Rect{X: 300, Y: 200, W: 700, H: 600}}
	c := testConfig()
	c.Negatives = []Negative{given}
	p := harvested(t, labelled(t, func(s *dataset.SlideSet) {
		for i := range s.Slides {
			s.Slides[i].Split = dataset.Val
		}
		s.Slides[slices.IndexFunc(s.Slides, dataset.Slide.Positive)].Split = dataset.Train
		s.Slides[negative].Split = dataset.Train
	}), c)
	n, dense := 0, 0
	train := p.Split(dataset.Train)
	for i := range train.Len() {
		at := train.at(i)
		kind := train.Group(i)
		if kind != Given && kind != GivenDense {
			continue
		}
		n++
		if kind == GivenDense {
			dense++
		}
		x, y := train.move(rand.New(rand.NewPCG(3, uint64(i))), at)
		for _, r := range []wsi.Rect{{X: int(at.x), Y: int(at.y), W: px, H: px}, {X: x, Y: y, W: px, H: px}} {
			if r.Intersect(given.Rect) != r || train.Class(i) != 1 {
				t.Errorf("%s: %v reaches beyond %v", train.Name(i), r, given.Rect)
			}
		}
	}
	if n < 20 || dense < n/20 || dense > n/2 {
		t.Errorf("%d patches out of the rectangle, %d of them dense", n, dense)
	}
	val := p.Split(dataset.Val)
	for i := range val.Len() {
		if strings.HasPrefix(val.Group(i), Given) {
			t.Errorf("%s is measured on", val.Name(i))
		}
	}
	c.Negatives[0].Rect.X = 1000
	if _, err := Open(t.Context(), set, c); fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "not on the slide") {
		t.Errorf("a rectangle beyond the slide: %v", err)
	}
}

func TestItNamesSlidesWithAFault(t *testing.T) {
	t.Parallel()
	copied := func(t *testing.T, s *dataset.Slide, endings ...string) {
		dir := t.TempDir()
		for _, ending := range append(endings, ".tif") {
			from := strings.TrimSuffix(s.Path, ".tif") + ending
			b, err := os.ReadFile(from)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(from)), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s.Path = filepath.Join(dir, filepath.Base(s.Path))
	}
	positive := func(s *dataset.SlideSet) *dataset.Slide {
		return &s.Slides[slices.IndexFunc(s.Slides, dataset.Slide.Positive)]
	}
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *dataset.SlideSet)
		kind  fault.Kind
		want  []string
	}{
		{"no truth", func(t *testing.T, s *dataset.SlideSet) { copied(t, positive(s)) }, fault.NotFound, []string{"synth-0", "nothing says where"}},
		{"a wrong label", func(t *testing.T, s *dataset.SlideSet) { positive(s).Class = 1 }, fault.Invalid, []string{"labelled negative", "shows a lesion"}},
		{"no slide", func(t *testing.T, s *dataset.SlideSet) { s.Slides[1].Path += "x" }, fault.NotFound, []string{"synth-00001.tif", "no such file"}},
		{"no scale", func(t *testing.T, s *dataset.SlideSet) {
			c := setConfig()
			c.Slide.Variant, c.Slide.Size, c.Count = synth.NoMPP, wsi.Size{W: 400, H: 400}, 1
			dir := t.TempDir()
			if err := synth.WriteSet(t.Context(), dir, c); err != nil {
				t.Fatal(err)
			}
			s.Slides[2].Path = filepath.Join(dir, "synth-00000.tif")
		}, fault.Unsupported, []string{"synth-00002.tif"}}, // no JPEG decoder here; with one, no scale
		{"another slide's mask", func(t *testing.T, s *dataset.SlideSet) {
			sl := positive(s)
			copied(t, sl)
			c := setConfig()
			c.Slide.Size, c.Count = wsi.Size{W: 500, H: 1000}, 1
			dir := t.TempDir()
			if err := synth.WriteSet(t.Context(), dir, c); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, "synth-00000.mask.tif"), strings.TrimSuffix(sl.Path, ".tif")+".mask.tif"); err != nil {
				t.Fatal(err)
			}
		}, fault.Invalid, []string{"another slide's"}},
		{"a picture for a mask", func(t *testing.T, s *dataset.SlideSet) {
			sl := positive(s)
			copied(t, sl)
			if err := os.Link(sl.Path, strings.TrimSuffix(sl.Path, ".tif")+".mask.tif"); err != nil {
				t.Fatal(err)
			}
		}, fault.Unsupported, []string{"mask value"}},
		{"outlines that are none", func(t *testing.T, s *dataset.SlideSet) {
			sl := positive(s)
			copied(t, sl)
			if err := os.WriteFile(strings.TrimSuffix(sl.Path, ".tif")+".geojson", []byte("{}"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, fault.Corrupt, []string{"FeatureCollection"}},
		{"one class in val", func(t *testing.T, s *dataset.SlideSet) {
			s.Slides[slices.IndexFunc(s.Slides, func(s dataset.Slide) bool { return !s.Positive() })].Split = dataset.Val
		}, fault.Invalid, []string{"split val: 0 patches with a lesion"}},
		{"three classes", func(t *testing.T, s *dataset.SlideSet) { s.Classes = append(s.Classes, "SCC") }, fault.Invalid, []string{"SCC"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set := labelled(t, nil)
			c.spoil(t, set)
			_, err := Open(t.Context(), set, testConfig())
			if err == nil {
				t.Fatal("no error")
			}
			if got := fault.Of(err); got != c.kind {
				t.Errorf("kind %v, want %v", got, c.kind)
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\nwants to say %q", err, w)
				}
			}
		})
	}
}

func TestItRefusesAConfigThatMakesNoSense(t *testing.T) {
	t.Parallel()
	c := testConfig()
	c.Cover, c.Open, c.MPP, c.Slide = 0, 0, -1, slide.Config{CacheBytes: -1}
	_, err := Open(t.Context(), labelled(t, nil), c)
	for _, w := range []string{"cover", "kept open", "µm/px", "cache"} {
		if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), w) {
			t.Errorf("%v\nwants to say %q", err, w)
		}
	}
}

func TestItStopsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, labelled(t, nil), testConfig()); err == nil {
		t.Error("opened after the end")
	}
}

// What is measured must not be learned from, and a lesion is no negative.
func TestItTakesNoNegativesOutOfSlidesThatAreMeasured(t *testing.T) {
	t.Parallel()
	set := labelled(t, func(s *dataset.SlideSet) {
		for i := range s.Slides {
			s.Slides[i].Split = dataset.Train
		}
		s.Slides[slices.IndexFunc(s.Slides, func(s dataset.Slide) bool { return !s.Positive() })].Split = dataset.Test
	})
	for i, s := range set.Slides {
		c := testConfig()
		c.Negatives = []Negative{{Path: s.Path}}
		if err := ownSlides(set, c.Negatives); (s.Split == dataset.Test || s.Positive()) != (fault.Of(err) == fault.Invalid && err != nil) {
			t.Errorf("slide %d, positive %v, of %s: %v", i, s.Positive(), s.Split, err)
		}
		if s.Split != dataset.Test {
			continue
		}
		if _, err := Open(t.Context(), set, c); fault.Of(err) != fault.Invalid || !strings.Contains(fmt.Sprint(err), s.Name) || fault.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
	}
}

func TestItReadsNegativesAsTyped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Negative{
		"a.tif":                {Path: "a.tif"},
		"d@home/a.tif":         {Path: "d@home/a.tif"},
		"a.tif@1,2,30,40":      {Path: "a.tif", Rect: wsi.Rect{X: 1, Y: 2, W: 30, H: 40}},
		"d@home/a.tif@0,0,9,9": {Path: "d@home/a.tif", Rect: wsi.Rect{W: 9, H: 9}},
	} {
		got, err := ParseNegative(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"a.tif@1,2,3", "a.tif@1,2,0,4", "a.tif@-1,2,3,4", "a.tif@1,2,3,4,5", "@1,2,3,4", "a.tif@1, 2,3,4"} {
		if n, err := ParseNegative(text); fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
			t.Errorf("%q: %+v, %v", text, n, err)
		}
	}
}

func TestItClosesASlideWhenItsLastReaderIsThrough(t *testing.T) {
	t.Parallel()
	set := labelled(t, nil)
	c := testConfig()
	opened := 0
	s := newShelf(1, func(i int) (*handle, error) { opened++; return openSlide(set.Slides[i].Path, c) })
	read := func(h *handle) error { return h.reader.ReadAt(t.Context(), 0, 0, make([]byte, 3*px*px)) }
	a, err := s.take(0)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.take(1) // pushes the first out
	if err != nil {
		t.Fatal(err)
	}
	if err := read(a); err != nil {
		t.Errorf("a slide that is being read was closed: %v", err)
	}
	s.put(a)
	if err := read(a); err == nil {
		t.Error("a slide that nobody reads stayed open")
	}
	s.close()
	if err := read(b); err != nil {
		t.Errorf("a slide that is being read was closed with the shelf: %v", err)
	}
	s.put(b)
	if _, err := s.take(0); err == nil || opened != 2 {
		t.Errorf("%d opened; after the end: %v", opened, err)
	}
}

func FuzzNegative(f *testing.F) {
	f.Add("a@1,2,3,4")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := ParseNegative(text); err == nil && n.String() != text {
			t.Errorf("%q reads as %q", text, n)
		}
	})
}
