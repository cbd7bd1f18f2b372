package server_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"io"
	"sync/atomic"
	"testing"

	"bcc/fault"
	"bcc/server"
	"bcc/slide"
	"bcc/wsi"
)

// frail is a slide that gives its pixels until it breaks.
type frail struct {
	*slide.Slide
	broken *atomic.Bool
}

func (f frail) Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error {
	if f.broken.Load() {
		return fault.New(fault.Corrupt, "its decoder is dead")
	}
	return f.Slide.Read(ctx, level, r, dst)
}

func TestASlideWhoseDecoderDiedIsOpenedAnew(t *testing.T) {
	t.Parallel()
	var opened atomic.Int64
	var broken atomic.Bool
	s := newServer(t, func(c *server.Config) {
		c.TileCache = 1
		c.Open = func(_ context.Context, r io.ReaderAt, size int64, cfg slide.Config) (server.Pixels, error) {
			opened.Add(1)
			sl, err := slide.Open(r, size, cfg)
			if err != nil {
				return nil, err
			}
			return frail{sl, &broken}, nil
		}
	})
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 311, 200))); err != nil {
		t.Fatal(err)
	}
	id := s.predict(t, b.Bytes(), "hold.png", []string{"mpp_um", "4"}, "Prefer", "respond-async").wants(t, 202).json(t)["id"].(string)
	t.Cleanup(func() { _ = theWorld.ledger.Cancel(context.Background(), id) })
	tile := "/slides/" + id + "-0/slide_files/9/0_0.jpg"
	s.get(t, tile).wants(t, 200)
	broken.Store(true)
	s.get(t, tile).wants(t, 422)
	broken.Store(false)
	before := opened.Load()
	s.get(t, tile).wants(t, 200)
	if opened.Load() != before+1 {
		t.Errorf("opened %d times more, want once", opened.Load()-before)
	}
}
