package tissue

import (
	"math"

	"bcc/fault"
	"bcc/wsi"
)

// Find returns the tissue on an overview, as a mask of the same size and scale.
// mpp is the scale of level 0. A slide without tissue gives an empty mask and no
// error; so does a picture without colour, for H&E is colour.
//
// About 8 µm per overview pixel is the right size: coarser loses thin biopsies,
// finer costs time and sees single nuclei.
func Find(ov *wsi.Overview, mpp wsi.MPP, cfg Config) (*wsi.Mask, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	switch {
	case ov == nil || ov.Image == nil || ov.W < 1 || ov.H < 1 || len(ov.Pix) != 3*ov.W*ov.H:
		return nil, fault.New(fault.Invalid, "find tissue: no overview, or not as large as it says")
	case !(ov.ScaleX > 0 && ov.ScaleY > 0) || math.IsInf(ov.ScaleX+ov.ScaleY, 0):
		return nil, fault.New(fault.Invalid, "find tissue: overview scale %v × %v", ov.ScaleX, ov.ScaleY)
	case !mpp.Valid():
		return nil, fault.New(fault.Invalid, "find tissue: slide scale %v × %v µm/px", mpp.X, mpp.Y)
	}
	um := wsi.MPP{X: mpp.X * ov.ScaleX, Y: mpp.Y * ov.ScaleY} // of an overview pixel
	m := &wsi.Mask{Size: ov.Size, ScaleX: ov.ScaleX, ScaleY: ov.ScaleY, Bits: make([]byte, ov.W*ov.H)}
	other := make([]byte, len(m.Bits))

	stained(other, ov.Pix, cfg)
	// The median of the saturation lies above the threshold exactly where most
	// pixels of the window do, so the median filter is a vote.
	rx, ry := pixels(cfg.SmoothUM/um.X/2-0.5, m.W), pixels(cfg.SmoothUM/um.Y/2-0.5, m.H)
	box(m.Bits, other, m.Size, rx, ry, majority)
	rx, ry = pixels(cfg.CloseUM/um.X, m.W), pixels(cfg.CloseUM/um.Y, m.H)
	box(other, m.Bits, m.Size, rx, ry, dilate)
	box(m.Bits, other, m.Size, rx, ry, erode)
	fillHoles(m, cfg.MaxHoleUM2/(um.X*um.Y))
	dropSmall(m, cfg.MinAreaUM2/(um.X*um.Y))
	return m, nil
}

// pixels rounds a window's radius, which is 0 to most.
func pixels(radius float64, most int) int {
	return int(min(max(math.Round(radius), 0), float64(most)))
}

// fillHoles fills what tissue surrounds, up to most pixels. What touches the
// edge of the picture is no hole.
func fillHoles(m *wsi.Mask, most float64) {
	for _, p := range wsi.Pieces(m.Bits, m.Size, 0, false) {
		b := p.Bounds
		if b.X == 0 || b.Y == 0 || b.X+b.W == m.W || b.Y+b.H == m.H || float64(p.Pixels) > most {
			continue
		}
		paint(m, p, 1)
	}
}

// dropSmall removes objects of fewer than least pixels.
func dropSmall(m *wsi.Mask, least float64) {
	for _, p := range wsi.Pieces(m.Bits, m.Size, 1, true) {
		if float64(p.Pixels) < least {
			paint(m, p, 0)
		}
	}
}

func paint(m *wsi.Mask, p wsi.Piece, v byte) {
	for _, r := range p.Runs {
		line := m.Bits[int(r.Y)*m.W+int(r.X0) : int(r.Y)*m.W+int(r.X1)]
		for i := range line {
			line[i] = v
		}
	}
}
