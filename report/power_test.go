package report

import (
	"bytes"
	"maps"
	"path/filepath"
	"testing"

	"bcc/disk/powertest"
)

// A set that Write wrote is there after any cut, in a folder that was not there before,
// and result.json never without the others it was written with; each sync is needed
// for that.
func TestASetOutlivesAnyCut(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	dir := filepath.Join(d.Dir(), "out", "slide")
	var sets []map[string][]byte
	var at []int
	for _, in := range []Input{sampleOf(t, "000", "000"), sample(t)} {
		if err := Write(dir, in); err != nil {
			t.Fatal(err)
		}
		sets, at = append(sets, contents(t, dir)), append(at, d.Now())
	}
	run := d.Record()
	// broken returns the first cut at which the set is not what it has to be.
	broken := func(loss powertest.Loss, without string) (int, bool) {
		for n, s := range run.Cuts(powertest.Strict, loss, without) {
			got := map[string][]byte{}
			for name := range sets[0] {
				if data, there := s["out/slide/"+name]; there {
					got[name] = data
				}
			}
			is := -1 // which set
			for i, set := range sets {
				if maps.EqualFunc(got, set, bytes.Equal) {
					is = i
				}
			}
			_, result := got[ResultFile]
			if result && is < 0 || n >= at[1] && is != 1 || n == at[0] && is != 0 {
				return n, true
			}
		}
		return 0, false
	}
	losses := []powertest.Loss{powertest.Drop, powertest.Keep}
	for seed := range uint64(20) {
		losses = append(losses, powertest.Mix(seed))
	}
	for i, loss := range losses {
		if n, is := broken(loss, ""); is {
			t.Fatalf("loss %d, after %s: the set is not whole", i, run.Op(n))
		}
	}
	for _, call := range run.Calls() {
		if _, is := broken(powertest.Drop, call); !is {
			t.Errorf("without %q nothing is lost", call)
		}
	}
}

func TestAPassingSetWaitsForNoDisk(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	in := sample(t)
	in.Passing = true
	dir := filepath.Join(d.Dir(), "slide")
	if err := Write(dir, in); err != nil {
		t.Fatal(err)
	}
	if syncs := d.Record().Syncs(); len(syncs) != 0 {
		t.Errorf("syncs %v, want none", syncs)
	}
	kept := t.TempDir()
	if err := Write(kept, sample(t)); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(contents(t, dir), contents(t, kept), bytes.Equal) {
		t.Error("the set differs from one that lasts")
	}
}
