//go:build e2e

// Package upgrade drives this build and the one before it on each other's queues and
// stores: one after the other in both directions, and side by side. make e2e-upgrade.
package upgrade

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The builds: this one, the one before it, and that one under another number, as a
// release that changes results would be.
var (
	thisBuild  = build{"this", "../../bin/bcc"}
	previous   = build{"previous", "bcc"}
	renumbered = build{"previous as 0.0.9", "bcc-renumbered"}
)

// slides of a cohort: enough that it can be killed in the middle.
const slides = 16

// TestOneAfterTheOther kills a server in the middle of a cohort and starts another
// build's on what it left: the way there, and the way back.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name          string
		first, second build
	}{
		{"upgrade", previous, thisBuild},
		{"upgrade to another number", renumbered, thisBuild},
		{"back again", thisBuild, previous},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFolder(t)
			s := f.serve(t, c.first, "--jobs", "1")
			over := f.submit(t, c.first, s, 2, 0) // one that is over before
			s.awaits(t, over, func(n counts) bool { return n.Done == 2 })
			id := f.submit(t, c.first, s, slides, 2)
			s.awaits(t, id, func(n counts) bool { return n.Done >= 3 })
			s.kill(t)
			before := f.results(t)

			s = f.serve(t, c.second)
			s.awaits(t, id, func(n counts) bool { return n.Done == slides })
			if n := s.cohort(t, over); n.Counts.Done != 2 {
				t.Errorf("the cohort that was over has %+v", n.Counts)
			}
			again := s.cohort(t, id)
			if n := again.Counts; n.Failed+n.Quarantined+n.Cancelled+n.Pending+n.Running > 0 || n.Submitted != slides {
				t.Errorf("%+v", n)
			}
			if len(again.Slides) != slides || distinct(again.Slides) != slides {
				t.Errorf("%d slides, %d of them different, want %d", len(again.Slides), distinct(again.Slides), slides)
			}
			after := f.results(t)
			for path, sum := range before {
				if after[path] != sum {
					t.Errorf("%s of the first build is not what it was", path)
				}
			}
			t.Logf("%d of %d sets of results were there at the kill, %d at the end", len(setsOf(before)), slides+2, len(setsOf(after)))
			if n := len(setsOf(after)); n != slides+2 {
				t.Errorf("%d sets of results, want one for each of %d slides: none is made twice", n, slides+2)
			}
			s.answers(t, again) // each has one
		})
	}
}

// TestSideBySide has workers of both builds take slides of one cohort, under a server of
// either build, and compares what they made with what this build makes alone.
func TestSideBySide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		server  build
		workers []build
	}{
		{"this server", thisBuild, []build{thisBuild, previous}},
		{"the previous server", previous, []build{thisBuild, previous}},
		{"this server, another number", thisBuild, []build{thisBuild, renumbered}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, alone := newFolder(t), newFolder(t)
			s := f.serve(t, c.server, "--queue-listen", "127.0.0.1:-1", "--workers", "0")
			var workers []*process
			for _, b := range c.workers {
				workers = append(workers, f.work(t, b, s))
			}
			s.awaitsWorkers(t, len(c.workers))
			id := f.submit(t, thisBuild, s, slides, 0)
			s.awaits(t, id, func(n counts) bool { return n.Done == slides })

			for i, w := range workers {
				n := strings.Count(w.said(t), "slide ended")
				t.Logf("%s ended %d slides", c.workers[i].name, n)
				if n == 0 {
					t.Errorf("%s had none", c.workers[i].name)
				}
			}
			one := alone.serve(t, thisBuild)
			same := alone.submit(t, thisBuild, one, slides, 0)
			one.awaits(t, same, func(n counts) bool { return n.Done == slides })

			got, want := s.answers(t, s.cohort(t, id)), one.answers(t, one.cohort(t, same))
			versions := map[string]int{}
			for sha, a := range got {
				versions[a.version]++
				if a.rest != want[sha].rest {
					t.Errorf("slide %.12s: %s, alone %s", sha, a.rest, want[sha].rest)
				}
			}
			t.Logf("%d answers alike, by version %v", len(got), versions)
			if slices.Contains(c.workers, renumbered) {
				// Another number is another result, kept under another key, and it is said.
				if len(versions) != 2 {
					t.Errorf("results of versions %v, want of both", versions)
				}
				if log := s.said(t); !strings.Contains(log, "several versions") {
					t.Errorf("the server does not say that two versions are at work:\n%s", log)
				}
				return
			}
			f.same(t, alone)
		})
	}
}

func distinct(all []slide) int {
	seen := map[string]bool{}
	for _, s := range all {
		seen[s.SHA256] = true
	}
	return len(seen)
}

// setsOf returns the sets of results that files belong to.
func setsOf(files map[string]string) map[string]bool {
	found := map[string]bool{}
	for path := range files {
		set, _, _ := strings.Cut(path, "/")
		found[set] = true
	}
	return found
}

// same compares all files of results of two folders, byte by byte, but for what tells how
// long it took (timing.json) and the sums over that.
func (f *folder) same(t *testing.T, other *folder) {
	t.Helper()
	got, want := f.results(t), other.results(t)
	alike := 0
	for _, path := range slices.Sorted(maps.Keys(want)) {
		switch name := filepath.Base(path); {
		case got[path] == "":
			t.Errorf("no %s", path)
		case name == "timing.json" || name == "sums.json":
		case got[path] != want[path]:
			t.Errorf("%s: not the bytes that this build makes alone", path)
		default:
			alike++
		}
	}
	if len(got) != len(want) || alike < slides*4 {
		t.Errorf("%d files of results, want %d; %d alike", len(got), len(want), alike)
	}
	t.Logf("%d of %d files of results are byte for byte what this build makes alone; the others tell times", alike, len(want))
}
