package simtest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bcc/aggregate"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/report"
	"bcc/worker"
	"bcc/wsi"
)

// fate is what becomes of whoever looks at a slide.
type fate byte

const (
	healthy  fate = iota
	corrupt       // cannot be opened
	rotten        // opens, but one of its patches cannot be read
	absent        // was never sent
	poison        // hurts whoever opens it
	venom         // hurts whoever reads one of its patches
	flaky         // fails for a while, through no fault of its own
	lastFate = flaky
)

// end is the state that such a slide must come to.
func (f fate) end() cohort.State {
	switch f {
	case healthy, flaky:
		return cohort.Done
	case poison, venom:
		return cohort.Quarantined
	}
	return cohort.Failed
}

// spec is a slide. Its file holds the spec itself, so whoever looks at the file knows
// what is on it.
type spec struct {
	seed    uint64
	patches int
	fate    fate
}

const specBytes = 13

func (s spec) file() []byte {
	b := binary.LittleEndian.AppendUint64(nil, s.seed)
	b = binary.LittleEndian.AppendUint32(b, uint32(s.patches))
	return append(b, byte(s.fate))
}

func (s spec) sha256() string {
	sum := sha256.Sum256(s.file())
	return hex.EncodeToString(sum[:])
}

func read(src detect.Source) (spec, error) {
	var b [specBytes]byte
	if _, err := src.ReadAt(b[:], 0); err != nil {
		return spec{}, err
	}
	return spec{binary.LittleEndian.Uint64(b[:]), int(binary.LittleEndian.Uint32(b[8:])), fate(b[12])}, nil
}

// gridCols is the width of all grids.
const gridCols = 16

func (s spec) grid() *wsi.Grid {
	const px = 32
	rows := (s.patches + gridCols - 1) / gridCols
	g := wsi.Lay(wsi.Size{W: gridCols * px, H: rows * px}, wsi.MPP{X: 1, Y: 1}, wsi.Size{W: px, H: px}, 0)
	for i := range s.patches {
		g.Cells = append(g.Cells, wsi.Cell{Col: i % gridCols, Row: i / gridCols, Tissue: 1})
	}
	return g
}

// row is what the model says of a patch.
func (s spec) row(c wsi.Cell) float32 {
	x := (s.seed ^ uint64(c.Row*gridCols+c.Col+1)) * 0x9e3779b97f4a7c15
	return float32(x>>40) / (1 << 24)
}

// result is what the rows of all patches say of the slide: any other row, or another
// order, would give another.
func (s spec) result(rows []float32) report.Result {
	var all []byte
	for _, r := range rows {
		all = binary.LittleEndian.AppendUint32(all, math.Float32bits(r))
	}
	sum := sha256.Sum256(all)
	return report.Result{
		FormatVersion: report.FormatVersion,
		Slide:         report.Slide{SHA256: s.sha256()},
		Prediction:    aggregate.Prediction(hex.EncodeToString(sum[:])), Score: float64(len(rows)),
		Tissue: report.Tissue{Patches: len(rows)}, Lesions: []report.Lesion{}, Degraded: []string{},
	}
}

// truth is what a quiet run finds on a slide.
type truth struct {
	spec
	result []byte // its result file
}

func (s spec) truth() truth {
	g := s.grid()
	rows := make([]float32, len(g.Cells))
	for i, c := range g.Cells {
		rows[i] = s.row(c)
	}
	return truth{s, encode(s.result(rows))}
}

func encode(r report.Result) []byte {
	b, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return b
}

// looker is one worker's way of looking at slides: it takes its time and computes
// nothing.
type looker struct {
	patch time.Duration // a patch takes
	f     *fleet
	n     *node
}

// flakes counts how often a flaky slide has failed already, for the whole fleet.
type flakes struct {
	mu     sync.Mutex
	failed map[uint64]int
}

// fails reports whether a slide fails once more.
func (f *flakes) fails(s spec) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed[s.seed] >= 4 { // one less than quarantines it
		return false
	}
	f.failed[s.seed]++
	return true
}

var _ worker.Examiner = (*looker)(nil)

// examine is worker.Model.Examine.
func (l *looker) examine(detect.Config) (worker.Examiner, error) { return l, nil }

func (l *looker) Parameters(wsi.MPP) report.Parameters { return report.Parameters{} }

func (l *looker) Survey(ctx context.Context, src detect.Source, watch detect.Watcher) (worker.Survey, error) {
	if err := sleep(ctx, 20*time.Millisecond); err != nil {
		return nil, err
	}
	s, err := read(src)
	if err != nil {
		return nil, err
	}
	switch s.fate {
	case corrupt:
		return nil, fault.New(fault.Corrupt, "open: not a slide")
	case poison:
		return nil, hurt()
	}
	watch.Planned("", s.patches)
	return &survey{l, s, s.grid()}, nil
}

func (l *looker) Score(ctx context.Context, src detect.Source, g *wsi.Grid, scored func(int)) ([]float32, error) {
	s, err := read(src)
	if err != nil {
		return nil, err
	}
	return l.score(ctx, s, g.Cells, scored)
}

// score takes the time and returns the rows.
func (l *looker) score(ctx context.Context, s spec, cells []wsi.Cell, scored func(int)) ([]float32, error) {
	bad := int(s.seed % uint64(s.patches)) // the cell that is, where one is
	const batch = 16
	rows := make([]float32, len(cells))
	what := run{s.seed, cells[0]}
	if err := l.f.once.begin(what); err != nil && l.f.steady {
		l.f.bad("%v", err)
	}
	for at := 0; at < len(cells); at += batch {
		part := cells[at:min(at+batch, len(cells))]
		if err := sleep(ctx, time.Duration(len(part))*l.patch); err != nil {
			return nil, err
		}
		for i, c := range part {
			if c.Row*gridCols+c.Col == bad {
				switch s.fate {
				case rotten:
					return nil, fault.New(fault.Corrupt, "read patches: a tile is damaged")
				case venom:
					return nil, hurt()
				case flaky:
					if !l.f.flakes.fails(s) {
						break
					}
					if s.seed%4 == 0 { // that is the machine's doing, and not noted
						return nil, fault.New(fault.Unavailable, "score patches: the device is away")
					}
					return nil, fault.New(fault.Internal, "score patches: no number")
				}
			}
			rows[at+i] = s.row(c)
		}
		if scored != nil {
			scored(len(part))
		}
	}
	l.f.once.end(what, l.n)
	return rows, nil
}

func (l *looker) Detect(ctx context.Context, src detect.Source, dir string, watch detect.Watcher) (report.Result, error) {
	s, err := l.Survey(ctx, src, watch)
	if err != nil {
		return report.Result{}, err
	}
	defer s.Close()
	rows, err := s.Score(ctx, 0, len(s.Grid().Cells), func(n int) { watch.Scored("", n) })
	if err != nil {
		return report.Result{}, err
	}
	return s.Finish(ctx, rows, dir)
}

// hurt is the error of a slide that kills its decoder.
func hurt() error { return killer{fault.New(fault.Corrupt, "the decoder died of the slide")} }

type killer struct{ error }

func (k killer) Unwrap() error { return k.error }
func (killer) Blames() bool    { return true }

type survey struct {
	l    *looker
	s    spec
	grid *wsi.Grid
}

func (v *survey) Grid() *wsi.Grid { return v.grid }

func (v *survey) Score(ctx context.Context, from, to int, scored func(int)) ([]float32, error) {
	return v.l.score(ctx, v.s, v.grid.Cells[from:to], scored)
}

func (v *survey) Finish(ctx context.Context, rows []float32, dir string) (report.Result, error) {
	if len(rows) != v.s.patches {
		return report.Result{}, fault.New(fault.Internal, "%d rows of %d patches", len(rows), v.s.patches)
	}
	r := v.s.result(rows)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return r, err
	}
	return r, os.WriteFile(filepath.Join(dir, report.ResultFile), encode(r), 0o666)
}

func (v *survey) Close() error { return nil }

// sleep returns ctx's cause where it ends before d has gone by.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// draw returns a slide of so many shards at most.
func draw(r *rand.Rand, shard, shards int, f fate) spec {
	return spec{seed: r.Uint64(), patches: 1 + r.IntN(shard*shards), fate: f}
}
