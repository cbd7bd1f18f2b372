package tissue

import (
	"bcc/fault"
	"bcc/wsi"
)

// Find returns the tissue on an overview, as a mask of the same size and scale.
// mpp is the scale of level 0. A slide without tissue gives an empty mask and no
// error; so does a picture without colour, for H&E is colour.
func Find(ov *wsi.Overview, mpp wsi.MPP, cfg Config) (*wsi.Mask, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	switch {
	case ov == nil || ov.Image == nil || ov.W < 1 || ov.H < 1 || len(ov.Pix) != 3*ov.W*ov.H:
		return nil, fault.New(fault.Invalid, "find tissue: no overview, or not as large as it says")
	case !(ov.ScaleX > 0 && ov.ScaleY > 0):
		return nil, fault.New(fault.Invalid, "find tissue: overview scale %v × %v", ov.ScaleX, ov.ScaleY)
	case !mpp.Valid():
		return nil, fault.New(fault.Invalid, "find tissue: slide scale %v × %v µm/px", mpp.X, mpp.Y)
	}
	m := &wsi.Mask{Size: ov.Size, ScaleX: ov.ScaleX, ScaleY: ov.ScaleY, Bits: make([]byte, ov.W*ov.H)}
	stained(m.Bits, ov.Pix, cfg)
	return m, nil
}
