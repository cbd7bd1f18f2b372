package blob_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bcc/blob"
	"bcc/blob/blobtest"
	"bcc/disk/powertest"
)

// plug is a store on a disk whose plug can be pulled, and what it was heard to promise.
type plug struct {
	t     *testing.T
	disk  *powertest.Disk
	store *blob.FolderStore

	mu       sync.Mutex
	promises []*promise
	versions map[string][]string // all that was ever to stand under a key
}

// promise is what the store said of an object.
type promise struct {
	key   string
	want  string
	gone  bool // it was deleted
	from  int  // operations of the disk after which it was said
	until int  // after which something else was asked for; 0: it holds
}

const at = "data/store/" // on the disk

// write does what writes want under key, and notes that it was promised.
func (p *plug) write(key, want string, do func() error) {
	p.t.Helper()
	p.mu.Lock()
	p.versions[key] = append(p.versions[key], want)
	p.take(key)
	p.mu.Unlock()
	if err := do(); err != nil && !errors.Is(err, blob.ErrExists) { // an object that is there is promised, too
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.promises = append(p.promises, &promise{key: key, want: want, from: p.disk.Now()})
}

func (p *plug) delete(key string) {
	p.t.Helper()
	p.take(key)
	if err := p.store.Delete(p.t.Context(), key); err != nil {
		p.t.Fatal(err)
	}
	p.promises = append(p.promises, &promise{key: key, gone: true, from: p.disk.Now()})
}

// take ends the promises about key: from now on something else may be there.
func (p *plug) take(key string) {
	for _, other := range p.promises {
		if other.key == key && other.until == 0 {
			other.until = p.disk.Now()
		}
	}
}

func (p *plug) put(key, want string) {
	p.t.Helper()
	p.write(key, want, func() error { return p.store.Put(p.t.Context(), key, strings.NewReader(want)) })
}

func (p *plug) create(key, want string) {
	p.t.Helper()
	p.write(key, want, func() error { return p.store.Create(p.t.Context(), key, strings.NewReader(want)) })
}

// broken says what a disk holds wrongly that lost its power after n operations; "":
// all promises are kept, and nothing stands half under its name.
func (p *plug) broken(n int, s powertest.State) string {
	for _, pr := range p.promises {
		if pr.from > n || pr.until > 0 && pr.until < n {
			continue
		}
		if got, there := s[at+pr.key]; there == pr.gone || string(got) != pr.want {
			return fmt.Sprintf("%s: there %v with %d bytes, promised %v with %d", pr.key, there, len(got), !pr.gone, len(pr.want))
		}
	}
	for name, data := range s {
		key, is := strings.CutPrefix(name, at)
		if is && key != "" && !strings.HasPrefix(key, ".") && !strings.HasSuffix(key, "/") && !slices.Contains(p.versions[key], string(data)) {
			return fmt.Sprintf("%s holds %d bytes that nobody wrote", key, len(data))
		}
	}
	return p.brokenSet(s)
}

// brokenSet says what of a set is missing that has its sums.
func (p *plug) brokenSet(s powertest.State) string {
	for name, data := range s {
		dir, is := strings.CutSuffix(name, "/sums.json")
		if !is || strings.Contains(name, "/.") {
			continue
		}
		var sums blob.Sums
		if err := json.Unmarshal(data, &sums); err != nil {
			return err.Error()
		}
		for _, f := range sums.Files {
			if got, there := s[dir+"/"+f.Name]; !there || int64(len(got)) != f.Bytes {
				return fmt.Sprintf("a set without %s", f.Name)
			}
		}
	}
	return ""
}

// set writes a set of small files, the same way as results are.
func (p *plug) set(prefix string, seed uint64) {
	p.t.Helper()
	dir := p.t.TempDir()
	want := map[string]string{}
	for i, size := range []int{0, 10, 5000} {
		name := fmt.Sprintf("f%d.csv", i)
		want[name] = string(blobtest.Bytes(seed+uint64(i), size))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(want[name]), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	// What its sums are is not ours to know, but another store writes the same.
	other := folder(p.t)
	if err := blob.WriteSet(p.t.Context(), other, "s", dir); err != nil {
		p.t.Fatal(err)
	}
	sums, err := blob.Read(p.t.Context(), other, "s/sums.json", 1<<20)
	if err != nil {
		p.t.Fatal(err)
	}
	want["sums.json"] = string(sums)
	for name, text := range want {
		p.versions[prefix+"/"+name] = append(p.versions[prefix+"/"+name], text)
		p.take(prefix + "/" + name)
	}
	if err := blob.WriteSet(p.t.Context(), p.store, prefix, dir); err != nil {
		p.t.Fatal(err)
	}
	for name, text := range want {
		p.promises = append(p.promises, &promise{key: prefix + "/" + name, want: text, from: p.disk.Now()})
	}
}

// left lays an object where a killed process would have: its bytes on the disk, its
// name and those of its folders not.
func (p *plug) left(key, text string) {
	p.t.Helper()
	store := filepath.Join(p.disk.Dir(), at)
	staged, name := filepath.Join(store, ".staged", "left"), filepath.Join(store, key)
	f, err := os.Create(staged)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close(), os.MkdirAll(filepath.Dir(name), 0o777), os.Rename(staged, name)); err != nil {
		p.t.Fatal(err)
	}
	p.versions[key] = append(p.versions[key], text)
}

// work does everything that a store in a folder can do.
func work(t *testing.T) *plug {
	t.Helper()
	p := &plug{t: t, disk: powertest.Mount(t), versions: map[string][]string{}}
	err := os.Mkdir(filepath.Join(p.disk.Dir(), "data"), 0o700) // by a process that was killed
	if err != nil {
		t.Fatal(err)
	}
	if p.store, err = blob.Folder(filepath.Join(p.disk.Dir(), "data", "store")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.store.Close() })

	p.put("top", "first")
	p.create("cohorts/c/ends/0.json", string(blobtest.Bytes(1, 600)))
	p.put("top", "second")

	// Creators at once, in a folder that none of them found: whoever is second, and is
	// told so, was told that the object is there.
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { p.create(fmt.Sprintf("patches/%d/x", i/2), "shard") })
	}
	wg.Wait()

	upload := filepath.Join(p.disk.Dir(), "incoming", "1.upload")
	slide := blobtest.Bytes(2, 300_000)
	if err := errors.Join(os.MkdirAll(filepath.Dir(upload), 0o700), os.WriteFile(upload, slide, 0o600)); err != nil {
		t.Fatal(err)
	}
	p.write("slides/aa", string(slide), func() error { return p.store.Adopt(t.Context(), "slides/aa", upload) })

	p.set("results/k", 3)
	p.set("results/k", 9) // another attempt, by a version that counts otherwise
	p.put("doomed/x", "x")
	p.delete("doomed/x")

	p.left("killed/end/0.json", "end")
	p.create("killed/end/0.json", "end")
	if err := os.MkdirAll(filepath.Join(p.disk.Dir(), at, "killed", "mkdir", "a"), 0o777); err != nil {
		t.Fatal(err)
	}
	p.put("killed/mkdir/a/b", "b")
	p.put("killed/delete/y", "y")
	p.take("killed/delete/y")
	if err := os.Remove(filepath.Join(p.disk.Dir(), at, "killed/delete/y")); err != nil {
		t.Fatal(err)
	}
	p.delete("killed/delete/y")
	return p
}

func TestNoCutLosesWhatAStoreAcknowledged(t *testing.T) {
	t.Parallel()
	p := work(t)
	run := p.disk.Record()
	losses := map[string]powertest.Loss{"all that was not synced": powertest.Drop, "nothing": powertest.Keep}
	for seed := range uint64(20) {
		losses[fmt.Sprint("some of it, seed ", seed)] = powertest.Mix(seed)
	}
	for name, loss := range losses {
		for n, s := range run.Cuts(powertest.Strict, loss, "") {
			if what := p.broken(n, s); what != "" {
				t.Fatalf("cut %d, after %s, which lost %s: %s", n, run.Op(n), name, what)
			}
		}
	}
}

func TestEverySyncOfAStoreIsNeeded(t *testing.T) {
	t.Parallel()
	p := work(t)
	run := p.disk.Record()
	for call, times := range run.Syncs() {
		what := ""
		for n, s := range run.Cuts(powertest.Strict, powertest.Drop, call) {
			if what = p.broken(n, s); what != "" {
				break
			}
		}
		if what == "" {
			t.Errorf("without %q (%d times) nothing is lost: it is not needed, or no step here needs it", call, times)
		}
	}
}
