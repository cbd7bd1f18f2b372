package detect_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"

	"bcc/detect"
	"bcc/infer"
	"bcc/infer/infertest"
	nativejpeg "bcc/native/jpeg"
	"bcc/native/pixel"
	"bcc/slide"
	"bcc/wsi"
)

// What a look adds to the model: a JPEG of one patch, and one of 1000 × 1000 pixels,
// through a runner that answers at once.
func BenchmarkLook(b *testing.B) {
	for _, side := range []int{224, 1000} {
		m := image.NewRGBA(image.Rect(0, 0, side, side))
		for i := range m.Pix {
			m.Pix[i] = uint8(150 + rand.IntN(60)) // pale, so that some of it is tissue
		}
		var jpg bytes.Buffer
		if err := jpeg.Encode(&jpg, m, nil); err != nil {
			b.Fatal(err)
		}
		cfg := detect.DefaultConfig(224, 0.5)
		cfg.Slide.Codecs = slide.Codecs{JPEG: func() (slide.JPEGDecoder, error) { return nativejpeg.NewDecoder() }}
		if pixel.Available() {
			cfg.Patch.Resample = pixel.Resample
		}
		cfg.Outputs, cfg.OnePatch = 1, true
		cfg.Probability = func(row []float32) float32 { return row[0] }
		if side != 224 {
			cfg.Slide.MPP = wsi.MPP{X: 0.5, Y: 0.5}
		}
		ic := infer.DefaultConfig()
		ic.PatchPx, ic.Outputs = 224, 1
		batcher, err := infer.New(ic, []infer.Runner{&infertest.Fake{PatchPx: 224, Batch: 4, Outputs: 1}})
		if err != nil {
			b.Fatal(err)
		}
		go func() { _ = batcher.Run(b.Context()) }()
		d, err := detect.New(cfg, batcher)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(map[int]string{224: "patch", 1000: "picture"}[side], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Look(b.Context(), picture(jpg.Bytes()), nil); err != nil {
					b.Skip(err) // a build without cgo
				}
			}
		})
	}
}
