package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bcc/aggregate"
	"bcc/detect"
	"bcc/fault"
	"bcc/report"
	"bcc/worker"
	"bcc/wsi"
)

// A stub slide is a file that says how many patches it has; a stub engine takes its
// time for each and computes nothing. All around them is the real thing: queue,
// ledger, workers, store.

// stubSlide is the content of a stub slide's file.
type stubSlide struct {
	Patches int    `json:"patches"`
	Salt    uint64 `json:"salt"` // so that no two are the same slide
}

// stubPatchPx is the side of a stub's patch.
const stubPatchPx = 224

// writeStubs writes slides of so many patches each where a folder store keeps them,
// and returns their names there. They are not synced: the measured work has not begun.
func writeStubs(store string, rng *rand.Rand, patches []int) ([]string, error) {
	dir := filepath.Join(store, "slides")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	names := make([]string, len(patches))
	for i, n := range patches {
		b, err := json.Marshal(stubSlide{n, rng.Uint64()})
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		names[i] = hex.EncodeToString(sum[:])
		if err := os.WriteFile(filepath.Join(dir, names[i]), b, 0o600); err != nil {
			return nil, fault.New(fault.Unavailable, "%w", err)
		}
	}
	return names, nil
}

func readStub(src detect.Source) (stubSlide, error) {
	var s stubSlide
	err := json.NewDecoder(io.NewSectionReader(src, 0, src.Size)).Decode(&s)
	return s, err
}

// stubEngine is one device: it does one thing at a time.
type stubEngine struct {
	patch time.Duration // that one takes

	turn chan struct{}
	mu   sync.Mutex
	busy time.Duration
}

func newStubEngine(patch time.Duration) *stubEngine {
	e := &stubEngine{patch: patch, turn: make(chan struct{}, 1)}
	e.turn <- struct{}{}
	return e
}

// run takes the time of n patches.
func (e *stubEngine) run(ctx context.Context, n int) error {
	select {
	case <-e.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { e.turn <- struct{}{} }()
	begun := time.Now()
	var err error
	select {
	case <-time.After(time.Duration(n) * e.patch):
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	e.mu.Lock()
	e.busy += time.Since(begun)
	e.mu.Unlock()
	return err
}

func (e *stubEngine) worked() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.busy
}

// stubExaminer looks at stub slides with a stub engine.
type stubExaminer struct{ engine *stubEngine }

var _ worker.Examiner = stubExaminer{}

func (stubExaminer) Parameters(override wsi.MPP) report.Parameters {
	return report.Parameters{MPPOverrideUM: override.X}
}

func (x stubExaminer) Survey(_ context.Context, src detect.Source, watch detect.Watcher) (worker.Survey, error) {
	s, err := readStub(src)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "stub slide: %w", err)
	}
	g := stubGrid(s.Patches)
	watch.Planned(src.Name, g.Len())
	return &stubSurvey{x, src, g}, nil
}

// stubGrid is a plan of n patches, as wide as it is high.
func stubGrid(n int) *wsi.Grid {
	cols := 1
	for cols*cols < n {
		cols++
	}
	rows := (n + cols - 1) / cols
	side := wsi.Size{W: stubPatchPx, H: stubPatchPx}
	g := wsi.Lay(wsi.Size{W: cols * stubPatchPx, H: max(rows, 1) * stubPatchPx}, wsi.MPP{X: 0.5, Y: 0.5}, side, 0)
	for i := range n {
		g.Cells = append(g.Cells, wsi.Cell{Col: i % cols, Row: i / cols, Tissue: 1})
	}
	return g
}

// Score takes the time of the cells, in steps, as a batcher tells of them.
func (x stubExaminer) Score(ctx context.Context, _ detect.Source, g *wsi.Grid, scored func(int)) ([]float32, error) {
	rows := make([]float32, g.Len())
	const step = 64
	for from := 0; from < g.Len(); from += step {
		n := min(step, g.Len()-from)
		if err := x.engine.run(ctx, n); err != nil {
			return nil, err
		}
		if scored != nil {
			scored(n)
		}
	}
	for i, c := range g.Cells {
		rows[i] = float32((c.Col*31+c.Row*17)%100) / 100
	}
	return rows, nil
}

func (x stubExaminer) Detect(ctx context.Context, src detect.Source, dir string, watch detect.Watcher) (report.Result, error) {
	s, err := x.Survey(ctx, src, watch)
	if err != nil {
		return report.Result{}, err
	}
	defer s.Close()
	rows, err := s.Score(ctx, 0, s.Grid().Len(), func(n int) { watch.Scored(src.Name, n) })
	if err != nil {
		return report.Result{}, err
	}
	return s.Finish(ctx, rows, dir)
}

type stubSurvey struct {
	x    stubExaminer
	src  detect.Source
	grid *wsi.Grid
}

func (s *stubSurvey) Grid() *wsi.Grid { return s.grid }
func (s *stubSurvey) Close() error    { return nil }

func (s *stubSurvey) Score(ctx context.Context, from, to int, scored func(int)) ([]float32, error) {
	return s.x.Score(ctx, s.src, detect.Part(s.grid, from, to), scored)
}

// Finish writes as many files as a real slide has, of about their sizes where there is
// little on it.
func (s *stubSurvey) Finish(_ context.Context, rows []float32, dir string) (report.Result, error) {
	sum, err := s.src.SHA256()
	if err != nil {
		return report.Result{}, err
	}
	r := report.Result{
		FormatVersion: 1, Slide: report.Slide{Name: s.src.Name, SHA256: sum, Format: "stub", WidthPx: s.grid.Slide.W, HeightPx: s.grid.Slide.H, MPPUM: 0.5},
		Prediction: aggregate.NonMalignant, Tissue: report.Tissue{Patches: len(rows)},
		Lesions: []report.Lesion{}, Degraded: []string{},
	}
	text, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	filler := make([]byte, 8<<10)
	for name, b := range map[string][]byte{
		report.ResultFile: text, report.TimingFile: []byte(`{"total_s":0}`), report.PatchesFile: fmt.Append(nil, rows),
		report.LesionsFile: []byte(`{"features":[]}`), report.HeatmapFile: filler, report.PageFile: filler,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return r, fault.New(fault.Unavailable, "%w", err)
		}
	}
	return r, nil
}
