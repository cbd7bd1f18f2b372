package disk_test

import (
	"path/filepath"
	"testing"

	"bcc/disk"
	"bcc/disk/powertest"
)

// A file that Write wrote is there after any cut, in folders that were not there
// before, and the older one until then; each sync on the way is needed for it.
func TestAFileOutlivesAnyCut(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	path := filepath.Join(d.Dir(), "new", "folder", "f")
	var at []int
	for _, text := range []string{"older", "newer"} {
		if err := disk.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		at = append(at, d.Now())
	}
	run := d.Record()
	// broken returns the first cut at which the file is not what it has to be.
	broken := func(loss powertest.Loss, without string) (int, bool) {
		for n, s := range run.Cuts(powertest.Strict, loss, without) {
			got, there := s["new/folder/f"]
			switch text := string(got); {
			case there && text != "older" && text != "newer", n >= at[0] && !there, n >= at[1] && text != "newer":
				return n, true
			}
		}
		return 0, false
	}
	for seed := range uint64(50) {
		if n, is := broken(powertest.Mix(seed), ""); is {
			t.Fatalf("seed %d, after %s: the file is not whole", seed, run.Op(n))
		}
	}
	for _, loss := range []powertest.Loss{powertest.Drop, powertest.Keep} {
		if n, is := broken(loss, ""); is {
			t.Fatalf("after %s: the file is not whole", run.Op(n))
		}
	}
	for _, call := range run.Calls() {
		if _, is := broken(powertest.Drop, call); !is {
			t.Errorf("without %q nothing is lost", call)
		}
	}
}
