package worker

import (
	"container/list"
	"crypto/sha256"
	"encoding/json"
	"sync"
)

// recall remembers answers up to a number of bytes, those asked for last. Each is
// kept encoded with its checksum, which a hit is compared with: memory of a machine
// that runs for months is not trusted with a finding either.
type recall struct {
	most int

	mu    sync.Mutex
	bytes int
	order list.List // of *memory, the last asked for first
	at    map[string]*list.Element
}

type memory struct {
	key  string
	data []byte
	sum  [sha256.Size]byte
}

// entryBytes is about what an entry costs beside its answer.
const entryBytes = 256

func newRecall(most int) *recall { return &recall{most: most, at: map[string]*list.Element{}} }

// get returns the answer of a key; poisoned says that one was there and is dropped
// because it does not fit its checksum.
func (r *recall) get(key string) (look Look, ok, poisoned bool) {
	r.mu.Lock()
	e := r.at[key]
	if e == nil {
		r.mu.Unlock()
		return Look{}, false, false
	}
	r.order.MoveToFront(e)
	m := e.Value.(*memory)
	r.mu.Unlock()
	if sha256.Sum256(m.data) != m.sum || json.Unmarshal(m.data, &look) != nil {
		r.drop(m)
		return Look{}, false, true
	}
	return look, true, false
}

func (r *recall) put(key string, look Look) {
	data, err := json.Marshal(look)
	if err != nil || len(data)+entryBytes > r.most/8 { // one must not drive out all others
		return
	}
	m := &memory{key, data, sha256.Sum256(data)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at[key] != nil {
		return
	}
	r.at[key] = r.order.PushFront(m)
	r.bytes += len(data) + entryBytes
	for r.bytes > r.most {
		r.take(r.order.Back())
	}
}

func (r *recall) drop(m *memory) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.at[m.key]; e != nil && e.Value == m {
		r.take(e)
	}
}

// take takes an entry out. The caller holds mu.
func (r *recall) take(e *list.Element) {
	m := e.Value.(*memory)
	r.order.Remove(e)
	delete(r.at, m.key)
	r.bytes -= len(m.data) + entryBytes
}
