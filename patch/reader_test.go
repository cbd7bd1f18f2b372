package patch_test

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/patch"
	"bcc/wsi"
)

func TestItSendsTheSamePatchesWhateverTheNumberOfReaders(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 500, H: 300}
	src := coded(level0, 1, 2)
	var want [][]byte
	for _, readers := range []int{1, 2, 7, 64} {
		cfg := config(32, 0.55, 0.5)
		cfg.Readers = readers
		g := plan(t, level0, square(0.5), full(level0, 16), cfg)
		all := readAll(t, src, g, cfg)
		if want == nil {
			want = all
		}
		for i := range all {
			if !bytes.Equal(all[i], want[i]) {
				t.Fatalf("%d readers: patch %d differs", readers, i)
			}
		}
	}
}

func TestItReadsAnEmptyGrid(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 90, H: 50}
	g := plan(t, level0, square(0.5), empty(level0, 10, 10), config(32, 0.5, 0))
	if all := readAll(t, coded(level0, 1), g, config(32, 0.5, 0)); len(all) != 0 {
		t.Errorf("%d patches", len(all))
	}
}

func TestItStopsAtTheFirstErrorAndSaysWhere(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 900, H: 500}
	src := coded(level0, 1)
	src.err = fault.New(fault.Corrupt, "tile 3: %w", io.ErrUnexpectedEOF)
	cfg := config(32, 0.5, 0)
	r, err := patch.NewReader(src, plan(t, level0, square(0.5), full(level0, 16), cfg), cfg)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Read(t.Context(), make(chan wsi.Patch))
	if !errors.Is(err, io.ErrUnexpectedEOF) || fault.Of(err) != fault.Corrupt {
		t.Errorf("%v", err)
	}
	if n := src.reads.Load(); n > int64(runtime.GOMAXPROCS(0)) {
		t.Errorf("%d reads after the first failed", n)
	}
}

func TestItStopsWhenNobodyTakesPatchesAndTheContextEnds(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 900, H: 500}
	cfg := config(32, 0.5, 0)
	r, err := patch.NewReader(coded(level0, 1), plan(t, level0, square(0.5), full(level0, 16), cfg), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Read(ctx, make(chan wsi.Patch)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestItReadsAheadNoFurtherThanTheChannelHolds(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 800, H: 700}
	src := coded(level0, 1)
	cfg := config(32, 0.5, 0)
	cfg.Readers, cfg.Prefetch = 3, 5
	r, err := patch.NewReader(src, plan(t, level0, square(0.5), full(level0, 16), cfg), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	out := make(chan wsi.Patch, cfg.Prefetch)
	wait.Go(func() { _ = r.Read(ctx, out) })
	buffers := map[*byte]bool{}
	for range 500 {
		p := <-out
		buffers[&p.Pix[0]] = true
		p.Release()
	}
	cancel()
	wait.Wait()
	// One in each reader's hands, those in the channel, and one with the receiver.
	if most := cfg.Readers + cfg.Prefetch + 1; len(buffers) > most {
		t.Errorf("%d buffers for %d patches on their way", len(buffers), most)
	}
}

// A slide without a pyramid, far finer than the model: the patch is read in
// slabs and has the bytes it would have in one piece.
func TestItReadsHugePatchesInSlabs(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 2400, H: 2300}
	src := coded(level0, 1)
	largest := 0
	src.seen = func(_ int, r wsi.Rect) { largest = max(largest, r.W*r.H) }
	cfg := config(20, 52.5, 0) // patches of 2100² pixels
	cfg.MinTissue = 0.5
	g := plan(t, level0, square(0.5), full(level0, 50), cfg)
	all := readAll(t, src, g, cfg)
	if largest > 4<<20 {
		t.Errorf("%d pixels were read at once", largest)
	}
	if src.reads.Load() < int64(2*g.Len()) {
		t.Errorf("%d reads for %d patches: no slabs", src.reads.Load(), g.Len())
	}
	for i, pix := range all {
		at := g.Rect(i)
		const margin = 105 // as far as the filter reaches
		whole := wsi.Rect{X: at.X - margin, Y: at.Y - margin, W: at.W + 2*margin, H: at.H + 2*margin}
		in := make([]byte, 3*whole.W*whole.H)
		if err := src.Read(t.Context(), 0, whole, in); err != nil {
			t.Fatal(err)
		}
		x, y := wsi.NewTaps(whole.W, margin, float64(at.W), 20), wsi.NewTaps(whole.H, margin, float64(at.H), 20)
		want := make([]byte, len(pix))
		patch.Resample(want, in, whole.W, whole.H, x, y)
		if !bytes.Equal(pix, want) {
			t.Errorf("patch %v differs from the one made in one piece", at)
		}
	}
}

func TestItRefusesSlidesItCannotRead(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 90, H: 50}
	cfg := config(32, 0.5, 0)
	g := plan(t, level0, square(0.5), full(level0, 16), cfg)
	for name, src := range map[string]*source{
		"no levels":    {},
		"downsample 0": {levels: []wsi.Level{{Size: level0}}},
	} {
		if _, err := patch.NewReader(src, g, cfg); fault.Of(err) == fault.Internal {
			t.Errorf("%s: %v", name, err)
		}
	}
	coarse := config(32, 65, 0) // 130 times coarser than a slide without a pyramid
	if _, err := patch.NewReader(coded(level0, 1), plan(t, level0, square(0.5), full(level0, 16), coarse), coarse); fault.Of(err) != fault.Unsupported {
		t.Errorf("far too fine: %v", err)
	}
	if _, err := patch.NewReader(coded(level0, 1), g, patch.Config{}); fault.Of(err) != fault.Invalid {
		t.Errorf("no configuration: %v", err)
	}
	if _, err := patch.NewReader(coded(level0, 1), &wsi.Grid{}, cfg); fault.Of(err) != fault.Invalid {
		t.Errorf("no grid: %v", err)
	}
}

// The order of reading lets a tile cache of the size it was told decode each
// tile about once, on a slide whose row of patches does not fit that cache.
func TestItReadsInAnOrderThatASmallTileCacheServes(t *testing.T) {
	t.Parallel()
	const tile = 64
	level0 := wsi.Size{W: 3800, H: 1200}
	for _, overlap := range []float64{0, 0.5} {
		for _, tiles := range []int{20, 60, 200} {
			src := coded(level0, 1)
			src.levels[0].Tile = wsi.Size{W: tile, H: tile}
			cache := newLRU(tiles)
			src.seen = func(_ int, r wsi.Rect) {
				r = r.Intersect(wsi.Rect{W: level0.W, H: level0.H})
				for y := r.Y / tile; y <= (r.Y+r.H-1)/tile; y++ {
					for x := r.X / tile; x <= (r.X+r.W-1)/tile; x++ {
						cache.use([2]int{x, y})
					}
				}
			}
			cfg := config(61, 0.5, overlap)
			cfg.Readers, cfg.CacheBytes = 1, int64(tiles)*3*tile*tile
			readAll(t, src, plan(t, level0, square(0.5), full(level0, 16), cfg), cfg)
			all := (level0.W + tile - 1) / tile * ((level0.H + tile - 1) / tile)
			// A column of tiles along each edge between bands is decoded twice.
			bands := 1 + level0.W/(tile*max(tiles*3/4/3-1, 1))
			if most := all + bands*(level0.H/tile+1); cache.misses > most {
				t.Errorf("overlap %v, a cache of %d tiles: %d decodes of %d tiles, want at most %d", overlap, tiles, cache.misses, all, most)
			}
		}
	}
}

type lru struct {
	size, misses int
	order        *list.List
	at           map[[2]int]*list.Element
}

func newLRU(size int) *lru {
	return &lru{size: size, order: list.New(), at: map[[2]int]*list.Element{}}
}

func (c *lru) use(k [2]int) {
	if e, ok := c.at[k]; ok {
		c.order.MoveToFront(e)
		return
	}
	c.misses++
	c.at[k] = c.order.PushFront(k)
	if c.order.Len() > c.size {
		last := c.order.Back()
		delete(c.at, last.Value.([2]int))
		c.order.Remove(last)
	}
}
