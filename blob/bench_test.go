package blob_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"bcc/blob"
	"bcc/blob/blobtest"
)

// A slide's end is one such write: on the disk when it returns.
func BenchmarkFolderCreate(b *testing.B) {
	f, err := blob.Folder(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	end := blobtest.Bytes(1, 600)
	i := 0
	for b.Loop() {
		i++
		if err := f.Create(b.Context(), fmt.Sprintf("cohorts/c/ends/%d.json", i), bytes.NewReader(end)); err != nil {
			b.Fatal(err)
		}
	}
}

// What a one-shard slide writes: its shard, its results (seven files and their sums) and
// its end, by so many workers at once.
func BenchmarkFolderSlide(b *testing.B) {
	dir := b.TempDir()
	for i, size := range []int{400, 900, 3000, 15_000, 40_000, 100, 2000} {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("file", i)), blobtest.Bytes(uint64(i), size), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	shard, end := blobtest.Bytes(8, 3000), blobtest.Bytes(9, 600)
	for _, workers := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			f, err := blob.Folder(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						err := errors.Join(
							f.Create(b.Context(), fmt.Sprintf("patches/%d", n), bytes.NewReader(shard)),
							blob.WriteSet(b.Context(), f, fmt.Sprintf("results/%d", n), dir),
							f.Create(b.Context(), fmt.Sprintf("cohorts/c/ends/%d.json", n), bytes.NewReader(end)))
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "slides/s")
		})
	}
}

// A synced write, for comparison: what the disk does without us.
func BenchmarkDiskSync(b *testing.B) {
	dir, data, i := b.TempDir(), blobtest.Bytes(1, 600), 0
	for b.Loop() {
		i++
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err == nil {
			_, err = f.Write(data)
		}
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

// Tiles of a slide in the order in which a grid asks for them, over a server without
// a network between.
func BenchmarkBucketReadTiles(b *testing.B) {
	const slide = 64 << 20
	s := newBucket(b).open(b)
	if err := s.Put(b.Context(), "slide", bytes.NewReader(blobtest.Bytes(1, slide))); err != nil {
		b.Fatal(err)
	}
	tile := make([]byte, 20_000)
	b.SetBytes(slide)
	for b.Loop() {
		o, err := s.Open(b.Context(), "slide")
		if err != nil {
			b.Fatal(err)
		}
		for at := int64(0); at < slide; at += int64(len(tile)) {
			if _, err := o.ReadAt(tile, at); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
		o.Close()
	}
}
