package slide_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"image/png"
	"testing"

	"bcc/fault"
	"bcc/slide"
	"bcc/wsi"
)

func TestAProbeReadsHeadersOnly(t *testing.T) {
	t.Parallel()
	m := image.NewGray(image.Rect(0, 0, 70, 30))
	var p, j bytes.Buffer
	if err := png.Encode(&p, m); err != nil {
		t.Fatal(err)
	}
	if err := jpeg.Encode(&j, m, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		format string
		data   []byte
	}{
		{"png", p.Bytes()[:40]}, // the pixels are not there
		{"jpeg", j.Bytes()},     // there is no decoder
	} {
		h, err := slide.Probe(bytes.NewReader(c.data), int64(len(c.data)), slide.DefaultConfig())
		if err != nil || h.Format != c.format || h.Size != (wsi.Size{W: 70, H: 30}) || h.MPP.Valid() {
			t.Errorf("%s: %+v, %v", c.format, h, err)
		}
	}
	for _, c := range []struct {
		data string
		want fault.Kind
	}{
		{"", fault.Corrupt},
		{"%PDF-1.7 is no picture", fault.Unsupported},
		{"\x89PNG\r\n\x1a\n", fault.Unsupported},
		{"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDX", fault.Corrupt},
		{"\xff\xd8\xff\xd9xxxxxxxxxxxxxxxx", fault.Corrupt},
	} {
		if _, err := slide.Probe(bytes.NewReader([]byte(c.data)), int64(len(c.data)), slide.DefaultConfig()); err == nil || fault.Of(err) != c.want {
			t.Errorf("%q: %v, want %v", c.data, err, c.want)
		}
	}
}
