package wsi

// Image is a picture in memory: RGB, 3 bytes a pixel, rows without padding.
type Image struct {
	Size
	Pix []byte // len 3*W*H
}

// NewImage returns a black image.
func NewImage(w, h int) *Image {
	return &Image{Size{w, h}, make([]byte, 3*w*h)}
}

// Row returns the bytes of row y.
func (m *Image) Row(y int) []byte { return m.Pix[3*m.W*y : 3*m.W*(y+1)] }

// At returns the colour at (x, y).
func (m *Image) At(x, y int) (r, g, b byte) {
	i := 3 * (m.W*y + x)
	return m.Pix[i], m.Pix[i+1], m.Pix[i+2]
}

// Fill sets every byte to v (255 is white).
func (m *Image) Fill(v byte) {
	for i := range m.Pix {
		m.Pix[i] = v
	}
}

// Overview is a small picture of a whole slide.
type Overview struct {
	*Image
	ScaleX float64 // level-0 pixels per overview pixel, across
	ScaleY float64 // the same, down
}

// Mask says which parts of a slide are tissue.
type Mask struct {
	Size           // in mask pixels
	ScaleX float64 // level-0 pixels per mask pixel, across
	ScaleY float64 // the same, down
	Bits   []byte  // W*H values, 1 inside, 0 outside
}

// Count returns the number of mask pixels inside.
func (m *Mask) Count() int {
	n := 0
	for _, b := range m.Bits {
		n += int(b)
	}
	return n
}
