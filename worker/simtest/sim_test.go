package simtest

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	oneSeed   = flag.Int64("sim.seed", -1, "run this seed only, and tell what happens")
	manySeeds = flag.Int("sim.seeds", 0, "run so many seeds (default 10,000; 300 with -short)")
	firstSeed = flag.Uint64("sim.first", 1, "the first of them")
)

// maxWrong is how many seeds may fail before the others are left out.
const maxWrong = 3

func TestAFleetLosesNothing(t *testing.T) {
	if *oneSeed >= 0 {
		f, wrong := live(t, uint64(*oneSeed), scratch(t))
		t.Logf("what happened:\n%s", f.story())
		for _, w := range wrong {
			t.Error(w)
		}
		return
	}
	seeds := *manySeeds
	switch {
	case seeds > 0:
	case testing.Short():
		seeds = 300
	default:
		seeds = 10_000
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a run's garbage is small and goes at once
	var next atomic.Uint64
	var failed atomic.Int64
	next.Store(*firstSeed)
	last := *firstSeed + uint64(seeds)
	for i := range runtime.GOMAXPROCS(0) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			dir := scratch(t)
			for failed.Load() < maxWrong {
				seed := next.Add(1) - 1
				if seed >= last {
					return
				}
				if f, wrong := live(t, seed, dir); len(wrong) > 0 {
					failed.Add(1)
					t.Errorf("seed %d (go test ./worker/simtest -sim.seed %d -count 20): %q\n%s", seed, seed, wrong, f.story())
				}
			}
		})
	}
}

// scratch returns a folder for workers' files, in memory where that can be: half of
// the time would go into files otherwise.
func scratch(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "bcc-simtest-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// live has the fleet of a seed live in a bubble of its own.
func live(t *testing.T, seed uint64, dir string) (f *fleet, wrong []string) {
	defer func() {
		if p := recover(); p != nil { // all sleep and nothing will wake them
			wrong = append(wrong, fmt.Sprint(p))
		}
	}()
	synctest.Test(t, func(*testing.T) {
		f = newFleet(newPlan(seed), dir)
		wrong = f.run()
	})
	return f, wrong
}
