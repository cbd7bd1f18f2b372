package report

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"sync"

	"bcc/aggregate"
	"bcc/wsi"
)

// Pictures are small on purpose: they show where to look, and a viewer shows
// what is there. More pixels cost more time than the rest of the report.
const (
	maxPictureSide = 2000
	maxPictureArea = 1_000_000
	jpegQuality    = 80
)

// shrink returns the overview at the size of the report's pictures. Every pixel
// is the mean of the whole pixels that fall into it.
func shrink(ov *wsi.Overview) *wsi.Overview {
	w, h := float64(ov.W), float64(ov.H)
	f := min(1, maxPictureSide/max(w, h), math.Sqrt(maxPictureArea/(w*h)))
	if f == 1 {
		return ov
	}
	out := wsi.NewImage(max(int(w*f), 1), max(int(h*f), 1))
	from, to := spans(ov.W, out.W), spans(ov.H, out.H)
	column := make([]uint32, 3*ov.W) // sums down the rows of one output row
	for y := range out.H {
		clear(column)
		for sy := to[y][0]; sy < to[y][1]; sy++ {
			row := ov.Row(sy)
			sums := column[:len(row)]
			for i, v := range row {
				sums[i] += uint32(v)
			}
		}
		row := out.Row(y)
		for _, s := range from {
			var r, g, b uint32
			for c := column[3*s[0] : 3*s[1]]; len(c) >= 3; c = c[3:] {
				r, g, b = r+c[0], g+c[1], b+c[2]
			}
			n := uint32((s[1] - s[0]) * (to[y][1] - to[y][0]))
			row[0], row[1], row[2] = byte((r+n/2)/n), byte((g+n/2)/n), byte((b+n/2)/n)
			row = row[3:]
		}
	}
	return &wsi.Overview{
		Image:  out,
		ScaleX: ov.ScaleX * w / float64(out.W),
		ScaleY: ov.ScaleY * h / float64(out.H),
	}
}

// enlarge repeats the pixels of an overview that is narrower than the legend, a
// whole number of times, so that heatmap.png shows more than stamps of small slides.
func enlarge(ov *wsi.Overview) *wsi.Overview {
	k := min((minLegendWidth+ov.W-1)/ov.W, 2*minLegendWidth/max(ov.W, ov.H))
	if k <= 1 {
		return ov
	}
	out := wsi.NewImage(k*ov.W, k*ov.H)
	for y := range out.H {
		src, dst := ov.Row(y/k), out.Row(y)
		for x := range out.W {
			copy(dst[3*x:3*x+3], src[3*(x/k):])
		}
	}
	return &wsi.Overview{Image: out, ScaleX: ov.ScaleX / float64(k), ScaleY: ov.ScaleY / float64(k)}
}

// spans returns, for each of out pixels, the range of the in pixels it stands
// for; out is at most in.
func spans(in, out int) [][2]int {
	s := make([][2]int, out)
	for i := range s {
		a := i * in / out
		s[i] = [2]int{a, (i + 1) * in / out}
	}
	return s
}

// cells returns, for each of n picture pixels along an axis, the cell it lies in:
// -1 outside. scale is level-0 pixels a picture pixel, off and size those of the
// first cell.
func cells(n int, scale float64, off, size, count int) []int {
	at := make([]int, n)
	for i := range at {
		c := int(math.Floor((float64(i)+0.5)*scale - float64(off)))
		if at[i] = -1; c >= 0 && c/size < count {
			at[i] = c / size
		}
	}
	return at
}

// opacity of the heat map over the overview: low probabilities let the tissue
// through.
func opacity(p float64) float64 { return 0.15 + 0.65*p }

// encodeJPEG returns the picture as JPEG. Alpha is not used, so that the encoder's
// fast path for RGBA does the work.
func encodeJPEG(m *wsi.Image) ([]byte, error) {
	rgba := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	for i, j := 0, 0; i < len(m.Pix); i, j = i+3, j+4 {
		d, s := rgba.Pix[j:j+4:j+4], m.Pix[i:i+3:i+3]
		d[0], d[1], d[2], d[3] = s[0], s[1], s[2], 255
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, rgba, &jpeg.Options{Quality: jpegQuality})
	return b.Bytes(), err
}

// encodePNG writes m with settings that never change; without a time stamp.
func encodePNG(w io.Writer, m image.Image) error {
	e := png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &pngBuffers}
	return e.Encode(w, m)
}

var pngBuffers pngPool

// pngPool keeps the encoder's buffers from one slide to the next.
type pngPool struct{ sync.Pool }

func (p *pngPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *pngPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }

// layer returns the heat map as a picture of one pixel a cell, transparent where
// nothing was planned, to be laid over the overview; nil without cells.
func layer(h *aggregate.Heatmap) ([]byte, error) {
	if h.Cols == 0 {
		return nil, nil
	}
	const levels = 100
	pal := color.Palette{color.NRGBA{}}
	for i := range levels + 1 {
		pal = append(pal, HeatColour(float64(i)/levels))
	}
	m := image.NewPaletted(image.Rect(0, 0, h.Cols, h.Rows), pal)
	for i, v := range h.Vote {
		if v == v {
			m.Pix[i] = 1 + uint8(math.Round(float64(v)*levels))
		}
	}
	var b bytes.Buffer
	err := encodePNG(&b, m)
	return b.Bytes(), err
}
