package infer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"bcc/infer"
	"bcc/wsi"
)

func BenchmarkScore(b *testing.B) {
	for _, slides := range []int{1, 4} {
		b.Run(map[int]string{1: "slides=1", 4: "slides=4"}[slides], func(b *testing.B) {
			runners := []infer.Runner{noop{}, noop{}}
			bt, err := infer.New(config(8, 50*time.Millisecond), runners)
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			ended := make(chan error, 1)
			go func() { ended <- bt.Run(ctx) }()
			pix := make([]byte, 3*sidePx*sidePx)
			const each = 20_000
			n := 0
			for b.Loop() {
				var wg sync.WaitGroup
				for range slides {
					out := make([]float32, each)
					patches := make(chan wsi.Patch, 64)
					wg.Go(func() {
						defer close(patches)
						for i := range each {
							patches <- wsi.Patch{Index: i, Pix: pix}
						}
					})
					wg.Go(func() {
						if err := bt.Score(ctx, patches, out); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				n += slides * each
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "patches/s")
			cancel()
			<-ended
		})
	}
}

type noop struct{}

func (noop) Run(context.Context, [][]byte, []float32) error { return nil }
func (noop) Close() error                                   { return nil }
