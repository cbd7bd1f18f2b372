package slide

import (
	"bufio"
	"context"
	"io"

	"bcc/fault"
	"bcc/wsi"
)

// Read writes the rectangle r, in pixels of the level, as tight RGB into dst
// (3·r.W·r.H bytes). What lies beyond the level's edge is white. A rectangle that
// is exactly one stored tile is decoded straight into dst.
func (s *Slide) Read(ctx context.Context, level int, r wsi.Rect, dst []byte) error {
	if level < 0 || level >= len(s.levels) {
		return fault.New(fault.Invalid, "read region: there is no level %d, only %d of them", level, len(s.levels))
	}
	if r.Empty() || r.W > maxSide || r.H > maxSide || int64(len(dst)) < 3*int64(r.W)*int64(r.H) {
		return fault.New(fault.Invalid, "read region %v at level %d: %d bytes do not hold it", r, level, len(dst))
	}
	if s.closed.Load() {
		return errClosed
	}
	dst = dst[:3*r.W*r.H]
	l := &s.levels[level]
	in := r.Intersect(l.Bounds())
	if in != r {
		fillWhite(dst)
	}
	if in.Empty() {
		return nil
	}
	if err := s.read(ctx, l, in, r, dst); err != nil {
		if isCancelled(err) {
			return err
		}
		return wrap(err, "read region %v at level %d", r, level)
	}
	return nil
}

// read writes the part in of r, which lies inside the level.
func (s *Slide) read(ctx context.Context, l *level, in, r wsi.Rect, dst []byte) error {
	if l.memory != nil {
		blit(dst, r, l.memory.Pix, l.Bounds(), in)
		return nil
	}
	for row := in.Y / l.Tile.H; row*l.Tile.H < in.Y+in.H; row++ {
		for col := in.X / l.Tile.W; col*l.Tile.W < in.X+in.W; col++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.readSegment(ctx, l, row*l.cols+col, in, r, dst); err != nil {
				if isCancelled(err) {
					return err
				}
				return wrap(err, "segment (%d,%d)", col, row)
			}
		}
	}
	return nil
}

// readSegment writes what segment i holds of the part in of r.
func (s *Slide) readSegment(ctx context.Context, l *level, i int, in, r wsi.Rect, dst []byte) error {
	seg := l.segRect(i)
	part := in.Intersect(seg)
	key := tileKey{l.Index, i}
	if l.absent(i) {
		whiten(dst, r, part)
		return nil
	}
	if t := s.cache.peek(key); t != nil {
		blit(dst, r, t.pix, seg, part)
		s.cache.release(t)
		return nil
	}
	free, err := s.reserve(ctx, l)
	if err != nil {
		return err
	}
	defer free()
	if part == seg && seg.X == r.X && seg.W == r.W { // whole and in one piece
		return l.decode(ctx, i, 0, dst[3*r.W*(seg.Y-r.Y):][:3*seg.W*seg.H])
	}
	t, err := s.cache.get(ctx, key, 3*seg.W*seg.H, func(pix []byte) error { return l.decode(ctx, i, 0, pix) })
	if err != nil {
		return err
	}
	blit(dst, r, t.pix, seg, part)
	s.cache.release(t)
	return nil
}

// blit copies the pixels of part from src, which shows the rectangle from, to
// dst, which shows the rectangle to.
func blit(dst []byte, to wsi.Rect, src []byte, from, part wsi.Rect) {
	d := 3 * ((part.Y-to.Y)*to.W + part.X - to.X)
	s := 3 * ((part.Y-from.Y)*from.W + part.X - from.X)
	if to.W == from.W && part.W == to.W {
		copy(dst[d:d+3*part.W*part.H], src[s:])
		return
	}
	for range part.H {
		copy(dst[d:d+3*part.W], src[s:s+3*part.W])
		d += 3 * to.W
		s += 3 * from.W
	}
}

// whiten makes part of dst white, which shows the rectangle to.
func whiten(dst []byte, to, part wsi.Rect) {
	d := 3 * ((part.Y-to.Y)*to.W + part.X - to.X)
	for range part.H {
		fillWhite(dst[d : d+3*part.W])
		d += 3 * to.W
	}
}

func newBuffered(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }
