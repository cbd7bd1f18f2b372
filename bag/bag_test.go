package bag_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bcc/bag"
	"bcc/fault"
	"bcc/wsi"
)

func info(dims int) bag.Info {
	return bag.Info{
		Slide: strings.Repeat("ab", 32), Encoder: strings.Repeat("0c", 32), Dims: dims,
		Size: wsi.Size{W: 12800, H: 9000}, MPP: wsi.MPP{X: 0.25, Y: 0.26},
		Parameters: bag.Parameters{Overlap: 0.5, MinTissue: 0.25, MPPOverrideUM: 0.25},
	}
}

// content returns n places and embeddings that float16 holds exactly.
func content(n, dims int) ([]wsi.Rect, []float32) {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(dims)))
	places := make([]wsi.Rect, n)
	rows := make([]float32, n*dims)
	for i := range places {
		places[i] = wsi.Rect{X: 100*i - 50, Y: 7 * i, W: 448, H: 449}
	}
	for i := range rows {
		rows[i] = float32(rng.IntN(2001)-1000) / 64
	}
	return places, rows
}

func write(t testing.TB, path string, n, dims int) ([]wsi.Rect, []float32) {
	t.Helper()
	places, rows := content(n, dims)
	if err := bag.Write(path, info(dims), places, rows); err != nil {
		t.Fatal(err)
	}
	return places, rows
}

func TestItGivesBackWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, dims int }{{0, 5}, {1, 1}, {3, 40000}, {700, 96}, {1025, 32}} {
		t.Run(fmt.Sprintf("%dx%d", c.n, c.dims), func(t *testing.T) {
			t.Parallel()
			path := bag.Path(t.TempDir(), "a folder/s.tif")
			places, rows := write(t, path, c.n, c.dims)
			f, err := bag.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Info != info(c.dims) || f.Len() != c.n || len(f.Digest()) != 64 {
				t.Errorf("read as %+v, %d patches", f.Info, f.Len())
			}
			if got, err := f.Places(); err != nil || !slices.Equal(got, places) {
				t.Errorf("places came back otherwise: %v", err)
			}
			if got, err := f.All(); err != nil || !slices.Equal(got, rows) {
				t.Errorf("embeddings came back otherwise: %v", err)
			}
			if err := f.Verify(); err != nil {
				t.Errorf("a good bag: %v", err)
			}
			some := []int{}
			for i := c.n - 1; i >= 0; i -= 1 + i/3 {
				some = append(some, i)
			}
			got := make([]float32, len(some)*c.dims)
			if err := f.Rows(got, some); err != nil {
				t.Fatal(err)
			}
			for k, i := range some {
				if !slices.Equal(got[k*c.dims:(k+1)*c.dims], rows[i*c.dims:(i+1)*c.dims]) {
					t.Errorf("row %d came back otherwise", i)
				}
			}
			if err := f.Rows(make([]float32, c.dims), []int{c.n}); err == nil {
				t.Error("there is a row beyond the last")
			}
		})
	}
}

func TestTheSameContentGivesTheSameBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, 300, 64)
	write(t, b, 10, 64)
	write(t, b, 300, 64) // over an older one
	one, _ := os.ReadFile(a)
	two, _ := os.ReadFile(b)
	if len(one) == 0 || !bytes.Equal(one, two) {
		t.Error("two bags of one content differ")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("%d files in the folder, want 2", len(left))
	}
}

// Every byte counts: whichever changes, and wherever the file ends, is found.
func TestItFindsEveryDamage(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.bag")
	write(t, path, 9, 4000) // two blocks
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(b []byte) error {
		bag, err := bag.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return err
		}
		return bag.Verify()
	}
	if err := verify(good); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(good); at += 1 + at/500*61 { // every byte of what comes first
		bad := bytes.Clone(good)
		bad[at] ^= 0x10
		if k := fault.Of(verify(bad)); k != fault.Corrupt && k != fault.Unsupported {
			t.Fatalf("byte %d changed: %v", at, verify(bad))
		}
	}
	for _, n := range []int{0, 7, 200, 256, 260, 300, len(good) - 1} {
		if err := verify(good[:n]); fault.Of(err) != fault.Corrupt {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if err := verify(append(bytes.Clone(good), 0)); fault.Of(err) != fault.Corrupt {
		t.Errorf("a byte too many: %v", err)
	}
	// A file that shrinks after it was opened ends in an error, not in a signal.
	if err := os.Truncate(path, int64(len(good))); err != nil {
		t.Fatal(err)
	}
	f, err := bag.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(path, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := f.All(); fault.Of(err) != fault.Corrupt {
		t.Errorf("a file cut while it was open: %v", err)
	}
}

func TestItSaysWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := bag.OpenFile(filepath.Join(dir, "none.bag")); fault.Of(err) != fault.NotFound || fault.HintOf(err) == "" {
		t.Errorf("no file: %v", err)
	}
	if _, err := bag.OpenFile(dir); fault.Of(err) != fault.Corrupt {
		t.Errorf("a folder: %v", err)
	}
	broken := readerAt(func([]byte, int64) (int, error) { return 0, errors.New("the cable is out") })
	if _, err := bag.Open(broken, 1000); fault.Of(err) != fault.Unavailable {
		t.Errorf("a disk that does not answer: %v", err)
	}
}

type readerAt func([]byte, int64) (int, error)

func (f readerAt) ReadAt(b []byte, at int64) (int, error) { return f(b, at) }

func TestItRefusesWhatFloat16CannotHold(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.bag")
	places, rows := write(t, path, 2, 3)
	for v, kind := range map[float32]fault.Kind{70000: fault.Unsupported, -70000: fault.Unsupported, float32(math.Inf(1)): fault.Corrupt} {
		rows[4] = v
		if err := bag.Write(path, info(3), places, rows); fault.Of(err) != kind || !strings.Contains(err.Error(), "patch 1") {
			t.Errorf("%v: %v", v, err)
		}
	}
	rows[4] = float32(math.NaN())
	if err := bag.Write(path, info(3), places, rows); fault.Of(err) != fault.Corrupt {
		t.Errorf("NaN: %v", err)
	}
	f, err := bag.OpenFile(path) // the older one stands
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(); err != nil || f.Len() != 2 {
		t.Errorf("the older bag: %v", err)
	}
}

func TestItClearsAwayWhatAKilledRunLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old, young, other := filepath.Join(dir, ".s.bag.1.bcc-tmp"), filepath.Join(dir, ".s.bag.2.bcc-tmp"), filepath.Join(dir, ".t.bag.3.bcc-tmp")
	for _, name := range []string{old, young, other} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{old, other} {
		if err := os.Chtimes(name, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "s.bag"), 1, 1)
	for name, want := range map[string]bool{old: false, young: true, other: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(name), err == nil, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, c := range []struct{ n, dims int }{{0, 1}, {2, 3}, {5, 8000}} {
		path := filepath.Join(f.TempDir(), "s.bag")
		write(f, path, c.n, c.dims)
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := bag.Open(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			if places, err := b.Places(); err == nil && len(places) != b.Len() {
				t.Errorf("%d places for %d patches", len(places), b.Len())
			}
			_, err = b.All()
		}
		if err != nil && fault.Of(err) != fault.Corrupt && fault.Of(err) != fault.Unsupported {
			t.Errorf("%v of kind %v", err, fault.Of(err))
		}
	})
}
