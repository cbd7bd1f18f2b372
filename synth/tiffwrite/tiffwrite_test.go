package tiffwrite_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/tiff"
	"golang.org/x/image/tiff/lzw"

	"bcc/fault"
	"bcc/synth/tiffwrite"
	"bcc/wsi"
)

// memory is a file in memory that pretends to hold what lies below from.
type memory struct {
	b    []byte
	from int64
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	off -= m.from
	if off < 0 {
		return len(p), nil
	}
	if n := int(off) + len(p); n > len(m.b) {
		m.b = append(m.b, make([]byte, n-len(m.b))...)
	}
	return copy(m.b[off:], p), nil
}

func TestItsLZWIsReadByAnotherDecoder(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 253, 254, 255, 256, 257, 509, 3836, 3837, 3838, 3839, 3840, 5000, 100_000} {
		for _, colours := range []int{1, 3, 256} { // from all alike to noise
			src := make([]byte, n)
			for i := range src {
				src[i] = byte(r.IntN(colours))
			}
			got, err := io.ReadAll(lzw.NewReader(bytes.NewReader(tiffwrite.EncodeLZW(nil, src)), lzw.MSB, 8))
			if err != nil || !bytes.Equal(got, src) {
				t.Errorf("%d bytes of %d colours come back as %d: %v", n, colours, len(got), err)
			}
		}
	}
}

func TestItsFilesAreReadByAnotherDecoder(t *testing.T) {
	t.Parallel()
	for _, bigEndian := range []bool{false, true} {
		var m memory
		f := tiffwrite.New(&m, tiffwrite.Options{BigEndian: bigEndian})
		p := f.Page(tiffwrite.Header{Size: wsi.Size{W: 5, H: 3}, StripRows: 2, Samples: 3,
			Compression: tiffwrite.None, Photometric: tiffwrite.RGB, MPP: wsi.MPP{X: 0.5, Y: 0.5}, Description: "odd"})
		pix := make([]byte, 45)
		for i := range pix {
			pix[i] = byte(i * 5)
		}
		for _, strip := range [][]byte{pix[:30], pix[30:]} {
			if err := p.Append(strip); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Append(pix); err == nil {
			t.Error("it takes a third strip of two")
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		img, err := tiff.Decode(bytes.NewReader(m.b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 15 {
			r, g, b, _ := img.At(i%5, i/5).RGBA()
			if got := [3]byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)}; got != [3]byte(pix[3*i:]) {
				t.Errorf("big endian %v: pixel %d is %v", bigEndian, i, got)
			}
		}
	}
}

func TestItRefusesAPageThatIsNotWhole(t *testing.T) {
	t.Parallel()
	var m memory
	f := tiffwrite.New(&m, tiffwrite.Options{})
	if f.Close() == nil {
		t.Error("a file without pages closes")
	}
	f.Page(tiffwrite.Header{Size: wsi.Size{W: 5, H: 3}, StripRows: 3, Samples: 1, Compression: 1, Photometric: 1})
	if f.Close() == nil {
		t.Error("a page without its strip closes")
	}
	if len(m.b) != 0 {
		t.Error("it wrote a header all the same")
	}
}

func TestItRefusesAClassicFileBeyond4GiB(t *testing.T) {
	t.Parallel()
	m := &memory{from: 1 << 40} // keeps nothing
	f := tiffwrite.New(m, tiffwrite.Options{})
	p := f.Page(tiffwrite.Header{Size: wsi.Size{W: 1, H: 70}, StripRows: 1, Samples: 1, Compression: 1, Photometric: 1})
	block := make([]byte, 64<<20)
	var err error
	for range 70 {
		if err = p.Append(block); err != nil {
			break
		}
	}
	if fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
		t.Errorf("error %v, want an invalid one with a hint", err)
	}
	if f.Size() > 1<<32 {
		t.Errorf("it wrote %d bytes", f.Size())
	}
}
