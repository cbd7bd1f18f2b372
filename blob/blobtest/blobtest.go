// Package blobtest holds the tests that every blob.Store passes, and a store that
// fails on request.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"bcc/blob"
	"bcc/fault"
)

// Exercise tests a store; open returns an empty one for each test. Large objects
// are of size large (bytes), so that a store which cuts them into parts has several.
func Exercise(t *testing.T, large int, open func(t *testing.T) blob.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, blob.Store, int){
		"what is put is there, in place of what was": putReplaces,
		"an object is created once":                  createsOnce,
		"of many creators one wins":                  oneWins,
		"a file is adopted and gone":                 adopts,
		"large objects are read at any place":        readsAnywhere,
		"a list is in the order of keys":             lists,
		"what is deleted is gone":                    deletes,
		"what is not there is not found":             notFound,
		"a key that is none is invalid":              refusesKeys,
		"a failed write leaves what was":             failedWrite,
		"a context that ended ends the write":        endsWithContext,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t), large)
		})
	}
}

// Bytes returns n bytes that look like nothing else, the same for the same seed.
func Bytes(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed))).Read(b)
	return b
}

func put(t *testing.T, s blob.Store, key string, data []byte) {
	t.Helper()
	// The reader is only a reader: no store may count on more.
	if err := s.Put(t.Context(), key, struct{ io.Reader }{bytes.NewReader(data)}); err != nil {
		t.Fatal(err)
	}
}

// holds fails the test unless the object has these bytes.
func holds(t *testing.T, s blob.Store, key string, want []byte) {
	t.Helper()
	o, err := s.Open(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	got, err := io.ReadAll(o.Reader())
	if err != nil || !bytes.Equal(got, want) || o.Size != int64(len(want)) {
		t.Errorf("%s: %d bytes, size %d, %v; want the %d that were written", key, len(got), o.Size, err, len(want))
	}
}

func putReplaces(t *testing.T, s blob.Store, large int) {
	for i, n := range []int{3, 0, 1, 100_000, large, 5} {
		data := Bytes(uint64(i), n)
		put(t, s, "a/b-c_D.0", data)
		holds(t, s, "a/b-c_D.0", data)
	}
	// Readers that return little at a time, and their end with the last bytes.
	data := Bytes(9, 1000)
	for _, r := range []io.Reader{iotest.OneByteReader(bytes.NewReader(data)), iotest.DataErrReader(bytes.NewReader(data))} {
		if err := s.Put(t.Context(), "odd", r); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "odd", data)
	}
}

func createsOnce(t *testing.T, s blob.Store, large int) {
	for _, n := range []int{10, large} {
		key := fmt.Sprintf("made/%d", n)
		first := Bytes(1, n)
		if err := s.Create(t.Context(), key, bytes.NewReader(first)); err != nil {
			t.Fatal(err)
		}
		if err := s.Create(t.Context(), key, bytes.NewReader(Bytes(2, n))); !errors.Is(err, blob.ErrExists) {
			t.Errorf("the second: %v, want ErrExists", err)
		}
		holds(t, s, key, first)
	}
}

func oneWins(t *testing.T, s blob.Store, _ int) {
	const n = 8
	var wg sync.WaitGroup
	var won atomic.Int64
	won.Store(-1)
	for i := range n {
		wg.Go(func() {
			err := s.Create(t.Context(), "race/end.json", bytes.NewReader(Bytes(uint64(i), 2000)))
			if err == nil && !won.CompareAndSwap(-1, int64(i)) {
				t.Error("two won")
			}
			if err != nil && !errors.Is(err, blob.ErrExists) {
				t.Errorf("creator %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if won.Load() < 0 {
		t.Fatal("nobody won")
	}
	holds(t, s, "race/end.json", Bytes(uint64(won.Load()), 2000))
}

func adopts(t *testing.T, s blob.Store, large int) {
	for _, n := range []int{0, 100, large} {
		path := filepath.Join(t.TempDir(), "upload")
		if err := os.WriteFile(path, Bytes(3, n), 0o600); err != nil {
			t.Fatal(err)
		}
		put(t, s, "slides/x", []byte("older"))
		if err := s.Adopt(t.Context(), "slides/x", path); err != nil {
			t.Fatal(err)
		}
		holds(t, s, "slides/x", Bytes(3, n))
		if _, err := os.Lstat(path); err == nil {
			t.Error("the file is still there")
		}
	}
	if err := s.Adopt(t.Context(), "slides/y", filepath.Join(t.TempDir(), "none")); fault.Of(err) != fault.NotFound {
		t.Errorf("no such file: %v, want not found", err)
	}
	if err := s.Adopt(t.Context(), "slides/y", t.TempDir()); fault.Of(err) != fault.Invalid {
		t.Errorf("a folder: %v, want invalid", err)
	}
}

func readsAnywhere(t *testing.T, s blob.Store, large int) {
	want := Bytes(4, large)
	put(t, s, "slide", want)
	o, err := s.Open(t.Context(), "slide")
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 5))
			for range 40 {
				at := r.IntN(large)
				n := 1 + r.IntN(min(large-at, 1<<(1+r.IntN(22))))
				p := make([]byte, n)
				if got, err := o.ReadAt(p, int64(at)); got != n || err != nil && err != io.EOF || !bytes.Equal(p, want[at:at+n]) {
					t.Errorf("ReadAt(%d bytes, %d) = %d, %v, or other bytes", n, at, got, err)
				}
			}
		})
	}
	wg.Wait()
	p := make([]byte, 10)
	if n, err := o.ReadAt(p, int64(large-4)); n != 4 || err != io.EOF || !bytes.Equal(p[:4], want[large-4:]) {
		t.Errorf("over the end: %d, %v", n, err)
	}
	if n, err := o.ReadAt(p, int64(large)+5); n != 0 || err != io.EOF {
		t.Errorf("behind the end: %d, %v", n, err)
	}
	if n, err := o.ReadAt(p, -1); n != 0 || err == nil || err == io.EOF {
		t.Errorf("before the beginning: %d, %v", n, err)
	}
}

// keys yields the keys of a list.
func keys(t *testing.T, s blob.Store, prefix string) []string {
	t.Helper()
	all := []string{}
	for info, err := range s.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		if info.Size != int64(len(info.Key)) || info.Modified.IsZero() {
			t.Errorf("%+v: want its size to be that of its key, and a time", info)
		}
		all = append(all, info.Key)
	}
	return all
}

func lists(t *testing.T, s blob.Store, _ int) {
	all := []string{"a/b", "a-b", "a.b", "a/b.c", "a/bc/d", "a0", "A", "z/y/x/w", "a/b-/c"}
	for _, k := range all {
		put(t, s, k, []byte(k)) // as long as its key
	}
	slices.Sort(all)
	for _, prefix := range []string{"", "a", "a/", "a/b", "a/b-", "z/y/x/w", "z/y", "none", "none/x"} {
		want := slices.DeleteFunc(slices.Clone(all), func(k string) bool { return !strings.HasPrefix(k, prefix) })
		if got := keys(t, s, prefix); !slices.Equal(got, want) {
			t.Errorf("list %q = %q, want %q", prefix, got, want)
		}
	}
	for info := range s.List(t.Context(), "a") { // a reader that has enough
		if info.Key != "a-b" {
			t.Errorf("first: %s, want a-b", info.Key)
		}
		break
	}
}

func deletes(t *testing.T, s blob.Store, _ int) {
	put(t, s, "d/x", []byte("x"))
	for range 2 { // the second time it is not there
		if err := s.Delete(t.Context(), "d/x"); err != nil {
			t.Fatal(err)
		}
		if there, err := blob.Exists(t.Context(), s, "d/x"); there || err != nil {
			t.Errorf("there: %v, %v", there, err)
		}
	}
	if got := keys(t, s, "d/"); len(got) != 0 {
		t.Errorf("listed: %q", got)
	}
	if err := s.Create(t.Context(), "d/x", strings.NewReader("new")); err != nil {
		t.Errorf("create it again: %v", err)
	}
}

func notFound(t *testing.T, s blob.Store, _ int) {
	put(t, s, "there", nil)
	for _, key := range []string{"none", "none/x", "there/x"} {
		if _, err := s.Open(t.Context(), key); fault.Of(err) != fault.NotFound || err == nil {
			t.Errorf("open %s: %v, want not found", key, err)
		}
	}
	put(t, s, "folder/x", nil)
	if _, err := s.Open(t.Context(), "folder"); fault.Of(err) != fault.NotFound || err == nil {
		t.Errorf("open a folder: %v, want not found", err)
	}
}

func refusesKeys(t *testing.T, s blob.Store, _ int) {
	for _, key := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", "./a", ".a", "a/.b",
		"a b", "a\\b", "a\x00", "a\nb", "ä", "a%2e", strings.Repeat("a", 300), strings.Repeat("a/", 500) + "a",
	} {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, open := s.Open(t.Context(), key)
		for what, err := range map[string]error{
			"put":    s.Put(t.Context(), key, strings.NewReader("x")),
			"create": s.Create(t.Context(), key, strings.NewReader("x")),
			"adopt":  s.Adopt(t.Context(), key, file),
			"delete": s.Delete(t.Context(), key),
			"open":   open,
		} {
			if fault.Of(err) != fault.Invalid {
				t.Errorf("%s %.40q: %v, want invalid", what, key, err)
			}
		}
	}
	for _, err := range s.List(t.Context(), "../") {
		if fault.Of(err) != fault.Invalid {
			t.Errorf("list ../: %v, want invalid", err)
		}
	}
}

func failedWrite(t *testing.T, s blob.Store, large int) {
	put(t, s, "x", []byte("older"))
	broken := fault.New(fault.Busy, "broken")
	body := func() io.Reader { return io.MultiReader(bytes.NewReader(Bytes(6, large)), iotest.ErrReader(broken)) }
	if err := s.Put(t.Context(), "x", body()); !errors.Is(err, broken) || fault.Of(err) != fault.Busy {
		t.Errorf("put: %v, want the reader's error and kind", err)
	}
	if err := s.Create(t.Context(), "y", body()); !errors.Is(err, broken) {
		t.Errorf("create: %v, want the reader's error", err)
	}
	holds(t, s, "x", []byte("older"))
	if there, err := blob.Exists(t.Context(), s, "y"); there || err != nil {
		t.Errorf("half an object: %v, %v", there, err)
	}
}

func endsWithContext(t *testing.T, s blob.Store, large int) {
	put(t, s, "x", []byte("older"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := io.MultiReader(bytes.NewReader(Bytes(7, large)), readerFunc(func(p []byte) (int, error) {
		cancel()
		return len(p), nil // an endless body
	}))
	if err := s.Put(ctx, "x", r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want canceled", err)
	}
	holds(t, s, "x", []byte("older"))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
