package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"bcc/detect"
	"bcc/fault"
	"bcc/infer"
	"bcc/patch"
	"bcc/queue"
	"bcc/slide"
	"bcc/worker"
	"bcc/wsi"
)

// UrgentFigures is what an urgent slide waits for while routine ones are walked.
type UrgentFigures struct {
	Bench    string  `json:"bench"` // fleet/urgent
	Workers  int     `json:"workers"`
	Routine  int     `json:"routine_slides"` // waiting or walked meanwhile
	Patches  int     `json:"patches"`        // of an urgent slide
	BatchMS  float64 `json:"batch_ms"`       // the time a batch is with the engine
	Slides   int     `json:"slides"`         // urgent ones on each side
	Idle     Latency `json:"idle"`           // on an idle fleet
	Busy     Latency `json:"busy"`
	Allowed  float64 `json:"allowed_ms"` // 1.2 × (median of Idle + a batch)
	Ratio    float64 `json:"ratio"`      // p99 of Busy to (median of Idle + a batch)
	RatioP99 float64 `json:"ratio_p99"`  // p99 of Busy to (p99 of Idle + a batch)
	Machine  Machine `json:"machine"`
}

// urgentBatch is the batch of the engines that urgent slides wait for.
const urgentBatch = 8

// Urgent walks urgent slides one after the other on a fleet of its own, first idle,
// then while so many routine slides wait. The walk and the batcher are the real ones;
// engines and pixels are stubs.
func (f Fleet) Urgent(ctx context.Context, workers, routine, urgent, patches int, batch time.Duration) (UrgentFigures, error) {
	out := UrgentFigures{
		Bench: "fleet/urgent", Workers: workers, Routine: routine, Patches: patches, BatchMS: ms(batch), Slides: urgent,
		Machine: machine(f.Cores),
	}
	p, err := openPool(ctx)
	if err != nil {
		return out, err
	}
	engines, stop := context.WithCancel(ctx)
	err = func() error {
		rng := rand.New(rand.NewPCG(f.Seed, 4))
		slides, err := writeStubs(p.store, rng, slices.Repeat([]int{patches}, 2*urgent))
		if err != nil {
			return err
		}
		sizes := make([]int, routine)
		for i := range sizes {
			sizes[i] = cobraPatches(rng)
		}
		others, err := writeStubs(p.store, rng, sizes)
		if err != nil {
			return err
		}
		models := make([]worker.Model, workers)
		for i := range models {
			if models[i], err = waitingModel(engines, batch); err != nil {
				return err
			}
		}
		if err := p.startWith(ctx, workers, func(i int) worker.Model { return models[i] }); err != nil {
			return err
		}
		one := func(list []string) (all []time.Duration, err error) {
			for _, s := range list {
				begun := time.Now()
				id, err := p.submit(ctx, queue.Urgent, []string{s})
				if err != nil {
					return nil, err
				}
				if _, err := p.ledger.Wait(ctx, id+"-0"); err != nil {
					return nil, err
				}
				all = append(all, time.Since(begun))
			}
			return all, nil
		}
		idle, err := one(slides[:urgent])
		if err != nil {
			return err
		}
		id, err := p.submit(ctx, queue.Routine, others)
		if err != nil {
			return err
		}
		for busy := 0; busy < workers; { // until every worker is at it
			s, err := p.ledger.Summary(ctx, id)
			if err != nil {
				return err
			}
			busy = s.Counts.Running
			time.Sleep(20 * time.Millisecond)
		}
		busy, err := one(slides[urgent:])
		if err != nil {
			return err
		}
		if s, err := p.ledger.Summary(ctx, id); err != nil || s.Counts.Pending == 0 {
			return errors.Join(err, fault.New(fault.Internal, "the routine slides ran out: %+v", s.Counts))
		}
		out.Idle, out.Busy = latencyOf(idle), latencyOf(busy)
		return p.ledger.Cancel(ctx, id)
	}()
	err = errors.Join(err, p.close())
	stop()
	base := out.Idle.P50 + out.BatchMS
	out.Allowed = 1.2 * base
	out.Ratio, out.RatioP99 = out.Busy.P99/base, out.Busy.P99/(out.Idle.P99+out.BatchMS)
	return out, err
}

// waitingModel is the real walk over an engine that takes its time for a batch, and
// slides without pixels. The engine ends with ctx.
func waitingModel(ctx context.Context, batch time.Duration) (worker.Model, error) {
	cfg := infer.DefaultConfig()
	cfg.Batch, cfg.PatchPx, cfg.Outputs = urgentBatch, stubPatchPx, 1
	b, err := infer.New(cfg, []infer.Runner{waiting{batch}})
	if err != nil {
		return worker.Model{}, err
	}
	go func() { _ = b.Run(ctx) }()
	c := stubConfig()
	c.Open = func(_ context.Context, src detect.Source, _ slide.Config) (detect.Slide, error) {
		s, err := readStub(src)
		if err != nil {
			return nil, fault.New(fault.Corrupt, "stub slide: %w", err)
		}
		return &blank{stubGrid(s.Patches)}, nil
	}
	return worker.Model{Detect: c, Scorer: b, Urgent: b.Urgent(), Runners: 1, Devices: []string{"stub"}}, nil
}

// waiting is a runner that takes its time for a batch.
type waiting struct{ took time.Duration }

func (w waiting) Run(ctx context.Context, _ [][]byte, out []float32) error {
	select {
	case <-time.After(w.took):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	clear(out)
	return nil
}

func (waiting) Close() error { return nil }

// blank is a slide that is all tissue and whose patches have no content.
type blank struct{ grid *wsi.Grid }

var blankPixels = make([]byte, 3*stubPatchPx*stubPatchPx)

func (b *blank) Format() string { return "stub" }

func (b *blank) Levels() []wsi.Level {
	return []wsi.Level{{Size: b.grid.Slide, DownX: 1, DownY: 1, Tile: wsi.Size{W: 256, H: 256}}}
}

func (b *blank) MPP() (wsi.MPP, error) { return b.grid.MPP, nil }

// Overview is pink all over.
func (b *blank) Overview(_ context.Context, down float64) (*wsi.Overview, error) {
	m := wsi.NewImage(max(int(float64(b.grid.Slide.W)/down), 1), max(int(float64(b.grid.Slide.H)/down), 1))
	for i := range len(m.Pix) / 3 {
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = 220, 120, 180
	}
	return &wsi.Overview{Image: m, ScaleX: float64(b.grid.Slide.W) / float64(m.W), ScaleY: float64(b.grid.Slide.H) / float64(m.H)}, nil
}

func (b *blank) Read(_ context.Context, _ int, _ wsi.Rect, dst []byte) error {
	clear(dst)
	return nil
}

// Patches sends all, with as many out at a time as a reader would have.
func (b *blank) Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error {
	room := make(chan struct{}, max(cfg.Prefetch, 1))
	for i := range g.Len() {
		select {
		case room <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		release := func() {
			<-room
			if cfg.Released != nil {
				cfg.Released()
			}
		}
		select {
		case out <- wsi.Patch{Index: i, Pix: blankPixels, Release: release}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (b *blank) Close() error { return nil }
