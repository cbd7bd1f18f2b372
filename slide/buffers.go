package slide

import (
	"math/bits"
	"sync"
)

// maxIdleBytes bounds the buffers that wait to be used again.
const maxIdleBytes = 16 << 20

// buffers lends byte slices. It exists so that reading a slide makes no garbage:
// a walk decodes some hundred times the memory it may hold.
type buffers struct {
	pressed func() bool // memory is tight; nil: it never is

	mu   sync.Mutex
	free map[int][][]byte // by capacity
	idle int
}

// get returns a slice of n bytes of unknown content.
func (b *buffers) get(n int) []byte {
	size := sizeClass(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.free[size]
	if len(list) == 0 {
		return make([]byte, n, size)
	}
	buf := list[len(list)-1]
	b.free[size] = list[:len(list)-1]
	b.idle -= size
	return buf[:n]
}

// put gives back a slice that came from get.
func (b *buffers) put(buf []byte) {
	tight := b.tight()
	b.mu.Lock()
	defer b.mu.Unlock()
	if tight {
		b.free, b.idle = nil, 0
		return
	}
	if b.idle+cap(buf) > maxIdleBytes || cap(buf) != sizeClass(cap(buf)) {
		return
	}
	if b.free == nil {
		b.free = map[int][][]byte{}
	}
	b.free[cap(buf)] = append(b.free[cap(buf)], buf)
	b.idle += cap(buf)
}

// tight reports whether nothing is kept that is not in use.
func (b *buffers) tight() bool { return b.pressed != nil && b.pressed() }

// drop forgets all idle buffers.
func (b *buffers) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free, b.idle = nil, 0
}

// sizeClass rounds up to a power of two or one and a half of it: tiles of 256 and
// 512 px in RGB fit the latter exactly.
func sizeClass(n int) int {
	if n <= 4096 {
		return 4096
	}
	p := 1 << bits.Len(uint(n-1))
	if h := p / 4 * 3; n <= h {
		return h
	}
	return p
}
