package server

import (
	"container/list"
	"sync"
)

// lru keeps what was used last, within a bound on its total cost. It is safe for
// concurrent use.
type lru[V any] struct {
	most int64

	mu    sync.Mutex
	used  int64
	byKey map[string]*list.Element
	order list.List // of *entry, the latest first
}

type entry[V any] struct {
	key   string
	value V
	cost  int64
}

func newLRU[V any](most int64) *lru[V] {
	return &lru[V]{most: most, byKey: map[string]*list.Element{}}
}

func (l *lru[V]) get(key string) (v V, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.byKey[key]
	if e == nil {
		return v, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*entry[V]).value, true
}

// put keeps v, in place of what had its key before.
func (l *lru[V]) put(key string, v V, cost int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.byKey[key]; e != nil {
		l.remove(e)
	}
	l.byKey[key] = l.order.PushFront(&entry[V]{key, v, cost})
	l.used += cost
	for l.used > l.most {
		l.remove(l.order.Back())
	}
}

func (l *lru[V]) remove(e *list.Element) {
	v := l.order.Remove(e).(*entry[V])
	delete(l.byKey, v.key)
	l.used -= v.cost
}
