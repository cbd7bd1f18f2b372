//go:build e2e

package chaos

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bcc/blob"
)

// truth is what a quiet run made: every file of every result by its name in the
// store, and which slide it belongs to.
type truth struct {
	files   map[string][32]byte
	results map[string]string // result of each slide, by the slide's SHA-256
}

// quiet runs the sound and the damaged slides through one worker with nothing in its
// way.
func quiet(t *testing.T, d *diary, tools tools, s scenario, set *set) truth {
	t.Helper()
	d.note("a quiet run on one worker")
	data := d.path("quiet", "data")
	base := fmt.Sprintf("http://127.0.0.1:%d", freePort(t, "127.0.0.1"))
	server := web{base: base, data: data}
	server.process = newProcess(d, "quiet", nil, tools.bcc, "serve", "--addr", base[len("http://"):], "--data", data, "--workers", "1", "--jobs", "1",
		"--limit-minute", "0", "--limit-day", "0", "--limit-patches-day", "0", "--device", "cpu", "--model", model(t, tools, s.model))
	if err := server.start(); err != nil {
		t.Fatal(err)
	}
	defer server.kill()
	if err := until(t.Context(), 60*time.Second, server.ready); err != nil {
		t.Fatalf("bcc serve: %v; its log: %s", err, server.log)
	}
	c := newClient(d, base)
	var items []item
	for _, it := range set.items {
		if it.is != poison {
			items = append(items, it)
		}
	}
	if err := c.submit(t.Context(), order{name: "quiet", priority: "routine", items: items}); err != nil {
		t.Fatal(err)
	}
	if err := c.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, now := range c.account(t) {
		if n := now.Counts; n.Done != set.count(sound) || n.Failed != set.count(damaged) {
			t.Fatalf("the quiet run: %+v; want %d done, %d failed", n, set.count(sound), set.count(damaged))
		}
	}
	if err := server.stop(30 * time.Second); err != nil {
		t.Fatal(err)
	}
	store, err := blob.Folder(filepath.Join(data, "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := read(t, store)
	if len(want.results) != set.count(sound) {
		t.Fatalf("the quiet run left %d results, want %d", len(want.results), set.count(sound))
	}
	return want
}

// read returns the results of a store. Files that say how long things took are left
// out.
func read(t *testing.T, store blob.Store) truth {
	t.Helper()
	all := truth{map[string][32]byte{}, map[string]string{}}
	for info, err := range store.List(t.Context(), "results/") {
		if err != nil {
			t.Fatal(err)
		}
		set, file, _ := strings.Cut(strings.TrimPrefix(info.Key, "results/"), "/")
		if file == "sums.json" {
			if err := blob.CheckSet(t.Context(), store, "results/"+set); err != nil {
				t.Errorf("a result does not fit its checksums: %v", err)
			}
		}
		if file == "sums.json" || file == "timing.json" {
			continue
		}
		b, err := blob.Read(t.Context(), store, info.Key, 64<<20)
		if err != nil {
			t.Fatal(err)
		}
		all.files[set+"/"+file] = sha256.Sum256(b)
		if file != "result.json" {
			continue
		}
		var r struct {
			Slide struct{ SHA256 string }
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		if other, ok := all.results[r.Slide.SHA256]; ok {
			t.Errorf("slide %.12s has two results: %s and %s", r.Slide.SHA256, other, set)
		}
		all.results[r.Slide.SHA256] = set
	}
	return all
}

// check looks at what the fleet left.
func check(t *testing.T, d *diary, f *fleet, set *set, want truth, got map[string]cohort) {
	t.Helper()
	items := set.byName()
	shown := map[condition]string{sound: "done", poison: "quarantined", damaged: "failed"}
	for _, c := range got {
		n := c.Counts
		if n.sum() != n.Submitted || n.Pending+n.Running > 0 || len(c.Slides) != n.Submitted {
			t.Errorf("cohort %s with %d slides: %+v", c.Name, len(c.Slides), n)
		}
		for _, s := range c.Slides {
			it, ok := items[s.Name]
			if !ok {
				t.Errorf("%s: %v: %s", c.Name, errNoName, s.Name)
				continue
			}
			if s.State != shown[it.is] && !(c.Name == "cancelled" && s.State == "cancelled") {
				said := ""
				if s.Error != nil {
					said = s.Error.Message
				}
				t.Errorf("%s: slide %s (%s) is %s: %s", c.Name, s.Name, it.is, s.State, said)
			}
			if s.Error != nil && it.is != sound {
				d.note("%s: slide %s (%s) is %s: %s", c.Name, s.Name, it.is, s.State, s.Error.Message)
			}
		}
	}

	store := f.store.open(t)
	have := read(t, store)
	for slide, result := range want.results {
		if have.results[slide] != result {
			t.Errorf("the result of slide %.12s is %.12q, want %.12q", slide, have.results[slide], result)
		}
	}
	differ := 0
	for name, sum := range want.files {
		if have.files[name] != sum {
			if differ++; differ <= 5 {
				t.Errorf("%s is not what the quiet run made", name)
			}
		}
	}
	if len(have.files) != len(want.files) {
		t.Errorf("%d files of results, the quiet run made %d", len(have.files), len(want.files))
	}
	checkEnds(t, store, got)
	checkLeft(t, d, f)
	d.note("%d results in %d files are what the quiet run made; requests of the store: %v", len(have.results), len(have.files), f.store.trouble.made)
}

// checkEnds looks for one end a slide in the store, and for cohorts that are not over.
func checkEnds(t *testing.T, store blob.Store, got map[string]cohort) {
	t.Helper()
	ends := map[string]int{}
	for info, err := range store.List(t.Context(), "cohorts/") {
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(info.Key, "/")
		if len(parts) == 4 && parts[2] == "ends" {
			ends[parts[1]]++
		}
	}
	for id, c := range got {
		if c.Name != "cancelled" && ends[id] != c.Counts.Submitted {
			t.Errorf("cohort %s: %d ends in the store, want %d", c.Name, ends[id], c.Counts.Submitted)
		}
	}
	for info, err := range store.List(t.Context(), "ledger/open/") {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: a cohort that is over counts as open", info.Key)
	}
}

// checkLeft looks for what should have been cleared away: in folders, in the gateway,
// in the table of processes.
func checkLeft(t *testing.T, d *diary, f *fleet) {
	t.Helper()
	for _, dir := range append(slices.Clone(f.scratch), filepath.Join(f.server.data, "incoming"), filepath.Join(f.server.data, "spool"), filepath.Join(f.store.data, bucket, ".sgwtmp")) {
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && e.Type().IsRegular() {
				t.Errorf("left behind: %s", strings.TrimPrefix(path, d.dir))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	procs, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		t.Fatal(err)
	}
	for _, exe := range procs {
		if at, err := os.Readlink(exe); err == nil && at == f.server.line[0] && ours(exe, d.dir) {
			t.Errorf("a process of ours lives on: %s", filepath.Dir(exe))
		}
	}
}

// ours reports whether a process has a file below dir open, or is a child of one:
// other runs on this machine have processes, too.
func ours(exe, dir string) bool {
	open, err := filepath.Glob(filepath.Join(filepath.Dir(exe), "fd", "*"))
	if err != nil {
		return false
	}
	for _, fd := range open {
		if at, err := os.Readlink(fd); err == nil && strings.HasPrefix(at, dir+"/") {
			return true
		}
	}
	return false
}
