package bench

import (
	"math"
	"testing"
	"time"
)

func TestItTellsPatchesFromSlides(t *testing.T) {
	t.Parallel()
	// 100 patches a second, and a tenth of a second a slide.
	large := measured{patches: 3000, took: 30*time.Second + 200*time.Millisecond}
	small := measured{patches: 800, took: 8*time.Second + 800*time.Millisecond}
	rate, slideS := split(large, small, 2, 8)
	if math.Abs(rate-100) > 1e-6 || math.Abs(slideS-0.1) > 1e-6 {
		t.Errorf("%v patches/s and %v s a slide, want 100 and 0.1", rate, slideS)
	}
	// Noise made the small ones faster than the large ones: nothing is left for slides.
	small.took = 7 * time.Second
	rate, slideS = split(large, small, 2, 8)
	if want := 3800 / 37.2; math.Abs(rate-want) > 1e-6 || slideS != 0 {
		t.Errorf("%v patches/s and %v s a slide, want %v and 0", rate, slideS, want)
	}
}
