package slide

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"bcc/fault"
	"bcc/slide/internal/tifftest"
)

func noise(n, values int) []byte {
	rng := rand.New(rand.NewPCG(5, uint64(values)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.IntN(values))
	}
	return b
}

func TestItUndoesLZWAsTheStreamDoes(t *testing.T) {
	t.Parallel()
	for _, values := range []int{1, 2, 7, 256} { // long strings, and every width of code
		want := noise(100_000, values)
		src := tifftest.EncodeLZW(want)
		got := make([]byte, len(want))
		if n, err := unLZW(got, src); err != nil || n != len(want) || !bytes.Equal(got, want) {
			t.Errorf("%d values: %d bytes, %v", values, n, err)
		}
		r, done, err := openStream(kindLZW, bytes.NewReader(src))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(r, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d values, streamed: %d bytes, %v", values, n, err)
		}
		done()
		part := got[:1234] // room for less than the stream holds, in the middle of a string
		if n, err := unLZW(part, src); err != nil || n != len(part) || !bytes.Equal(part, want[:1234]) {
			t.Errorf("%d values, in part: %d bytes, %v", values, n, err)
		}
	}
}

func FuzzTile(f *testing.F) {
	pix := noise(300, 9)
	for kind := range kindJPEG {
		f.Add(kind, pix, 300)
	}
	f.Add(kindLZW, tifftest.EncodeLZW(pix), 300)
	f.Add(kindDeflate, tifftest.EncodeDeflate(pix), 200)
	f.Fuzz(func(t *testing.T, kind int, src []byte, size int) {
		if kind < 0 || kind >= kindJPEG || size < 0 || size > 1<<20 {
			t.Skip()
		}
		dst := make([]byte, size)
		err := decompress(kind, dst, src)
		if err != nil && fault.Of(err) != fault.Corrupt {
			t.Errorf("kind %v: %v", fault.Of(err), err)
		}
		if err == nil {
			unpredict(dst, 10, 3)
		}
	})
}
