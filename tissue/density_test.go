package tissue_test

import (
	"math"
	"testing"

	"bcc/tissue"
	"bcc/wsi"
)

func TestTheStainIsTheDensityOfWhatIsCovered(t *testing.T) {
	t.Parallel()
	o := &wsi.Overview{Image: wsi.NewImage(4, 1)}
	copy(o.Pix, []byte{255, 255, 255, 51, 102, 255, 204, 102, 255, 0, 0, 0})
	m := &wsi.Mask{Size: o.Size, Bits: []byte{0, 1, 1, 0}}
	d, ok := tissue.Stain(o, m)
	want := tissue.Density{(math.Log10(5) + math.Log10(1.25)) / 2, math.Log10(2.5), 0}
	for c := range 3 {
		if !ok || math.Abs(d[c]-want[c]) > 1e-12 {
			t.Fatalf("%v, want %v", d, want)
		}
	}
	black := &wsi.Mask{Size: o.Size, Bits: []byte{0, 0, 0, 1}}
	if d, ok := tissue.Stain(o, black); !ok || math.IsInf(d[0], 0) || d[0] < 2.5 {
		t.Errorf("black is %v", d)
	}
	for _, bad := range []*wsi.Mask{nil, {Size: o.Size, Bits: make([]byte, 4)}, {Size: wsi.Size{W: 2, H: 2}, Bits: make([]byte, 4)}, {Size: o.Size}} {
		if d, ok := tissue.Stain(o, bad); ok {
			t.Errorf("a mask of nothing has the stain %v", d)
		}
	}
}
