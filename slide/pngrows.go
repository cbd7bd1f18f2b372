package slide

import (
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zlib"

	"bcc/fault"
	"bcc/wsi"
)

// pngRows decodes the common kinds of PNG row by row into RGB, so that a picture
// costs its own pixels and nothing besides. W3C PNG, sections 9 and 10.
type pngRows struct {
	size wsi.Size
	kind byte // colour type
}

// samples returns the bytes of a pixel, 0 for a kind that is not decoded here.
func (d pngRows) samples() int {
	switch d.kind {
	case 0:
		return 1 // gray
	case 2:
		return 3 // RGB
	case 4:
		return 2 // gray and alpha
	case 6:
		return 4 // RGB and alpha
	}
	return 0
}

func (d pngRows) decode(f *input) (*wsi.Image, error) {
	z, err := zlib.NewReader(newBuffered(&pngData{in: f, at: 8}))
	if err != nil {
		return nil, pngError(err)
	}
	samples := d.samples()
	row, above := make([]byte, 1+d.size.W*samples), make([]byte, 1+d.size.W*samples)
	m := wsi.NewImage(d.size.W, d.size.H)
	for y := range d.size.H {
		if n, err := io.ReadFull(z, row); err != nil {
			return nil, wrap(short(n, len(row), err), "decode png: row %d", y)
		}
		if err := unfilter(row[0], row[1:], above[1:], samples); err != nil {
			return nil, wrap(err, "decode png: row %d", y)
		}
		pngToRGB(m.Row(y), row[1:], samples)
		row, above = above, row
	}
	return m, nil
}

// unfilter undoes the filter of a row.
func unfilter(filter byte, row, above []byte, step int) error {
	switch filter {
	case 0:
	case 1:
		for i := step; i < len(row); i++ {
			row[i] += row[i-step]
		}
	case 2:
		for i, v := range above {
			row[i] += v
		}
	case 3:
		for i := range row {
			left := 0
			if i >= step {
				left = int(row[i-step])
			}
			row[i] += byte((left + int(above[i])) / 2)
		}
	case 4:
		for i := range row {
			left, corner := 0, 0
			if i >= step {
				left, corner = int(row[i-step]), int(above[i-step])
			}
			row[i] += paeth(left, int(above[i]), corner)
		}
	default:
		return fault.New(fault.Corrupt, "filter %d", filter)
	}
	return nil
}

func paeth(left, up, corner int) byte {
	abs := func(v int) int { return max(v, -v) }
	p := left + up - corner
	l, u, c := abs(p-left), abs(p-up), abs(p-corner)
	switch {
	case l <= u && l <= c:
		return byte(left)
	case u <= c:
		return byte(up)
	}
	return byte(corner)
}

// pngToRGB converts a row. What is transparent turns white.
func pngToRGB(dst, row []byte, samples int) {
	over := func(v, alpha byte) byte { return byte((int(v)*int(alpha) + 255*(255-int(alpha)) + 127) / 255) }
	switch samples {
	case 3:
		copy(dst, row)
	case 1:
		for x, v := range row {
			dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
		}
	case 2:
		for x := range len(row) / 2 {
			v := over(row[2*x], row[2*x+1])
			dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
		}
	case 4:
		for x := range len(row) / 4 {
			p := row[4*x : 4*x+4]
			dst[3*x], dst[3*x+1], dst[3*x+2] = over(p[0], p[3]), over(p[1], p[3]), over(p[2], p[3])
		}
	}
}

// pngData reads the bytes of all IDAT chunks in a row.
type pngData struct {
	in   *input
	at   int64 // of the next byte
	left int64 // of the chunk, its checksum not counted
	any  bool  // a chunk of data has been met
}

func (d *pngData) Read(b []byte) (int, error) {
	for d.left == 0 {
		if d.any {
			d.at += 4 // checksum
		}
		var head [8]byte
		if n, err := d.in.r.ReadAt(head[:], d.at); n < len(head) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		d.at += 8
		switch kind := string(head[4:]); {
		case kind == "IDAT":
			d.left, d.any = length, true
		case kind == "IEND" || d.any:
			return 0, io.EOF
		default:
			d.at += length + 4
		}
	}
	n, err := d.in.r.ReadAt(b[:min(int64(len(b)), d.left)], d.at)
	d.at += int64(n)
	d.left -= int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}
