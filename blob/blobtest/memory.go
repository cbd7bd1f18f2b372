package blobtest

import (
	"bytes"
	"context"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"bcc/blob"
	"bcc/fault"
)

// Memory is a store in memory: for tests that want no disk, and for simulations.
type Memory struct {
	mu      sync.Mutex
	objects map[string]memoryObject
}

type memoryObject struct {
	data     []byte // never changed: readers share it
	modified time.Time
}

var _ blob.Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{objects: map[string]memoryObject{}} }

// Put is part of blob.Store, as are the methods below.
func (m *Memory) Put(ctx context.Context, key string, r io.Reader) error {
	return m.write(ctx, key, r, true)
}

// Create is part of blob.Store.
func (m *Memory) Create(ctx context.Context, key string, r io.Reader) error {
	return m.write(ctx, key, r, false)
}

func (m *Memory) write(ctx context.Context, key string, r io.Reader, over bool) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	data, err := io.ReadAll(withContext{ctx, r})
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, is := m.objects[key]; is && !over {
		return blob.ErrExists
	}
	m.objects[key] = memoryObject{data, time.Now()}
	return nil
}

// Adopt is part of blob.Store.
func (m *Memory) Adopt(ctx context.Context, key, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fault.New(fault.NotFound, "adopt: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.Invalid, "adopt %s: no file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := m.Put(ctx, key, bytes.NewReader(data)); err != nil {
		return err
	}
	return os.Remove(path)
}

// Open is part of blob.Store.
func (m *Memory) Open(ctx context.Context, key string) (*blob.Object, error) {
	if err := blob.CheckKey(key); err != nil {
		return nil, err
	}
	data, ok := m.Bytes(key)
	if !ok {
		return nil, fault.New(fault.NotFound, "object %s: there is none", key)
	}
	return blob.NewObject(bytes.NewReader(data), int64(len(data)), nil), ctx.Err()
}

// Bytes returns an object's bytes, which must not be changed.
func (m *Memory) Bytes(key string) (data []byte, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	return o.data, ok
}

// List is part of blob.Store.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if whole := strings.TrimSuffix(prefix, "/"); whole != "" || prefix != "" {
			if err := blob.CheckKey(whole); err != nil {
				yield(blob.Info{}, err)
				return
			}
		}
		for _, info := range m.infos(prefix) {
			if err := ctx.Err(); err != nil {
				yield(blob.Info{}, err)
				return
			}
			if !yield(info, nil) {
				return
			}
		}
	}
}

func (m *Memory) infos(prefix string) []blob.Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []blob.Info
	for key, o := range m.objects {
		if strings.HasPrefix(key, prefix) {
			all = append(all, blob.Info{Key: key, Size: int64(len(o.data)), Modified: o.modified})
		}
	}
	slices.SortFunc(all, func(a, b blob.Info) int { return strings.Compare(a.Key, b.Key) })
	return all
}

// Delete is part of blob.Store.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := blob.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

// withContext is a reader that ends with its context.
type withContext struct {
	ctx context.Context
	r   io.Reader
}

func (w withContext) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.r.Read(p)
}
