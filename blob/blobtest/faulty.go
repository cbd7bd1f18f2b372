package blobtest

import (
	"context"
	"io"
	"iter"
	"sync"

	"bcc/blob"
	"bcc/fault"
)

// The operations that a Faulty store counts and fails.
const (
	Put    = "put"
	Create = "create"
	Adopt  = "adopt"
	Open   = "open"
	List   = "list"
	Delete = "delete"
)

// Faulty is a store that fails on request.
type Faulty struct {
	store blob.Store

	mu    sync.Mutex
	fail  func(op, key string) error
	calls map[string]int
}

var _ blob.Store = (*Faulty)(nil)

// NewFaulty returns a store that works until it is told otherwise.
func NewFaulty(s blob.Store) *Faulty { return &Faulty{store: s, calls: map[string]int{}} }

// Fail makes calls fail for which f returns an error; they do nothing then. Nil:
// all work again.
func (f *Faulty) Fail(fail func(op, key string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

// Down makes every call fail as a store that does not answer.
func (f *Faulty) Down() {
	f.Fail(func(op, key string) error {
		return fault.New(fault.Unavailable, "%s object %s: the store does not answer", op, key)
	})
}

// Up makes every call work.
func (f *Faulty) Up() { f.Fail(nil) }

// Calls returns how often an operation was called, failed ones too.
func (f *Faulty) Calls(op string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[op]
}

func (f *Faulty) call(op, key string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[op]++
	if f.fail == nil {
		return nil
	}
	return f.fail(op, key)
}

// Put is part of blob.Store, as are the methods below.
func (f *Faulty) Put(ctx context.Context, key string, r io.Reader) error {
	if err := f.call(Put, key); err != nil {
		io.CopyN(io.Discard, r, 10) // as one that fails on the way
		return err
	}
	return f.store.Put(ctx, key, r)
}

// Create is part of blob.Store.
func (f *Faulty) Create(ctx context.Context, key string, r io.Reader) error {
	if err := f.call(Create, key); err != nil {
		io.CopyN(io.Discard, r, 10)
		return err
	}
	return f.store.Create(ctx, key, r)
}

// Adopt is part of blob.Store.
func (f *Faulty) Adopt(ctx context.Context, key, path string) error {
	if err := f.call(Adopt, key); err != nil {
		return err
	}
	return f.store.Adopt(ctx, key, path)
}

// Open is part of blob.Store.
func (f *Faulty) Open(ctx context.Context, key string) (*blob.Object, error) {
	if err := f.call(Open, key); err != nil {
		return nil, err
	}
	return f.store.Open(ctx, key)
}

// List is part of blob.Store.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	if err := f.call(List, prefix); err != nil {
		return func(yield func(blob.Info, error) bool) { yield(blob.Info{}, err) }
	}
	return f.store.List(ctx, prefix)
}

// Delete is part of blob.Store.
func (f *Faulty) Delete(ctx context.Context, key string) error {
	if err := f.call(Delete, key); err != nil {
		return err
	}
	return f.store.Delete(ctx, key)
}
