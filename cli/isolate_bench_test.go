package cli

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bcc/detect"
	"bcc/patch"
	"bcc/slide"
	"bcc/synth"
	"bcc/wsi"
)

// BenchmarkIsolate reads all patches of a slide as a walk does, while two goroutines
// compute as long as the smallest network takes, in this process and in a child. What
// counts is the processor time a patch, both processes together.
func BenchmarkIsolate(b *testing.B) {
	path := filepath.Join(b.TempDir(), "slide.tif")
	cfg := synth.DefaultConfig()
	cfg.Size = wsi.Size{W: 6000, H: 6000}
	scene, err := synth.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := synth.Write(b.Context(), f, nil, scene, synth.WriteConfig{NewEncoder: newEncoder}); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	roomForNativeCalls()
	src := detect.Source{ReaderAt: f, Size: info.Size()}
	how := patch.DefaultConfig(224, 0.5)
	how.Readers, how.Resample = cores, resampler()
	for _, isolated := range []bool{false, true} {
		name := "here"
		if isolated {
			name = "child"
		}
		b.Run("decode="+name, func(b *testing.B) {
			w := detect.DefaultWalk(224, 0.5)
			before := usage(b, unix.RUSAGE_CHILDREN)
			decoders, err := isolateFlag{on: isolated, patience: time.Minute}.open(&w, nil, nil)
			if err != nil {
				b.Fatal(err)
			}
			open := w.Open
			if open == nil {
				open = openUnisolated
			}
			s, err := open(b.Context(), src, slide.Config{Codecs: codecs()})
			if err != nil {
				b.Fatal(err)
			}
			mpp, _ := s.MPP()
			size := s.Levels()[0].Size
			g := wsi.Lay(size, mpp, wsi.Size{W: 224, H: 224}, 0)
			for i := range g.Cols * g.Rows {
				g.Cells = append(g.Cells, wsi.Cell{Col: i % g.Cols, Row: i / g.Cols})
			}
			begun, n := usage(b, unix.RUSAGE_SELF), 0
			for b.Loop() {
				readAndCompute(b, s, g, how)
				n += g.Len()
			}
			took := usage(b, unix.RUSAGE_SELF) - begun
			if err := s.Close(); err != nil {
				b.Error(err)
			}
			if err := decoders.Close(); err != nil {
				b.Error(err)
			}
			took += usage(b, unix.RUSAGE_CHILDREN) - before
			b.ReportMetric(float64(took.Microseconds())/float64(n), "cpu-µs/patch")
		})
	}
}

func openUnisolated(_ context.Context, src detect.Source, cfg slide.Config) (detect.Slide, error) {
	s, err := slide.Open(src, src.Size, cfg)
	if err != nil {
		return nil, err
	}
	return unisolated{s}, nil
}

type unisolated struct{ *slide.Slide }

func (u unisolated) Patches(ctx context.Context, g *wsi.Grid, cfg patch.Config, out chan<- wsi.Patch) error {
	r, err := patch.NewReader(u.Slide, g, cfg)
	if err != nil {
		return err
	}
	return r.Read(ctx, out)
}

var sink atomic.Int64

// usage is the processor time of this process, or of its children that have ended.
func usage(b *testing.B, who int) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// readAndCompute gives each of two goroutines two patches at a time.
func readAndCompute(b *testing.B, s detect.Slide, g *wsi.Grid, how patch.Config) {
	out := make(chan wsi.Patch, how.Prefetch)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for p := range out {
				sum := 0
				for range 9 { // 0.6 ms
					for _, v := range p.Pix {
						sum += int(v)
					}
				}
				p.Release()
				sink.Add(int64(sum))
			}
		})
	}
	if err := s.Patches(b.Context(), g, how, out); err != nil {
		b.Error(err)
	}
	close(out)
	wg.Wait()
}
