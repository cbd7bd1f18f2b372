package worker

import (
	"bytes"
	"crypto/sha256"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"bcc/blob"
	"bcc/fault"
)

func someRows() *shardRows {
	return &shardRows{
		rowsHeader{Key: "patches/aa", Patches: 3, Outputs: 2, Program: "1", Devices: []string{"cpu"}, TookS: 1.5},
		[]float32{0, 1, -2.5, float32(math.Inf(1)), 1e-30, 7},
	}
}

func TestRowsComeBackAndEveryDamageIsFound(t *testing.T) {
	t.Parallel()
	r := someRows()
	b := r.encode()
	got, err := decodeRows(r.Key, b)
	if err != nil || !slices.Equal(got.values, r.values) || got.TookS != 1.5 || got.perPatch().Milliseconds() != 500 {
		t.Fatalf("%+v, %v", got, err)
	}
	for i := range b {
		for _, bit := range []byte{1, 128} {
			bad := bytes.Clone(b)
			bad[i] ^= bit
			if _, err := decodeRows(r.Key, bad); fault.Of(err) != fault.Corrupt {
				t.Fatalf("a bit of byte %d turned: %v", i, err)
			}
		}
		if _, err := decodeRows(r.Key, b[:i]); fault.Of(err) != fault.Corrupt {
			t.Fatalf("cut at byte %d: %v", i, err)
		}
	}
	if _, err := decodeRows("patches/bb", b); fault.Of(err) != fault.Corrupt {
		t.Errorf("rows of another shard: %v", err)
	}
}

// Whole by its sum, and yet no rows: a program that is wrong wrote it.
func TestRowsThatContradictThemselvesAreCorrupt(t *testing.T) {
	t.Parallel()
	sealed := func(b []byte) []byte {
		sum := sha256.Sum256(b)
		return append(b, sum[:]...)
	}
	long := someRows()
	long.Patches = 4
	none := someRows()
	none.Outputs = 0
	whole := someRows().encode()
	body := whole[:len(whole)-sha256.Size]
	other := bytes.Clone(body)
	other[7] = 2
	header := bytes.Clone(body)
	header[8], header[9], header[10] = 255, 255, 255
	for name, b := range map[string][]byte{
		"too few": long.encode(), "no outputs": none.encode(), "another version": sealed(other),
		"a long header": sealed(header), "no header": sealed([]byte(rowsMagic + "\x02\x00\x00\x00{]")), "nothing": sealed(nil),
	} {
		if _, err := decodeRows("patches/aa", b); fault.Of(err) != fault.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRowsInAStoreAreChecked(t *testing.T) {
	t.Parallel()
	store, err := blob.Folder(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	r := someRows()
	if err := CheckRows(t.Context(), store, r.Key); fault.Of(err) != fault.NotFound {
		t.Errorf("none there: %v", err)
	}
	b := r.encode()
	if err := store.Put(t.Context(), r.Key, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if err := CheckRows(t.Context(), store, r.Key); err != nil {
		t.Error(err)
	}
	b[len(b)/2] ^= 1
	if err := store.Put(t.Context(), r.Key, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	if err := CheckRows(t.Context(), store, r.Key); fault.Of(err) != fault.Corrupt {
		t.Errorf("damaged: %v", err)
	}
}

func FuzzDecodeRows(f *testing.F) {
	f.Add(someRows().encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		sum := sha256.Sum256(b)
		for _, data := range [][]byte{b, append(bytes.Clone(b), sum[:]...)} {
			if r, err := decodeRows("patches/aa", data); err == nil && len(r.values) != r.Patches*r.Outputs {
				t.Errorf("%d values of %d patches", len(r.values), r.Patches)
			}
		}
	})
}
