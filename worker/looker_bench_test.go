package worker_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"

	"bcc/cohort"
	"bcc/worker"
	"bcc/wsi"
)

// instant scores everything at once: what is left is the work around the model.
type instant struct{}

func (instant) Score(_ context.Context, patches <-chan wsi.Patch, out []float32) error {
	for p := range patches {
		out[p.Index] = float32(p.Pix[0]) / 255
		p.Release()
	}
	return nil
}

// tile is a picture of tissue, with the noise of one.
func tile(t testing.TB, side int) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := 0; i < len(m.Pix); i += 4 {
		n := uint8(r.IntN(40))
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = 180+n, 90+n, 150+n, 255
	}
	var b bytes.Buffer
	plain := png.Encoder{CompressionLevel: png.NoCompression} // decoding is not what is measured
	if err := plain.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// BenchmarkLook is a look at a PNG without the model's time: of a patch without a
// scale, with one, and of a larger picture.
func BenchmarkLook(b *testing.B) {
	for _, c := range []struct {
		name string
		side int
		mpp  float64
	}{{"one patch", 224, 0}, {"scaled", 224, 0.5}, {"1 Mpx", 1024, 0.5}} {
		b.Run(c.name, func(b *testing.B) {
			m := newModel(b, 224, 2, nil)
			m.Detect.Patch.MPP, m.Detect.Model.MPPUM, m.Scorer = 0.5, 0.5, instant{}
			l, err := worker.NewLooker(worker.DefaultLookerConfig(), m)
			if err != nil {
				b.Fatal(err)
			}
			data := tile(b, c.side)
			digest := []byte("0000000000000000000000000000000000000000000000000000000000000000")
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				n++
				binary.LittleEndian.PutUint64(digest, n) // never the same: no answer from memory
				if _, err := l.Look(b.Context(), worker.Picture{Data: data, SHA256: string(digest), Parameters: cohort.Parameters{MPPUM: c.mpp}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLookAgain is an answer from memory.
func BenchmarkLookAgain(b *testing.B) {
	m := newModel(b, 224, 2, nil)
	m.Scorer = instant{}
	l, err := worker.NewLooker(worker.DefaultLookerConfig(), m)
	if err != nil {
		b.Fatal(err)
	}
	p := worker.Picture{Data: tile(b, 224), SHA256: "00"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Look(b.Context(), p); err != nil {
			b.Fatal(err)
		}
	}
}
