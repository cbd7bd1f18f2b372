package blob_test

import (
	"bytes"
	"fmt"
	"io"
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
