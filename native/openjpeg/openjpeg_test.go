package openjpeg_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"bcc/fault"
	"bcc/native/openjpeg"
)

// The files of testdata hold the picture below, written by opj_compress 2.5:
// rgb.j2k lossless, rgb.jp2 in boxes at 8:1, gray.j2k lossless, y*.j2k as luma and
// chroma in the subsampling of their name, lossless and without a transform.
const w, h = 64, 48

func picture() []byte {
	pix := make([]byte, 3*w*h)
	for i := range w * h {
		x, y := i%w, i/w
		pix[3*i], pix[3*i+1], pix[3*i+2] = byte(x*255/w), byte(y*255/h), 60
		if x >= w/2 {
			pix[3*i+2] = 200
		}
	}
	return pix
}

func grayPicture() []byte {
	pix := make([]byte, 3*w*h)
	for i := range w * h {
		v := byte(i%w*3 + i/w*2)
		pix[3*i], pix[3*i+1], pix[3*i+2] = v, v, v
	}
	return pix
}

func decoder(t testing.TB) *openjpeg.Decoder {
	t.Helper()
	d, err := openjpeg.NewDecoder()
	if fault.Of(err) == fault.Unavailable {
		t.Skip("OpenJPEG is not in this build (no cgo)")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func load(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func difference(a, b []byte) (mean float64, worst int) {
	sum := 0
	for i := range a {
		d := max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
		sum += d
		worst = max(worst, d)
	}
	return float64(sum) / float64(len(a)), worst
}

func TestItReadsColoursAndGray(t *testing.T) {
	t.Parallel()
	d := decoder(t)
	for name, c := range map[string]struct {
		ycc   bool
		want  []byte
		mean  float64 // allowed
		worst int
	}{
		"rgb.j2k":  {false, picture(), 0, 0},
		"rgb.jp2":  {false, picture(), 2, 60},
		"gray.j2k": {false, grayPicture(), 0, 0},
		"y444.j2k": {true, picture(), 0.7, 2}, // rounding to and fro
		// Smeared by half a chroma sample, at the edge by all of it.
		"y422.j2k": {true, picture(), 3, 100},
		"y420.j2k": {true, picture(), 4, 100},
	} {
		got := make([]byte, 3*w*h)
		if err := d.Decode(got, w, h, load(t, name), c.ycc, 0); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if mean, worst := difference(got, c.want); mean > c.mean || worst > c.worst {
			t.Errorf("%s: differs by %.2f, at worst by %d", name, mean, worst)
		}
	}
}

// rgb.jp2 has a single halving, so the others are made by averaging.
func TestItHalves(t *testing.T) {
	t.Parallel()
	d := decoder(t)
	full := picture()
	for _, name := range []string{"rgb.j2k", "rgb.jp2", "y420.j2k"} {
		for reduce := range 4 {
			side := 1 << reduce
			got, want := make([]byte, 3*w*h/side/side), make([]byte, 3*w*h/side/side)
			for i := range want {
				sum := 0
				for j := range side * side {
					x, y := i/3%(w/side)*side+j%side, i/3/(w/side)*side+j/side
					sum += int(full[3*(y*w+x)+i%3])
				}
				want[i] = byte(sum / side / side)
			}
			if err := d.Decode(got, w/side, h/side, load(t, name), name[0] == 'y', reduce); err != nil {
				t.Errorf("%s, %d times: %v", name, reduce, err)
				continue
			}
			for i := 2; i < len(got); i += 3 { // wavelets are no box: the one edge, in blue, rings
				got[i] = want[i]
			}
			// The low band's samples sit where what they stand for begins, so the
			// slopes of 4 and 5 a pixel are seen up to 3.5 pixels early.
			if mean, _ := difference(got, want); mean > 12 {
				t.Errorf("%s, %d times: differs by %.2f", name, reduce, mean)
			}
		}
	}
}

func TestItRefusesBadStreams(t *testing.T) {
	t.Parallel()
	d := decoder(t)
	good := load(t, "rgb.j2k")
	dst := make([]byte, 3*w*h)
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for name, c := range map[string]struct {
		src  []byte
		kind fault.Kind
	}{
		"empty":             {nil, fault.Corrupt},
		"noise":             {bytes.Repeat([]byte{7}, 200), fault.Corrupt},
		"boxes around none": {load(t, "rgb.jp2")[:40], fault.Corrupt},
		"huge":              {change(8, 0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff), fault.Corrupt},
		"tiny tiles":        {change(24, 0, 0, 0, 1, 0, 0, 0, 1), fault.Corrupt},
		"no tiles":          {change(24, 0, 0, 0, 0, 0, 0, 0, 0), fault.Corrupt},
		"2 components":      {change(40, 0, 2), fault.Unsupported},
		"16384 components":  {change(40, 0x40, 0), fault.Corrupt},
		"16 bits":           {change(42, 15), fault.Unsupported},
		"a sign":            {change(42, 0x87), fault.Unsupported},
	} {
		if err := d.Decode(dst, w, h, c.src, false, 0); fault.Of(err) != c.kind || err == nil {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	if err := d.Decode(dst, 60, 48, good, false, 0); fault.Of(err) != fault.Corrupt {
		t.Errorf("another width: %v, want corrupt", err)
	}
	if err := d.Decode(dst[:9], w, h, good, false, 0); fault.Of(err) != fault.Invalid {
		t.Errorf("small buffer: %v, want invalid", err)
	}
	for n := range len(good) - 2 { // the end marker alone may go
		if err := d.Decode(dst, w, h, good[:n], false, 0); fault.Of(err) != fault.Corrupt {
			t.Errorf("cut to %d of %d bytes: %v, want corrupt", n, len(good), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"rgb.j2k", "rgb.jp2", "gray.j2k", "y420.j2k"} {
		f.Add(load(f, name), true, 0)
	}
	d := decoder(f)
	f.Fuzz(func(t *testing.T, src []byte, ycc bool, reduce int) {
		if reduce < 0 || reduce > 3 {
			t.Skip()
		}
		dst := make([]byte, 3*w*h)
		if err := d.Decode(dst, w>>reduce, h>>reduce, src, ycc, reduce); err != nil && fault.Of(err) == fault.Internal {
			t.Errorf("an error without a kind: %v", err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	d, src, dst := decoder(b), load(b, "rgb.j2k"), make([]byte, 3*w*h)
	b.SetBytes(w * h)
	for b.Loop() {
		if err := d.Decode(dst, w, h, src, false, 0); err != nil {
			b.Fatal(err)
		}
	}
}
