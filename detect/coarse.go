package detect

import (
	"context"
	"errors"
	"fmt"

	"bcc/fault"
	"bcc/wsi"
)

// Coarse says how a slide is looked at when there is no time for all of it.
type Coarse struct {
	// On makes a first pass over about one patch in five, and looks at the rest only
	// around suspicious ones. Default false: every patch is looked at. A slide head
	// sees all patches or none, so it has no coarse pass.
	On bool
	// Suspicious is the probability of BCC from which a patch is, 0 to 1. Default 0:
	// a third of the lesion threshold, at which nothing that the full pass calls a
	// lesion was missed on 60 synthetic slides (docs/results.md).
	Suspicious float64
}

// around is how far, in patches, everything is looked at around a suspicious one: 2
// makes the vote of each of its neighbours the same as in the full pass.
const around = 2

// suspicious is the threshold in use.
func (c Config) suspicious() float64 {
	if c.Coarse.Suspicious > 0 {
		return c.Coarse.Suspicious
	}
	return c.Aggregate.LesionThreshold / 3
}

// coarse scores the patches of the coarse pass, then those around suspicious ones,
// then around those, until no new one is suspicious. What is never looked at leaves
// the grid, so that nothing is said about it. Each round is a set that follows from
// the probabilities of the last, whatever batches they were scored in.
func (d *Detector) coarse(ctx context.Context, src Source, watch Watcher) (*seen, error) {
	v, err := d.plan(ctx, src, watch)
	if err != nil {
		return nil, err
	}
	f := newField(v.grid)
	rows := make([]float32, v.grid.Len()*d.cfg.Outputs)
	for round := f.first(); len(round) > 0; round = f.next(round, func(i int) bool {
		// Nonsense of a broken model counts as suspicious; aggregate refuses it.
		return !(float64(d.probability(rows, i)) < d.cfg.suspicious())
	}) {
		if err := d.scoreSome(ctx, v, round, rows, func(n int) { watch.Scored(src.Name, n) }); err != nil {
			v.slide.Close()
			return nil, fmt.Errorf("score patches: %w", err)
		}
	}
	f.keep(v, rows, d.cfg.Outputs)
	v.clock.lap(&v.clock.InferenceS)
	return v, nil
}

// scoreSome scores the given patches of the grid into their rows of all.
func (d *Detector) scoreSome(ctx context.Context, v *seen, some []int, all []float32, scored func(int)) error {
	part := *v.grid
	part.Cells = make([]wsi.Cell, len(some))
	for k, i := range some {
		part.Cells[k] = v.grid.Cells[i]
	}
	rows, err := d.score(ctx, v.slide, &part, scored)
	if err != nil {
		return err
	}
	n := d.cfg.Outputs
	for k, i := range some {
		copy(all[i*n:(i+1)*n], rows[k*n:(k+1)*n])
	}
	return nil
}

// field knows which patches of a grid are to be scored.
type field struct {
	grid *wsi.Grid
	at   []int32 // for each place of the grid, one more than the patch there; 0: none
	took []bool  // patches scored, or to be scored in the round at hand
	n    int     // of them
}

func newField(g *wsi.Grid) *field {
	f := &field{grid: g, took: make([]bool, g.Len())}
	if g.Len() > 0 {
		f.at = make([]int32, g.Cols*g.Rows)
	}
	for i, c := range g.Cells {
		f.at[c.Row*g.Cols+c.Col] = int32(i + 1)
	}
	return f
}

// first returns the patches of the coarse pass, in grid order: one in five, as
// knights' moves lay them. Of all patterns it needs the fewest for every patch to be
// one of them or to share a side with one, and no row, column or diagonal escapes
// it, as thin lesions would escape every other row. Where tissue ends such a
// neighbour may not be planned; then the patch itself is taken.
func (f *field) first() []int {
	for i, c := range f.grid.Cells {
		if (c.Col+2*c.Row)%5 == 0 {
			f.take(i)
		}
	}
	for i, c := range f.grid.Cells {
		if !f.has(c.Col, c.Row) && !f.has(c.Col-1, c.Row) && !f.has(c.Col+1, c.Row) &&
			!f.has(c.Col, c.Row-1) && !f.has(c.Col, c.Row+1) {
			f.take(i)
		}
	}
	return f.among(nil)
}

// next returns the patches not taken yet that lie around the suspicious ones of the
// last round, in grid order.
func (f *field) next(last []int, suspicious func(int) bool) []int {
	before := append([]bool(nil), f.took...)
	for _, i := range last {
		if !suspicious(i) {
			continue
		}
		c := f.grid.Cells[i]
		for row := max(c.Row-around, 0); row <= min(c.Row+around, f.grid.Rows-1); row++ {
			for col := max(c.Col-around, 0); col <= min(c.Col+around, f.grid.Cols-1); col++ {
				if k := f.at[row*f.grid.Cols+col]; k != 0 {
					f.take(int(k) - 1)
				}
			}
		}
	}
	return f.among(before)
}

func (f *field) take(i int) {
	if !f.took[i] {
		f.took[i] = true
		f.n++
	}
}

// has reports whether there is a patch at that place and it is taken.
func (f *field) has(col, row int) bool {
	if col < 0 || row < 0 || col >= f.grid.Cols || row >= f.grid.Rows {
		return false
	}
	k := f.at[row*f.grid.Cols+col]
	return k != 0 && f.took[k-1]
}

// among returns the patches that are taken and were not before.
func (f *field) among(before []bool) []int {
	var now []int
	for i, took := range f.took {
		if took && (before == nil || !before[i]) {
			now = append(now, i)
		}
	}
	return now
}

// keep leaves only what was scored in what was seen, and says so.
func (f *field) keep(v *seen, rows []float32, outputs int) {
	if f.n == f.grid.Len() {
		v.rows = rows
		return
	}
	scored := *f.grid
	scored.Cells = make([]wsi.Cell, 0, f.n)
	v.rows = make([]float32, 0, f.n*outputs)
	for i, took := range f.took {
		if took {
			scored.Cells = append(scored.Cells, f.grid.Cells[i])
			v.rows = append(v.rows, rows[i*outputs:(i+1)*outputs]...)
		}
	}
	v.grid = &scored
	v.notes = append(v.notes, fmt.Sprintf("coarse pass: %d of %d patches scored, the rest lay away from everything suspicious", f.n, f.grid.Len()))
}

// validateCoarse returns what is wrong with the coarse pass of c.
func (c Config) validateCoarse() error {
	var errs []error
	if c.Coarse.On && c.Head != nil {
		errs = append(errs, fault.New(fault.Unsupported, "coarse pass: the model judges a slide by all its patches"))
	}
	if p := c.Coarse.Suspicious; !(p >= 0 && p <= 1) {
		errs = append(errs, fault.New(fault.Invalid, "coarse pass: suspicious from %v: want 0 to 1", p))
	}
	return errors.Join(errs...)
}
