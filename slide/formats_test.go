package slide_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"testing"

	"bcc/fault"
	"bcc/slide"
	"bcc/slide/internal/tifftest"
	"bcc/wsi"
)

const aperio = "Aperio Image Library v1\r\n100x80 |Patient = Doe|MPP = 0.2520|AppMag = 40"

func tiled(w, h int, tags ...tifftest.Tag) *tifftest.Page {
	p := plain(w, h)
	p.TileW, p.TileH, p.Tags = 32, 32, tags
	return p
}

// strange is a page that fails when it is looked into.
func strange(w, h int, tags ...tifftest.Tag) *tifftest.Page {
	p := plain(w, h)
	p.Tags = append(tags, tag(273, tifftest.Long, 1<<31), tag(259, tifftest.Short, 1))
	return p
}

func reduced(p *tifftest.Page) *tifftest.Page {
	p.Tags = append(p.Tags, tag(254, tifftest.Long, 1))
	return p
}

func TestItFindsTheLevels(t *testing.T) {
	t.Parallel()
	sub := tiled(400, 300)
	sub.Sub = []*tifftest.Page{reduced(tiled(200, 150)), reduced(tiled(100, 75))}
	for name, c := range map[string]struct {
		pages  []*tifftest.Page
		format string
		want   []wsi.Size
	}{
		"one page":           {[]*tifftest.Page{plain(50, 40)}, "generic-tiff", []wsi.Size{{W: 50, H: 40}}},
		"reduced pages":      {[]*tifftest.Page{tiled(401, 300), reduced(tiled(200, 150)), reduced(tiled(100, 75))}, "generic-tiff", []wsi.Size{{W: 401, H: 300}, {W: 200, H: 150}, {W: 100, H: 75}}},
		"the large one last": {[]*tifftest.Page{reduced(tiled(100, 75)), tiled(401, 300)}, "generic-tiff", []wsi.Size{{W: 401, H: 300}, {W: 100, H: 75}}},
		"SubIFDs":            {[]*tifftest.Page{sub}, "generic-tiff", []wsi.Size{{W: 400, H: 300}, {W: 200, H: 150}, {W: 100, H: 75}}},
		"a second focus":     {[]*tifftest.Page{tiled(400, 300), tiled(400, 300)}, "generic-tiff", []wsi.Size{{W: 400, H: 300}}},
		"label, macro, mask": {[]*tifftest.Page{
			tiled(400, 300), strange(130, 200), strange(200, 150, text(270, "label 1")), strange(200, 150, tag(254, tifftest.Long, 9)), strange(200, 150, tag(254, tifftest.Long, 4)),
		}, "generic-tiff", []wsi.Size{{W: 400, H: 300}}},
		"Aperio": {[]*tifftest.Page{
			tiled(400, 300, text(270, aperio)), strange(100, 75), tiled(100, 75, text(270, "Aperio")), strange(40, 30), strange(130, 43),
		}, "aperio-svs", []wsi.Size{{W: 400, H: 300}, {W: 100, H: 75}}},
	} {
		b := tifftest.Write(tifftest.Format{}, c.pages...)
		s, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []wsi.Size
		for i, l := range s.Levels() {
			got = append(got, l.Size)
			if l.Index != i {
				t.Errorf("%s: level %d calls itself %d", name, i, l.Index)
			}
		}
		if s.Format() != c.format || len(got) != len(c.want) {
			t.Errorf("%s: %s with levels %v, want %s with %v", name, s.Format(), got, c.format, c.want)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: level %d is %v, want %v", name, i, got[i], c.want[i])
			}
		}
	}
}

func TestItTakesDamageInALevelForDamage(t *testing.T) {
	t.Parallel()
	b := tifftest.Write(tifftest.Format{}, tiled(400, 300), reduced(strange(200, 150)))
	if err := tryAll(t, b); fault.Of(err) != fault.Corrupt {
		t.Errorf("%v, want corrupt", err)
	}
}

func TestItTakesWholeFactorsForTheTruth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		base, level wsi.Size
		want        float64
	}{
		{wsi.Size{W: 1263, H: 961}, wsi.Size{W: 157, H: 120}, 8}, // 8.045 and 8.008 by division
		{wsi.Size{W: 1263, H: 961}, wsi.Size{W: 158, H: 121}, 8},
		{wsi.Size{W: 1200, H: 900}, wsi.Size{W: 400, H: 300}, 3},
	} {
		s := openBytes(t, tifftest.Write(tifftest.Format{}, tiled(c.base.W, c.base.H), reduced(tiled(c.level.W, c.level.H))), slide.Config{})
		if l := s.Levels()[1]; l.DownX != c.want || l.DownY != c.want {
			t.Errorf("%v of %v: downsample %v, %v, want %v", c.level, c.base, l.DownX, l.DownY, c.want)
		}
	}
	s := openBytes(t, tifftest.Write(tifftest.Format{}, tiled(1000, 800), reduced(tiled(400, 320))), slide.Config{})
	if l := s.Levels()[1]; l.DownX != 2.5 || l.DownY != 2.5 {
		t.Errorf("a factor that is not whole: %v, %v", l.DownX, l.DownY)
	}
}

func TestItFindsTheScale(t *testing.T) {
	t.Parallel()
	res := func(unit, x, y, over uint64) []tifftest.Tag {
		return []tifftest.Tag{tag(282, tifftest.Rational, x, over), tag(283, tifftest.Rational, y, over), tag(296, tifftest.Short, unit)}
	}
	ome := func(attributes string) []tifftest.Tag {
		return []tifftest.Tag{text(270, `<?xml version="1.0" encoding="ISO-8859-1"?><OME xmlns="x"><Image><Pixels SizeX="1" %s/></Image></OME>`, attributes)}
	}
	for name, c := range map[string]struct {
		tags []tifftest.Tag
		want wsi.MPP
	}{
		"none":                {nil, wsi.MPP{}},
		"per centimetre":      {res(3, 20000, 40000, 1), wsi.MPP{X: 0.5, Y: 0.25}},
		"per inch":            {res(2, 508000, 508000, 10), wsi.MPP{X: 0.5, Y: 0.5}},
		"72 dpi":              {res(2, 72, 72, 1), wsi.MPP{}},
		"96 dpi":              {res(2, 96, 96, 1), wsi.MPP{}},
		"one":                 {res(1, 1, 1, 1), wsi.MPP{}},
		"no unit":             {res(1, 20000, 20000, 1), wsi.MPP{}},
		"over zero":           {res(3, 20000, 20000, 0), wsi.MPP{}},
		"zero":                {res(3, 0, 0, 1), wsi.MPP{}},
		"OME":                 {ome(`PhysicalSizeX="0.5" PhysicalSizeY="0.25"`), wsi.MPP{X: 0.5, Y: 0.25}},
		"OME in nanometres":   {ome(`PhysicalSizeX="500" PhysicalSizeXUnit="nm" PhysicalSizeY="250" PhysicalSizeYUnit="nm"`), wsi.MPP{X: 0.5, Y: 0.25}},
		"OME without a scale": {append(ome(""), res(3, 20000, 20000, 1)...), wsi.MPP{X: 0.5, Y: 0.5}},
		"OME in pixels":       {ome(`PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1" PhysicalSizeYUnit="pixel"`), wsi.MPP{}},
		"OME that is broken":  {[]tifftest.Tag{text(270, "<OME><Pixels PhysicalSizeX=")}, wsi.MPP{}},
		"Aperio":              {[]tifftest.Tag{text(270, aperio)}, wsi.MPP{X: 0.252, Y: 0.252}},
		"Aperio, NaN":         {[]tifftest.Tag{text(270, "Aperio |MPP = NaN")}, wsi.MPP{}},
	} {
		s := openBytes(t, tifftest.Write(tifftest.Format{}, tiled(64, 64, c.tags...)), slide.Config{})
		got, err := s.MPP()
		if c.want == (wsi.MPP{}) {
			if !errors.Is(err, slide.ErrNoMPP) || fault.Of(err) != fault.Invalid || fault.HintOf(err) == "" {
				t.Errorf("%s: %v, %v, want ErrNoMPP with a hint", name, got, err)
			}
			continue
		}
		if err != nil || math.Abs(got.X-c.want.X) > 1e-9 || math.Abs(got.Y-c.want.Y) > 1e-9 {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
		given := wsi.MPP{X: 0.7, Y: 0.8}
		s = openBytes(t, tifftest.Write(tifftest.Format{}, tiled(64, 64, c.tags...)), slide.Config{MPP: given})
		if got, err := s.MPP(); err != nil || got != given {
			t.Errorf("%s, overridden: %v, %v", name, got, err)
		}
	}
	if _, err := slide.Open(bytes.NewReader(nil), 0, slide.Config{MPP: wsi.MPP{X: -1, Y: 1}}); fault.Of(err) != fault.Invalid {
		t.Errorf("negative scale: %v, want invalid", err)
	}
}

func TestItReadsPNG(t *testing.T) {
	t.Parallel()
	const w, h = 61, 43
	pix := pattern(w, h, 4)
	rect := image.Rect(0, 0, w, h)
	opaque, clear, gray := image.NewRGBA(rect), image.NewNRGBA(rect), image.NewGray(rect)
	palette := image.NewPaletted(rect, color.Palette{color.White, color.RGBA{9, 99, 199, 255}})
	copy(clear.Pix, pix)
	copy(gray.Pix, pix)
	for i := range w * h {
		copy(opaque.Pix[4*i:], pix[4*i:4*i+3])
		opaque.Pix[4*i+3] = 255
		palette.Pix[i] = pix[i] & 1
	}
	for name, m := range map[string]image.Image{"RGB": opaque, "RGBA": clear, "gray": gray, "palette": palette} {
		b := pngFile(t, m)
		s := openBytes(t, b, slide.Config{})
		got := read(t, s, 0, wsi.Rect{W: w, H: h})
		for i := range w * h {
			c := color.NRGBAModel.Convert(m.At(i%w, i/w)).(color.NRGBA)
			for k, v := range []byte{c.R, c.G, c.B} {
				want := (int(v)*int(c.A) + 255*(255-int(c.A)) + 127) / 255 // over white
				if int(got[3*i+k]) != want {
					t.Fatalf("%s: pixel %d is %v, want %v over white", name, i, got[3*i:3*i+3], c)
				}
			}
		}
		if s.Format() != "png" {
			t.Errorf("%s: format %s", name, s.Format())
		}
		for n := 0; n < len(b)-40; n += 13 { // the last chunk, checksums and an empty block may go
			if _, err := slide.Open(bytes.NewReader(b[:n]), int64(n), slide.Config{}); err == nil {
				t.Fatalf("%s: cut to %d of %d bytes it opens", name, n, len(b))
			}
		}
	}
	phys := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 2_000_000), 4_000_000)
	b := withChunk(pngFile(t, opaque), "pHYs", append(phys, 1))
	if mpp, err := openBytes(t, b, slide.Config{}).MPP(); err != nil || mpp != (wsi.MPP{X: 0.5, Y: 0.25}) {
		t.Errorf("scale %v, %v", mpp, err)
	}
}

func pngFile(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withChunk puts a chunk behind the header of a PNG.
func withChunk(b []byte, kind string, data []byte) []byte {
	const head = 8 + 25
	out := binary.BigEndian.AppendUint32(bytes.Clone(b[:head]), uint32(len(data)))
	body := append([]byte(kind), data...)
	out = binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
	return append(out, b[head:]...)
}

func TestItReadsJPEGFiles(t *testing.T) {
	t.Parallel()
	m := image.NewRGBA(image.Rect(0, 0, 90, 70))
	for i := range 90 * 70 {
		copy(m.Pix[4*i:], []byte{200, 100, 150, 255})
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	jfif := append([]byte{0xff, 0xd8, 0xff, 0xe0, 0, 16}, "JFIF\x00\x01\x01\x02\x4e\x20\x27\x10\x00\x00"...) // 20000 and 10000 per cm
	b := append(jfif, buf.Bytes()[2:]...)
	s, err := slide.Open(bytes.NewReader(b), int64(len(b)), slide.Config{Codecs: codecs()})
	if fault.Of(err) == fault.Unavailable {
		t.Skip("the decoders are not in this build (no cgo)")
	}
	if err != nil {
		t.Fatal(err)
	}
	if l := s.Levels(); s.Format() != "jpeg" || len(l) != 1 || l[0].Size != (wsi.Size{W: 90, H: 70}) {
		t.Errorf("%s with %v", s.Format(), l)
	}
	if mpp, err := s.MPP(); err != nil || mpp != (wsi.MPP{X: 0.5, Y: 1}) {
		t.Errorf("scale %v, %v", mpp, err)
	}
	for i, v := range read(t, s, 0, wsi.Rect{X: 40, Y: 40, W: 1, H: 1}) {
		if want := []int{200, 100, 150}[i]; int(v) < want-3 || int(v) > want+3 {
			t.Errorf("colour %d is %d, want about %d", i, v, want)
		}
	}
	for name, bad := range map[string][]byte{"cut": b[:len(b)/2], "only markers": b[:20], "no pixels": b[:2]} {
		bad = append(bad[:len(bad):len(bad)], 0xff)
		if err := tryAll(t, bad); fault.Of(err) != fault.Corrupt && fault.Of(err) != fault.Unsupported {
			t.Errorf("%s: %v", name, err)
		}
	}
	huge := bytes.Clone(b)
	sof := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[sof+5:], []byte{0xff, 0xff, 0xff, 0xff})
	if err := tryAll(t, huge); fault.Of(err) != fault.Unsupported {
		t.Errorf("65535 squared: %v, want unsupported", err)
	}
}

func TestItRefusesWhatIsNoSlide(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{"text": []byte("hello, slide"), "zip": []byte("PK\x03\x04rest of it"), "short": {1}} {
		if err := tryAll(t, b); fault.Of(err) != fault.Unsupported || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, want unsupported with a hint", name, err)
		}
	}
	if err := tryAll(t, nil); fault.Of(err) != fault.Corrupt {
		t.Errorf("empty: %v, want corrupt", err)
	}
}
