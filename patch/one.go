package patch

import (
	"context"
	"fmt"
	"sync"

	"bcc/fault"
	"bcc/wsi"
)

// around keeps the memory that reading a patch by itself needs.
var around = sync.Pool{New: func() any { return new([]byte) }}

// ReadAt writes the pixels of one patch to dst, 3·SizePx·SizePx bytes. Its upper left
// corner is the level-0 position (x, y), on the grid or not; its pixels are those that
// Read gives for a patch there. Several goroutines may call it at once.
func (r *Reader) ReadAt(ctx context.Context, x, y int, dst []byte) error {
	at := wsi.Rect{X: x, Y: y, W: r.grid.Patch.W, H: r.grid.Patch.H}
	if len(dst) != 3*r.cfg.SizePx*r.cfg.SizePx {
		return fault.New(fault.Invalid, "read patch %v of %d px into %d bytes", at, r.cfg.SizePx, len(dst))
	}
	scratch := around.Get().(*[]byte)
	defer around.Put(scratch)
	if err := r.pixels(ctx, at, dst, scratch); err != nil {
		return fmt.Errorf("read patch %v: %w", at, err)
	}
	return nil
}
