package patch_test

import (
	"bytes"
	"testing"

	"golang.org/x/sync/errgroup"

	"bcc/fault"
	"bcc/patch"
	"bcc/wsi"
)

func TestItReadsOnePatchAsItReadsAll(t *testing.T) {
	t.Parallel()
	level0 := wsi.Size{W: 500, H: 300}
	for _, mpp := range []float64{0.5, 0.55, 1.3} {
		src, cfg := coded(level0, 1, 2), config(32, mpp, 0.5)
		g := plan(t, level0, square(0.5), full(level0, 16), cfg)
		want := readAll(t, src, g, cfg)
		r, err := patch.NewReader(src, g, cfg)
		if err != nil {
			t.Fatal(err)
		}
		var eg errgroup.Group
		for i := range want {
			eg.Go(func() error {
				got, at := make([]byte, len(want[i])), g.Rect(i)
				err := r.ReadAt(t.Context(), at.X, at.Y, got)
				if !bytes.Equal(got, want[i]) {
					t.Errorf("model at %v µm/px: patch %v differs", mpp, at)
				}
				return err
			})
		}
		if err := eg.Wait(); err != nil {
			t.Fatal(err)
		}
		if err := r.ReadAt(t.Context(), -7, 295, make([]byte, 5)); fault.Of(err) != fault.Invalid {
			t.Errorf("5 bytes for a patch: %v", err)
		}
	}
}
