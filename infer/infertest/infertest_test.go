package infertest_test

import (
	"testing"

	"bcc/infer"
	"bcc/infer/infertest"
)

func TestFakeIsARunner(t *testing.T) {
	t.Parallel()
	infertest.Exercise(t, infertest.Spec{
		PatchPx: 5, Batch: 3, Outputs: 2,
		New: func(*testing.T) infer.Runner { return &infertest.Fake{PatchPx: 5, Batch: 3, Outputs: 2} },
		Want: func(pix []byte) []float32 {
			red := infertest.MeanRed(pix)
			return []float32{red, 1 - red}
		},
	})
}
