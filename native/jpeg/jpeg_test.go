package jpeg_test

import (
	"bytes"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"testing"

	"bcc/fault"
	"bcc/native/jpeg"
)

// picture is a smooth picture with an edge, so that chroma and rows both matter.
func picture(w, h int) []byte {
	pix := make([]byte, 3*w*h)
	for y := range h {
		for x := range w {
			p := pix[3*(y*w+x):]
			p[0], p[1], p[2] = byte(x*255/w), byte(y*255/h), 40
			if x > w/2 {
				p[2] = 200
			}
		}
	}
	return pix
}

func encoder(t testing.TB, quality int, sub string) *jpeg.Encoder {
	t.Helper()
	e, err := jpeg.NewEncoder(quality, sub)
	if fault.Of(err) == fault.Unavailable {
		t.Skip("libjpeg-turbo is not in this build (no cgo)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func decoder(t testing.TB) *jpeg.Decoder {
	t.Helper()
	d, err := jpeg.NewDecoder()
	if fault.Of(err) == fault.Unavailable {
		t.Skip("libjpeg-turbo is not in this build (no cgo)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// meanError is the mean absolute difference of two pictures.
func meanError(a, b []byte) float64 {
	sum := 0
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return float64(sum) / float64(len(a))
}

func TestItReadsWhatItWrites(t *testing.T) {
	t.Parallel()
	const w, h = 70, 50
	pix := picture(w, h)
	d := decoder(t)
	for _, sub := range []string{"444", "420"} {
		for _, asRGB := range []bool{false, true} {
			e := encoder(t, 92, sub)
			whole, err := e.Encode([]byte("kept"), pix, w, h, asRGB)
			if err != nil || string(whole[:4]) != "kept" {
				t.Fatalf("%s rgb=%v: encode: %v", sub, asRGB, err)
			}
			short, err := e.EncodeAbbreviated(nil, pix, w, h, asRGB)
			if err != nil || len(short) >= len(whole)-4 {
				t.Fatalf("%s rgb=%v: abbreviated %d of %d bytes: %v", sub, asRGB, len(short), len(whole)-4, err)
			}
			a, b := make([]byte, 3*w*h), make([]byte, 3*w*h)
			if err := d.Decode(a, w, h, whole[4:], nil, asRGB, 0); err != nil {
				t.Fatal(err)
			}
			if err := d.Decode(b, w, h, short, e.Tables(), asRGB, 0); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a, b) {
				t.Errorf("%s rgb=%v: the abbreviated stream holds other pixels", sub, asRGB)
			}
			// 4:2:0 smears the one coloured edge; the rest is quantisation.
			if got := meanError(a, pix); got > 4 {
				t.Errorf("%s rgb=%v: mean error %.2f", sub, asRGB, got)
			}
		}
	}
}

func TestItForcesRGBWhereTheStreamDoesNotSay(t *testing.T) {
	t.Parallel()
	e, d := encoder(t, 95, "444"), decoder(t)
	pix := bytes.Repeat([]byte{200, 30, 90}, 16*16)
	src, err := e.Encode(nil, pix, 16, 16, true)
	if err != nil {
		t.Fatal(err)
	}
	// As Aperio: component numbers 0, 1, 2, which libjpeg would take for YCbCr.
	for _, ids := range []string{"\x52\x11", "\x47\x11", "\x42\x11"} {
		if !bytes.Contains(src, []byte(ids)) {
			t.Fatalf("stream without component %q", ids)
		}
	}
	for i, id := range []byte{'R', 'G', 'B'} {
		src = bytes.ReplaceAll(src, []byte{id, 0x11, 0}, []byte{byte(i), 0x11, 0}) // frame
		src = bytes.ReplaceAll(src, []byte{id, 0}, []byte{byte(i), 0})             // scan
	}
	got, other := make([]byte, len(pix)), make([]byte, len(pix))
	if err := d.Decode(got, 16, 16, src, nil, true, 0); err != nil {
		t.Fatal(err)
	}
	if e := meanError(got, pix); e > 2 {
		t.Errorf("forced: mean error %.1f", e)
	}
	if err := d.Decode(other, 16, 16, src, nil, false, 0); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, other) {
		t.Error("forcing the colour space changes nothing")
	}
}

func TestItForgetsTablesThatATileBroughtAlong(t *testing.T) {
	t.Parallel()
	const w, h = 32, 32
	pix := picture(w, h)
	fine, coarse, d := encoder(t, 95, "444"), encoder(t, 10, "444"), decoder(t)
	short, _ := fine.EncodeAbbreviated(nil, pix, w, h, false)
	whole, _ := coarse.Encode(nil, pix, w, h, false)
	first, again, buf := make([]byte, len(pix)), make([]byte, len(pix)), make([]byte, len(pix))
	for i, c := range []struct{ dst, src, tables []byte }{
		{first, short, fine.Tables()}, {buf, whole, fine.Tables()}, {again, short, fine.Tables()},
	} {
		if err := d.Decode(c.dst, w, h, c.src, c.tables, false, 0); err != nil {
			t.Fatalf("stream %d: %v", i, err)
		}
	}
	if !bytes.Equal(first, again) {
		t.Error("the tables of one tile changed the pixels of the next")
	}
	if err := d.Decode(buf, w, h, short, nil, false, 0); err == nil && bytes.Equal(buf, first) {
		t.Error("a stream without tables was read with those of another directory")
	}
}

func TestItHalves(t *testing.T) {
	t.Parallel()
	const w, h = 71, 64
	src, err := encoder(t, 95, "444").Encode(nil, bytes.Repeat([]byte{10, 120, 220}, w*h), w, h, false)
	if err != nil {
		t.Fatal(err)
	}
	d := decoder(t)
	for reduce, size := range [][2]int{{71, 64}, {36, 32}, {18, 16}, {9, 8}} {
		got := make([]byte, 3*size[0]*size[1])
		if err := d.Decode(got, size[0], size[1], src, nil, false, reduce); err != nil {
			t.Fatalf("reduce %d: %v", reduce, err)
		}
		if e := meanError(got, bytes.Repeat([]byte{10, 120, 220}, len(got)/3)); e > 2 {
			t.Errorf("reduce %d: mean error %.1f", reduce, e)
		}
	}
}

func TestItAgreesWithAnotherDecoder(t *testing.T) {
	t.Parallel()
	const w, h = 64, 48
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	pix := picture(w, h)
	for i := range w * h {
		m.Set(i%w, i/w, color.RGBA{pix[3*i], pix[3*i+1], pix[3*i+2], 255})
	}
	var buf bytes.Buffer
	if err := stdjpeg.Encode(&buf, m, &stdjpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3*w*h)
	if err := decoder(t).Decode(got, w, h, buf.Bytes(), nil, false, 0); err != nil {
		t.Fatal(err)
	}
	if e := meanError(got, pix); e > 4 { // 4:2:0 smears the one coloured edge
		t.Errorf("mean error %.2f", e)
	}
}

func TestItRefusesBadStreams(t *testing.T) {
	t.Parallel()
	const w, h = 64, 64
	e, d := encoder(t, 90, "420"), decoder(t)
	src, err := e.Encode(nil, picture(w, h), w, h, false)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 3*w*h)
	for name, bad := range map[string][]byte{
		"empty": nil, "no image": {0xff, 0xd8, 0xff, 0xd9}, "noise": bytes.Repeat([]byte{0x5a}, 100),
		"half": src[:len(src)/2], "tables only": e.Tables(),
	} {
		if err := d.Decode(dst, w, h, bad, nil, false, 0); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v, want corrupt", name, err)
		}
	}
	if err := d.Decode(dst, 60, 64, src, nil, false, 0); fault.Of(err) != fault.Corrupt {
		t.Errorf("another width: %v, want corrupt", err)
	}
	if err := d.Decode(dst[:10], w, h, src, nil, false, 0); fault.Of(err) != fault.Invalid {
		t.Errorf("small buffer: %v, want invalid", err)
	}
	if err := d.Decode(dst, w, h, src, src, false, 0); fault.Of(err) != fault.Corrupt {
		t.Errorf("tables that hold an image: %v, want corrupt", err)
	}
	if err := d.Decode(dst, w, h, src, nil, false, 0); err != nil {
		t.Errorf("after all that a good stream fails: %v", err)
	}
	d.Close()
	if err := d.Decode(dst, w, h, src, nil, false, 0); fault.Of(err) != fault.Invalid {
		t.Errorf("closed: %v, want invalid", err)
	}
}

func TestItRefusesStreamsCutAnywhere(t *testing.T) {
	t.Parallel()
	const w, h = 64, 64
	src, err := encoder(t, 90, "420").Encode(nil, picture(w, h), w, h, false)
	if err != nil {
		t.Fatal(err)
	}
	d, dst := decoder(t), make([]byte, 3*w*h)
	for n := range len(src) - 8 { // the end marker and padding alone may go
		if err := d.Decode(dst, w, h, src[:n], nil, false, 0); fault.Of(err) != fault.Corrupt {
			t.Fatalf("cut to %d of %d bytes: %v, want corrupt", n, len(src), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	e := encoder(f, 50, "420")
	pix := picture(16, 16)
	whole, _ := e.Encode(nil, pix, 16, 16, false)
	short, _ := e.EncodeAbbreviated(nil, pix, 16, 16, true)
	f.Add(whole, []byte(nil), false, 0)
	f.Add(short, e.Tables(), true, 1)
	d := decoder(f)
	f.Fuzz(func(t *testing.T, src, tables []byte, rgb bool, reduce int) {
		dst := make([]byte, 3*16*16)
		side := 16
		if reduce > 0 && reduce <= 3 {
			side >>= reduce
		}
		if err := d.Decode(dst, side, side, src, tables, rgb, reduce); err != nil && fault.Of(err) == fault.Internal {
			t.Errorf("an error without a kind: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	const side = 512
	e, d := encoder(b, 75, "420"), decoder(b)
	src, err := e.EncodeAbbreviated(nil, picture(side, side), side, side, false)
	if err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, 3*side*side)
	b.SetBytes(side * side)
	for b.Loop() {
		if err := d.Decode(dst, side, side, src, e.Tables(), false, 0); err != nil {
			b.Fatal(err)
		}
	}
}
