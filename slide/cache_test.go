package slide

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheCacheDecodesOnceForAll(t *testing.T) {
	t.Parallel()
	c := newTileCache(&buffers{}, 1<<20)
	var decoded atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 100 {
				tile, err := c.get(t.Context(), tileKey{0, i % 10}, 100, func(dst []byte) error {
					decoded.Add(1)
					dst[7] = byte(i % 10)
					return nil
				})
				if err != nil || tile.pix[7] != byte(i%10) {
					t.Errorf("tile %d: %v", i%10, err)
					return
				}
				c.release(tile)
			}
		})
	}
	wg.Wait()
	if n := decoded.Load(); n != 10 {
		t.Errorf("decoded %d times, want 10", n)
	}
}

func TestTheCacheStaysBelowItsBudgetAndKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	const size = 4096
	c := newTileCache(&buffers{}, 3*size)
	use := func(seg int) (decoded bool) {
		tile, err := c.get(t.Context(), tileKey{0, seg}, size, func(dst []byte) error {
			decoded = true
			dst[0] = byte(seg)
			return nil
		})
		if err != nil || tile.pix[0] != byte(seg) {
			t.Fatalf("tile %d: %v", seg, err)
		}
		c.release(tile)
		return decoded
	}
	for i := range 20 {
		use(i)
		if use(0) != (i == 0) && i > 0 {
			t.Errorf("tile 0 went after %d, though it was used last", i)
		}
		if c.used > c.budget || len(c.tiles) > 3 {
			t.Fatalf("%d bytes in %d tiles", c.used, len(c.tiles))
		}
	}
	held, err := c.get(t.Context(), tileKey{0, 0}, size, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < 110; i++ {
		use(i)
	}
	if held.pix[0] != 0 {
		t.Error("the memory of a tile that is being read was used again")
	}
	c.release(held)
	c.drop()
	if c.used != 0 || len(c.tiles) != 0 {
		t.Errorf("%d bytes in %d tiles after all were dropped", c.used, len(c.tiles))
	}
}

func TestTheCacheForgetsFailures(t *testing.T) {
	t.Parallel()
	c := newTileCache(&buffers{}, 1<<20)
	broken := errors.New("broken")
	if _, err := c.get(t.Context(), tileKey{}, 10, func([]byte) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("%v, want broken", err)
	}
	if c.peek(tileKey{}) != nil {
		t.Error("a failure is kept")
	}
	tile, err := c.get(t.Context(), tileKey{}, 10, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	c.release(tile)
}

// One reader's cancellation is not another's.
func TestTheCacheDecodesAgainForThoseWhoStillWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTileCache(&buffers{}, 1<<20)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.get(ctx, tileKey{}, 10, func([]byte) error {
				<-ctx.Done()
				return ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("the one told to stop: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			tile, err := c.get(t.Context(), tileKey{}, 10, func(dst []byte) error { dst[0] = 9; return nil })
			if err != nil || tile.pix[0] != 9 {
				t.Errorf("the other one: %v", err)
				return
			}
			c.release(tile)
		})
		impatient, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		wg.Go(func() {
			if _, err := c.get(impatient, tileKey{}, 10, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the impatient one: %v", err)
			}
		})
		synctest.Wait()
		time.Sleep(2 * time.Second)
		cancel()
		wg.Wait()
	})
}

func TestACacheUnderPressureGivesBackWhatIsNotInUse(t *testing.T) {
	t.Parallel()
	const size = 256 << 10
	var pressed atomic.Bool
	bufs := &buffers{pressed: pressed.Load}
	c := newTileCache(bufs, 20*size)
	use := func(from, to int) {
		for i := from; i < to; i++ {
			tile, err := c.get(t.Context(), tileKey{0, i}, size, func([]byte) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			c.release(tile)
		}
	}
	use(0, 40)
	if c.used != 20*size || bufs.idle == 0 {
		t.Fatalf("%d bytes of tiles, %d idle: the test tries nothing", c.used, bufs.idle)
	}
	pressed.Store(true)
	use(40, 41)
	if c.used > pressedBytes || bufs.idle != 0 {
		t.Errorf("pressed: %d bytes of tiles and %d of idle buffers, want at most %d and none", c.used, bufs.idle, pressedBytes)
	}
	pressed.Store(false)
	use(0, 40)
	if c.used != 20*size {
		t.Errorf("relieved: %d bytes of tiles, want %d", c.used, 20*size)
	}
}
