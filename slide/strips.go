package slide

import (
	"context"
	"io"
	"sync"

	"bcc/fault"
)

// tiles is a page of tiles: a segment is a tile.
type tiles struct{ stored }

func (t *tiles) decode(_ context.Context, i, reduce int, dst []byte) error {
	return t.decodeOne(i, reduce, dst)
}

// strips is a page of compressed strips; a segment joins some of them, since many
// writers make strips of a row or two.
type strips struct {
	stored
	join int // strips a segment
}

func (t *strips) decode(_ context.Context, i, reduce int, dst []byte) error {
	last := min((i+1)*t.join, t.p.rows)
	for k := i * t.join; k < last; k++ {
		n := 3 * halved(t.p.seg.W, reduce) * halved(t.p.segHeight(k), reduce)
		if err := t.decodeOne(k, reduce, dst[:n]); err != nil {
			return wrap(err, "strip %d", k)
		}
		dst = dst[n:]
	}
	return nil
}

// rawStrips is a page of uncompressed strips. Their rows can be read one by one,
// so a segment is some rows whatever the strips are: one of 600 MB is no trouble.
type rawStrips struct {
	stored
	rows int // a segment
}

func (t *rawStrips) decode(_ context.Context, i, _ int, dst []byte) error {
	p := t.p
	stride := p.seg.W * p.samples
	first, last := i*t.rows, min((i+1)*t.rows, p.size.H)
	samples := dst
	if !p.tightRGB() {
		samples = t.s.bufs.get((last - first) * stride)
		defer t.s.bufs.put(samples)
	}
	for y := first; y < last; {
		k := y / p.seg.H
		n := min(last, (k+1)*p.seg.H) - y // rows of this strip
		part := samples[(y-first)*stride : (y-first+n)*stride]
		if p.counts[k] == 0 {
			fillWhite(part)
		} else if err := t.s.readAt(part, int64(p.offsets[k])+int64(y-k*p.seg.H)*int64(stride)); err != nil {
			return wrap(err, "strip %d", k)
		}
		y += n
	}
	if !p.tightRGB() {
		p.toRGB(dst, samples)
	}
	return nil
}

// streamedStrips is a page of compressed strips too large to hold. A segment is
// some rows. They are decompressed from top to bottom with one cursor; going back
// starts the strip again. Segments that are passed by are left in the cache, since
// readers that walk side by side ask a little out of order.
type streamedStrips struct {
	stored
	rows  int // a segment
	level int // our own index, for the cache

	mu     sync.Mutex
	strip  int // being read
	y      int // the next row that stream yields
	stream io.Reader
	done   func()
}

func (t *streamedStrips) decode(ctx context.Context, i, _ int, dst []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	want := i * t.rows
	if start := want / t.p.seg.H * t.p.seg.H; t.stream == nil || t.y > want || t.y < start {
		t.close()
		t.y = start
		if err := t.skip(ctx, min((start+t.rows-1)/t.rows*t.rows, want)); err != nil {
			return err
		}
	}
	segBytes := 3 * t.p.size.W * t.rows
	near := int(t.s.cache.budget/2) / segBytes // farther ones would push each other out
	passed := t.s.bufs.get(segBytes)
	defer t.s.bufs.put(passed)
	for t.y < want {
		if err := t.next(ctx, passed, t.rows); err != nil {
			return err
		}
		if j := t.y/t.rows - 1; i-j <= near {
			t.s.cache.offer(tileKey{t.level, j}, passed)
		}
	}
	return t.next(ctx, dst, min(t.rows, t.p.size.H-want))
}

// skip reads rows to nowhere until the next one is y.
func (t *streamedStrips) skip(ctx context.Context, y int) error {
	if y == t.y {
		return nil
	}
	rows := t.s.bufs.get(3 * t.p.size.W * t.rows)
	defer t.s.bufs.put(rows)
	for t.y < y {
		if err := t.next(ctx, rows, min(t.rows, y-t.y)); err != nil {
			return err
		}
	}
	return nil
}

// next writes the next n rows as RGB into dst, across strips if need be. After an
// error the cursor is closed, and the next call starts anew.
func (t *streamedStrips) next(ctx context.Context, dst []byte, n int) error {
	p := t.p
	stride := p.size.W * p.samples
	samples := dst
	if !p.tightRGB() {
		samples = t.s.bufs.get(n * stride)
		defer t.s.bufs.put(samples)
	}
	samples = samples[:n*stride]
	for y := 0; y < n; {
		if err := ctx.Err(); err != nil {
			t.close()
			return err
		}
		k := (t.y + y) / p.seg.H
		if err := t.open(k); err != nil {
			return wrap(err, "strip %d", k)
		}
		part := samples[y*stride : min(n, (k+1)*p.seg.H-t.y)*stride]
		if got, err := io.ReadFull(t.stream, part); err != nil {
			t.close()
			return wrap(short(got, len(part), err), "strip %d: decode %s", k, p.codec.name)
		}
		y += len(part) / stride
	}
	t.y += n
	t.finish(dst, samples)
	return nil
}

// open makes the stream that of strip k.
func (t *streamedStrips) open(k int) (err error) {
	if t.stream != nil && t.strip == k {
		return nil
	}
	t.close()
	t.strip = k
	src := io.NewSectionReader(t.s.r, int64(t.p.offsets[k]), int64(t.p.counts[k]))
	if t.p.codec.kind == kindPackBits {
		return fault.New(fault.Unsupported, "PackBits strips of %v pixels are too large to decode", t.p.seg)
	}
	t.stream, t.done, err = openStream(t.p.codec.kind, newBuffered(src))
	if err != nil {
		t.stream = nil
		return short(0, int(t.p.rawBytes(k)), err)
	}
	return nil
}

func (t *streamedStrips) close() {
	if t.stream != nil {
		t.done()
		t.stream, t.done = nil, nil
	}
}
