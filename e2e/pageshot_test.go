//go:build e2e

package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"sort"
)

// shot keeps the window as docs/img/NAME.png where BCC_SHOTS names that folder: make page-shots.
func (b *browser) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("BCC_SHOTS")
	if dir == "" {
		return
	}
	var out bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestCompression}
	if err := e.Encode(&out, fewColours(b.picture())); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), out.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%s.png: %d kB", name, out.Len()/1000)
}

// fewColours returns the picture with at most 256 colours, by median cut (Heckbert
// 1982), a third of the bytes.
func fewColours(m image.Image) *image.Paletted {
	type bucket struct {
		c [3]int // of 5 bits
		n int
	}
	at := func(x, y int) [3]int {
		r, g, b, _ := m.At(x, y).RGBA()
		return [3]int{int(r >> 11), int(g >> 11), int(b >> 11)}
	}
	counts := map[[3]int]int{}
	full := map[[3]int][3]int{} // sums of what fell into a bucket, so that flat grounds keep their colour
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			k := at(x, y)
			r, g, b, _ := m.At(x, y).RGBA()
			s := full[k]
			full[k] = [3]int{s[0] + int(r>>8), s[1] + int(g>>8), s[2] + int(b>>8)}
			counts[k]++
		}
	}
	var all []bucket
	for c, n := range counts {
		all = append(all, bucket{c, n})
	}
	sort.Slice(all, func(i, j int) bool { return slices.Compare(all[i].c[:], all[j].c[:]) < 0 })
	boxes := [][]bucket{all}
	spread := func(box []bucket) (axis, width int) {
		for a := range 3 {
			lo, hi := 31, 0
			for _, b := range box {
				lo, hi = min(lo, b.c[a]), max(hi, b.c[a])
			}
			if hi-lo > width {
				axis, width = a, hi-lo
			}
		}
		return axis, width
	}
	for len(boxes) < 256 {
		widest, axis, most := -1, 0, 0
		for i, box := range boxes {
			n := 0
			for _, b := range box {
				n += b.n
			}
			if a, w := spread(box); len(box) > 1 && w*w*w*min(n, 4000) > most {
				widest, axis, most = i, a, w*w*w*min(n, 4000)
			}
		}
		if widest < 0 {
			break
		}
		box := boxes[widest]
		sort.SliceStable(box, func(i, j int) bool { return box[i].c[axis] < box[j].c[axis] })
		half, seen := 0, 0
		for _, b := range box {
			half += b.n
		}
		cut := 1
		for i, b := range box[:len(box)-1] {
			if seen += b.n; seen >= half/2 {
				cut = i + 1
				break
			}
			cut = i + 1
		}
		boxes = append(boxes, box[cut:])
		boxes[widest] = box[:cut]
	}
	var palette color.Palette
	index := map[[3]int]uint8{}
	for i, box := range boxes {
		var s [3]int
		n := 0
		for _, b := range box {
			f := full[b.c]
			s[0], s[1], s[2], n = s[0]+f[0], s[1]+f[1], s[2]+f[2], n+b.n
			index[b.c] = uint8(i)
		}
		palette = append(palette, color.RGBA{uint8(s[0] / n), uint8(s[1] / n), uint8(s[2] / n), 255})
	}
	out := image.NewPaletted(m.Bounds(), palette)
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			out.SetColorIndex(x, y, index[at(x, y)])
		}
	}
	return out
}
