package infertest

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"bcc/infer"
)

// Spec is an implementation of infer.Runner to be exercised.
type Spec struct {
	PatchPx int
	Batch   int
	Outputs int
	// New returns a runner; Exercise closes it. All of them must give the same bits.
	New func(t *testing.T) infer.Runner
	// Want, when set, returns the right outputs of a patch.
	Want func(pix []byte) []float32
	// Tolerance is the largest difference from Want.
	Tolerance float64
}

// Exercise checks what every Runner promises.
func Exercise(t *testing.T, s Spec) {
	t.Helper()
	t.Run("it scores a patch by its pixels alone", s.alone)
	t.Run("it gives the same bits beside other runners", s.beside)
	t.Run("it ends with its context and works again", s.cancelled)
	t.Run("it refuses what does not fit", s.refuses)
	t.Run("it closes twice and runs no more", s.closes)
}

// alone scores patches one by one, then in every size of batch and in other places.
func (s Spec) alone(t *testing.T) {
	t.Parallel()
	r := s.open(t)
	patches := s.patches(2 * s.Batch)
	want := make([][]float32, len(patches))
	for i, p := range patches {
		want[i] = s.run(t, r, p)
		if s.Want == nil {
			continue
		}
		for k, w := range s.Want(p) {
			if d := math.Abs(float64(want[i][k] - w)); !(d <= s.Tolerance) {
				t.Errorf("patch %d output %d = %v, want %v within %v", i, k, want[i][k], w, s.Tolerance)
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := 1; n <= s.Batch; n++ {
		order := rng.Perm(len(patches))[:n]
		batch := make([][]byte, n)
		for i, k := range order {
			batch[i] = patches[k]
		}
		got := s.run(t, r, batch...)
		for i, k := range order {
			if !sameBits(got[i*s.Outputs:(i+1)*s.Outputs], want[k]) {
				t.Errorf("patch %d as number %d of %d = %v, alone %v", k, i, n, got[i*s.Outputs:(i+1)*s.Outputs], want[k])
			}
		}
	}
}

func (s Spec) beside(t *testing.T) {
	t.Parallel()
	patches := s.patches(s.Batch)
	want := s.run(t, s.open(t), patches...)
	var wg sync.WaitGroup
	for range 3 {
		r := s.open(t)
		wg.Go(func() {
			for range 4 {
				out := make([]float32, len(want))
				if err := r.Run(t.Context(), patches, out); err != nil {
					t.Errorf("run: %v", err)
				} else if !sameBits(out, want) {
					t.Errorf("outputs = %v, alone %v", out, want)
				}
			}
		})
	}
	wg.Wait()
}

func (s Spec) cancelled(t *testing.T) {
	t.Parallel()
	r := s.open(t)
	patches := s.patches(s.Batch)
	want := s.run(t, r, patches...)
	out := make([]float32, len(want))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx, patches, out); !errors.Is(err, context.Canceled) {
		t.Errorf("run under an ended context: error %v, want context canceled", err)
	}
	for range 20 { // a cancel at any moment: before, within, after
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := r.Run(ctx, patches, out); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("run while its context ends: %v", err)
		}
		cancel()
		if err := r.Run(t.Context(), patches, out); err != nil {
			t.Fatalf("run after one that was ended: %v", err)
		}
		if !sameBits(out, want) {
			t.Fatalf("outputs after a run that was ended = %v, want %v", out, want)
		}
	}
}

func (s Spec) refuses(t *testing.T) {
	t.Parallel()
	r := s.open(t)
	good := s.patches(s.Batch + 1)
	for name, c := range map[string]struct {
		patches [][]byte
		outputs int
	}{
		"no patch":        {nil, 0},
		"too many":        {good, len(good) * s.Outputs},
		"a short patch":   {[][]byte{good[0][1:]}, s.Outputs},
		"a long patch":    {[][]byte{append([]byte{0}, good[0]...)}, s.Outputs},
		"an empty patch":  {[][]byte{good[0], nil}, 2 * s.Outputs},
		"a short output":  {good[:1], s.Outputs - 1},
		"a longer output": {good[:1], s.Outputs + 1},
	} {
		if err := r.Run(t.Context(), c.patches, make([]float32, c.outputs)); err == nil {
			t.Errorf("%s is taken without an error", name)
		}
	}
	s.run(t, r, good[0])
}

func (s Spec) closes(t *testing.T) {
	t.Parallel()
	r := s.New(t)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := r.Run(t.Context(), s.patches(1), make([]float32, s.Outputs)); err == nil {
		t.Error("a closed runner runs")
	}
}

func (s Spec) open(t *testing.T) infer.Runner {
	t.Helper()
	r := s.New(t)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func (s Spec) run(t *testing.T, r infer.Runner, patches ...[]byte) []float32 {
	t.Helper()
	out := make([]float32, len(patches)*s.Outputs)
	for i := range out {
		out[i] = float32(math.NaN()) // every value must be written
	}
	if err := r.Run(t.Context(), patches, out); err != nil {
		t.Fatalf("run %d patches: %v", len(patches), err)
	}
	for i, v := range out {
		if v != v {
			t.Fatalf("output %d of %d was not written", i, len(out))
		}
	}
	return out
}

// patches returns n different pictures: noise around a colour, the first black and
// the second white.
func (s Spec) patches(n int) [][]byte { return Patches(n, s.PatchPx) }

// Patches returns n different square pictures, the same ones every time.
func Patches(n, sidePx int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		pix := make([]byte, 3*sidePx*sidePx)
		base, spread := rng.IntN(200), 1+rng.IntN(55)
		for k := range pix {
			switch i {
			case 0:
			case 1:
				pix[k] = 255
			default:
				pix[k] = byte(base + rng.IntN(spread))
			}
		}
		all[i] = pix
	}
	return all
}

func sameBits(a, b []float32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return true
}
