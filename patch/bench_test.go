//go:build unix

package patch_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"bcc/patch"
	"bcc/wsi"
)

// BenchmarkRead reads patches from memory: what remains is the reader's own time.
func BenchmarkRead(b *testing.B) {
	level0 := wsi.Size{W: 3600, H: 3600}
	src := coded(level0, 1)
	for _, c := range []struct {
		name string
		mpp  float64
	}{{"copy", 0.5}, {"212to224", 0.5283}} {
		b.Run(fmt.Sprintf("scale=%s", c.name), func(b *testing.B) {
			cfg := patch.DefaultConfig(224, 0.5)
			cfg.Resample = func(dst, src []byte, _, _ int, _, _ wsi.Taps) { copy(dst, src) } // its own benchmark is native/pixel's
			g, err := patch.Plan(level0, square(c.mpp), full(level0, 16), cfg)
			if err != nil {
				b.Fatal(err)
			}
			r, err := patch.NewReader(src, g, cfg)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			before := cpuTime()
			for b.Loop() {
				out := make(chan wsi.Patch, cfg.Prefetch)
				go func() {
					defer close(out)
					if err := r.Read(context.Background(), out); err != nil {
						b.Error(err)
					}
				}()
				for p := range out {
					p.Release()
					n++
				}
			}
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(n), "cpu-ns/patch")
		})
	}
}

// cpuTime is what the process has used: on a busy machine the clock says little.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
