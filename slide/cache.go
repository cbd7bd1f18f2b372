package slide

import (
	"context"
	"sync"
)

// tileKey names a segment of a level.
type tileKey struct{ level, seg int }

// cachedTile is a decoded segment, or one that somebody is decoding.
type cachedTile struct {
	key   tileKey
	ready chan struct{} // closed when pix or err stand
	pix   []byte
	err   error

	// Under the cache's lock:
	refs       int // readers, and the cache itself
	prev, next *cachedTile
}

// tileCache keeps decoded segments, the least recently used going first. A
// segment that several readers want is decoded once. One lock suffices: it is
// held for some hundred nanoseconds where decoding takes a millisecond.
type tileCache struct {
	bufs   *buffers
	budget int64
	least  int64 // the budget when memory is tight

	mu    sync.Mutex
	used  int64
	tiles map[tileKey]*cachedTile
	ring  cachedTile // of finished tiles; ring.next is the one used last
}

func newTileCache(bufs *buffers, budget int64) *tileCache {
	c := &tileCache{bufs: bufs, budget: budget, least: pressedBytes, tiles: map[tileKey]*cachedTile{}}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// get returns the segment of size bytes, calling fill where it is not there. The
// caller gives it back with release.
func (c *tileCache) get(ctx context.Context, key tileKey, size int, fill func(dst []byte) error) (*cachedTile, error) {
	for {
		c.mu.Lock()
		t, found := c.tiles[key]
		if !found {
			t = &cachedTile{key: key, ready: make(chan struct{}), refs: 2}
			c.tiles[key] = t
			c.mu.Unlock()
			return c.fill(t, size, fill)
		}
		t.refs++
		c.touch(t)
		c.mu.Unlock()

		select {
		case <-t.ready:
		case <-ctx.Done():
			c.release(t)
			return nil, ctx.Err()
		}
		if t.err == nil {
			return t, nil
		}
		err := t.err
		c.release(t)
		// Whoever decoded it may have been told to stop; we have not.
		if !isCancelled(err) || ctx.Err() != nil {
			return nil, err
		}
	}
}

// peek returns a finished segment if it is there.
func (c *tileCache) peek(key tileKey) *cachedTile {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tiles[key]
	if t == nil || t.next == nil {
		return nil
	}
	t.refs++
	c.touch(t)
	return t
}

// offer keeps a copy of a segment that came up while another was sought.
func (c *tileCache) offer(key tileKey, pix []byte) {
	c.mu.Lock()
	if c.tiles[key] != nil {
		c.mu.Unlock()
		return
	}
	t := &cachedTile{key: key, ready: make(chan struct{}), refs: 2}
	c.tiles[key] = t
	c.mu.Unlock()
	t, _ = c.fill(t, len(pix), func(dst []byte) error { copy(dst, pix); return nil })
	c.release(t)
}

// fill makes the pixels of a tile that has just been entered.
func (c *tileCache) fill(t *cachedTile, size int, fill func(dst []byte) error) (*cachedTile, error) {
	t.pix = c.bufs.get(size)
	t.err = fill(t.pix)

	c.mu.Lock()
	if t.err != nil {
		delete(c.tiles, t.key)
		t.refs--
	} else {
		c.used += int64(cap(t.pix))
		c.link(t)
		c.evict(t)
	}
	c.mu.Unlock()
	close(t.ready)
	if t.err != nil {
		err := t.err
		c.release(t)
		return nil, err
	}
	return t, nil
}

// release gives a tile back; its memory is used again once nobody holds it.
func (c *tileCache) release(t *cachedTile) {
	c.mu.Lock()
	t.refs--
	free := t.refs == 0
	c.mu.Unlock()
	if free {
		c.bufs.put(t.pix)
	}
}

// evict makes room, sparing the tile that has just come.
func (c *tileCache) evict(spare *cachedTile) {
	budget := c.budget
	if c.bufs.tight() {
		budget = min(budget, c.least)
	}
	for c.used > budget && c.ring.prev != &c.ring && c.ring.prev != spare {
		c.remove(c.ring.prev)
	}
}

func (c *tileCache) remove(t *cachedTile) {
	delete(c.tiles, t.key)
	t.prev.next, t.next.prev = t.next, t.prev
	t.prev, t.next = nil, nil
	c.used -= int64(cap(t.pix))
	if t.refs--; t.refs == 0 {
		c.bufs.put(t.pix)
	}
}

// drop forgets all finished tiles.
func (c *tileCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ring.next != &c.ring {
		c.remove(c.ring.next)
	}
}

func (c *tileCache) link(t *cachedTile) {
	t.prev, t.next = &c.ring, c.ring.next
	t.prev.next, t.next.prev = t, t
}

// touch moves a finished tile to the front.
func (c *tileCache) touch(t *cachedTile) {
	if t.next == nil || c.ring.next == t {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	c.link(t)
}
