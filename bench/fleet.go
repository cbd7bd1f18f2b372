package bench

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"bcc/cohort"
	"bcc/queue"
)

// Fleet measures what it costs to have many workers: everything around the engines is
// real and synced to the disk, the engines only take their time.
type Fleet struct {
	Seed  uint64
	Cores int
}

// PoolFigures is how busy the engines of a large pool stay.
type PoolFigures struct {
	Bench   string  `json:"bench"` // fleet/pool
	Workers int     `json:"workers"`
	Slides  int     `json:"slides"`
	Patches int     `json:"patches"`
	PatchMS float64 `json:"engine_ms_per_patch"`
	Steady  float64 `json:"busy_share"`       // from the first moment all work until nothing waits
	SteadyS float64 `json:"busy_share_s"`     // over so many seconds
	Whole   float64 `json:"busy_share_whole"` // from submission to the last end
	WholeS  float64 `json:"whole_s"`
	CPU     float64 `json:"coordinator_cpu_share"` // of one core; workers without their engines are in it
	Machine Machine `json:"machine"`
}

// cobraPatches draws the number of patches of a slide: as of COBRA's biopsies, of which
// one in twenty has fewer than 470 and one in twenty more than 4,100, the median 1,300.
func cobraPatches(rng *rand.Rand) int {
	const median, sigma = 1300, 0.66
	return min(max(int(median*math.Exp(sigma*rng.NormFloat64())), 50), 12_000)
}

// Pool has n workers whose engines take patch for a patch work through so many slides.
func (f Fleet) Pool(ctx context.Context, n, slides int, patch time.Duration) (PoolFigures, error) {
	out := PoolFigures{Bench: "fleet/pool", Workers: n, Slides: slides, PatchMS: ms(patch), Machine: machine(f.Cores)}
	p, err := openPool(ctx)
	if err != nil {
		return out, err
	}
	rng := rand.New(rand.NewPCG(f.Seed, 1))
	sizes := make([]int, slides)
	for i := range sizes {
		sizes[i] = cobraPatches(rng)
		out.Patches += sizes[i]
	}
	err = func() error {
		names, err := writeStubs(p.store, rng, sizes)
		if err != nil {
			return err
		}
		if err := p.start(ctx, slices.Repeat([]time.Duration{patch}, n)...); err != nil {
			return err
		}
		begun, cpu := time.Now(), CPUSeconds()
		id, err := p.submit(ctx, queue.Routine, names)
		if err != nil {
			return err
		}
		var from, to mark
		err = p.await(ctx, id, func(c cohort.Counts) {
			if from.at.IsZero() && c.Running >= n {
				from = p.mark()
			}
			if c.Pending > 0 {
				to = p.mark()
			}
		})
		took := time.Since(begun)
		out.Steady, out.SteadyS = to.share(from, n), to.at.Sub(from.at).Seconds()
		out.Whole, out.WholeS = p.worked().Seconds()/took.Seconds()/float64(n), took.Seconds()
		out.CPU = (CPUSeconds() - cpu) / took.Seconds()
		return err
	}()
	return out, errors.Join(err, p.close())
}

// mark is how long all engines had worked at a moment.
type mark struct {
	at     time.Time
	worked time.Duration
}

func (p *pool) mark() mark { return mark{time.Now(), p.worked()} }

// share is the part of the time since m that n engines worked.
func (m mark) share(since mark, n int) float64 {
	if since.at.IsZero() || !m.at.After(since.at) {
		return 0
	}
	return (m.worked - since.worked).Seconds() / m.at.Sub(since.at).Seconds() / float64(n)
}

// ThroughFigures is how fast slides of one shard pass through everything but an engine.
type ThroughFigures struct {
	Bench   string  `json:"bench"` // fleet/through
	Slides  int     `json:"slides"`
	Workers int     `json:"workers"`
	SubmitS float64 `json:"submit_s"` // until the submission is acknowledged
	TookS   float64 `json:"took_s"`   // until the last slide has its end
	Rate    float64 `json:"slides_per_s"`
	CPUMS   float64 `json:"cpu_ms_per_slide"`
	Machine Machine `json:"machine"`
}

// Through has slides of one shard, whose engine takes no time, pass.
func (f Fleet) Through(ctx context.Context, slides, workers int) (ThroughFigures, error) {
	out := ThroughFigures{Bench: "fleet/through", Slides: slides, Workers: workers, Machine: machine(f.Cores)}
	p, err := openPool(ctx)
	if err != nil {
		return out, err
	}
	err = func() error {
		names, err := writeStubs(p.store, rand.New(rand.NewPCG(f.Seed, 2)), slices.Repeat([]int{300}, slides))
		if err != nil {
			return err
		}
		if err := p.start(ctx, make([]time.Duration, workers)...); err != nil {
			return err
		}
		begun, cpu := time.Now(), CPUSeconds()
		id, err := p.submit(ctx, queue.Routine, names)
		if err != nil {
			return err
		}
		out.SubmitS = time.Since(begun).Seconds()
		err = p.await(ctx, id, nil)
		out.TookS = time.Since(begun).Seconds()
		out.Rate = float64(slides) / out.TookS
		out.CPUMS = (CPUSeconds() - cpu) / float64(slides) * 1000
		return err
	}()
	return out, errors.Join(err, p.close())
}

// MixedFigures is what fast and slow workers do together.
type MixedFigures struct {
	Bench   string  `json:"bench"`  // fleet/mixed
	Slower  float64 `json:"slower"` // how many times slower the slow one is
	Rounds  int     `json:"rounds"`
	Fast    float64 `json:"fast_patches_per_s"` // alone
	Slow    float64 `json:"slow_patches_per_s"` // alone
	Both    float64 `json:"both_patches_per_s"`
	Ratio   float64 `json:"ratio"` // of both to the sum
	Low     float64 `json:"ratio_low"`
	High    float64 `json:"ratio_high"`
	Machine Machine `json:"machine"`
}

// Mixed has two workers, one so many times slower, work alone and together, rounds times.
func (f Fleet) Mixed(ctx context.Context, patch time.Duration, slower float64, slides, rounds int) (MixedFigures, error) {
	out := MixedFigures{Bench: "fleet/mixed", Slower: slower, Rounds: rounds, Machine: machine(f.Cores)}
	rng := rand.New(rand.NewPCG(f.Seed, 3))
	slow := time.Duration(float64(patch) * slower)
	var fasts, slows, boths, ratios []float64
	for range rounds {
		var rates []float64
		for _, side := range []struct {
			slides  int
			engines []time.Duration
		}{{slides, []time.Duration{patch}}, {max(slides/int(slower), 4), []time.Duration{slow}}, {slides, []time.Duration{patch, slow}}} {
			rate, err := f.rate(ctx, rng, side.slides, side.engines)
			if err != nil {
				return out, err
			}
			rates = append(rates, rate)
		}
		fasts, slows, boths = append(fasts, rates[0]), append(slows, rates[1]), append(boths, rates[2])
		ratios = append(ratios, rates[2]/(rates[0]+rates[1]))
	}
	out.Fast, out.Slow, out.Both = median(fasts), median(slows), median(boths)
	out.Ratio = median(ratios)
	out.Low, out.High = spread(ratios)
	return out, nil
}

// rate returns patches a second of engines that work through fresh slides, the last
// straggler included.
func (f Fleet) rate(ctx context.Context, rng *rand.Rand, slides int, engines []time.Duration) (float64, error) {
	p, err := openPool(ctx)
	if err != nil {
		return 0, err
	}
	sizes, patches := make([]int, slides), 0
	for i := range sizes {
		sizes[i] = cobraPatches(rng)
		patches += sizes[i]
	}
	var took time.Duration
	err = func() error {
		names, err := writeStubs(p.store, rng, sizes)
		if err != nil {
			return err
		}
		if err := p.start(ctx, engines...); err != nil {
			return err
		}
		begun := time.Now()
		id, err := p.submit(ctx, queue.Routine, names)
		if err != nil {
			return err
		}
		err = p.await(ctx, id, nil)
		took = time.Since(begun)
		return err
	}()
	return float64(patches) / took.Seconds(), errors.Join(err, p.close())
}
