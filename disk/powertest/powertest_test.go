package powertest_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bcc/disk/powertest"
)

// must fails the test where something cannot be done at all.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sync syncs a file or folder.
func sync(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, f.Sync())
}

// holds reports what a state holds, in a line.
func holds(s powertest.State) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if all = append(all, name); !strings.HasSuffix(name, "/") {
			all[len(all)-1] += "=" + string(s[name])
		}
	}
	return strings.Join(all, " ")
}

func TestOnlyWhatWasSyncedOutlivesACut(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	at := func(name string) string { return filepath.Join(d.Dir(), name) }
	for _, step := range []struct {
		what           string
		do             func()
		strict, kinder string
	}{
		{"nothing", func() {}, "", ""},
		{"a file", func() { must(t, os.WriteFile(at("a"), []byte("1"), 0o600)) }, "", ""},
		{"its bytes", func() { sync(t, at("a")) }, "", "a=1"},
		{"its name", func() { sync(t, d.Dir()) }, "a=1", "a=1"},
		{"other bytes", func() { must(t, os.WriteFile(at("a"), []byte("22"), 0o600)) }, "a=1", "a=1"},
		{"those, too", func() { sync(t, at("a")) }, "a=22", "a=22"},
		{"a folder", func() { must(t, os.MkdirAll(at("d/e"), 0o700)) }, "a=22", "a=22"},
		{"moved there", func() { must(t, os.Rename(at("a"), at("d/e/b"))) }, "a=22", "a=22"},
		{"the new folder", func() { sync(t, at("d/e")) }, "a=22", "a=22 d/ d/e/ d/e/b=22"},
		{"the one between", func() { sync(t, at("d")) }, "a=22", "a=22 d/ d/e/ d/e/b=22"},
		{"the old one", func() { sync(t, d.Dir()) }, "d/ d/e/ d/e/b=22", "d/ d/e/ d/e/b=22"},
		{"another name", func() { must(t, os.Link(at("d/e/b"), at("c"))) }, "d/ d/e/ d/e/b=22", "d/ d/e/ d/e/b=22"},
		{"and away with the first", func() { must(t, os.Remove(at("d/e/b"))); sync(t, at("d/e")) }, "d/ d/e/", "d/ d/e/"},
		{"a name without bytes", func() { must(t, os.WriteFile(at("n"), []byte("3"), 0o600)); sync(t, d.Dir()) }, "c=22 d/ d/e/ n=", "c=22 d/ d/e/ n="},
	} {
		step.do()
		r := d.Record()
		for rules, want := range map[powertest.Rules]string{powertest.Strict: step.strict, powertest.Kinder: step.kinder} {
			if got := holds(r.Cut(r.Len(), rules, powertest.Drop, "")); got != want {
				t.Errorf("%s, rules %d: the disk holds %q, want %q", step.what, rules, got, want)
			}
		}
	}
	if got := holds(d.Record().Cut(d.Now(), powertest.Strict, powertest.Keep, "")); got != "c=22 d/ d/e/ n=3" {
		t.Errorf("a disk that lost nothing holds %q", got)
	}
}

func TestASyncThatIsLeftOutKeepsNothing(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	f, err := os.OpenFile(filepath.Join(d.Dir(), "x12"), os.O_CREATE|os.O_WRONLY|os.O_SYNC, 0o600)
	must(t, err)
	defer f.Close()
	_, err = f.WriteString("1") // O_SYNC: no call of its own
	must(t, err)
	sync(t, d.Dir())
	r := d.Record()
	if calls := r.Calls(); !slices.Equal(calls, []string{"sync folder .", "sync x*"}) {
		t.Fatalf("%q", calls)
	}
	for without, want := range map[string]string{"": "x12=1", "sync x*": "x12=", "sync folder .": ""} {
		if got := holds(r.Cut(r.Len(), powertest.Strict, powertest.Drop, without)); got != want {
			t.Errorf("without %q the disk holds %q, want %q", without, got, want)
		}
	}
}

func TestWhatWasNotSyncedIsHarmedInEveryWay(t *testing.T) {
	t.Parallel()
	d := powertest.Mount(t)
	safe, whole := strings.Repeat("s", 100), strings.Repeat("w", 2000)
	must(t, os.WriteFile(filepath.Join(d.Dir(), "f"), []byte(safe), 0o600))
	sync(t, filepath.Join(d.Dir(), "f"))
	sync(t, d.Dir())
	f, err := os.OpenFile(filepath.Join(d.Dir(), "f"), os.O_WRONLY|os.O_APPEND, 0o600)
	must(t, err)
	defer f.Close()
	_, err = f.WriteString(whole)
	must(t, err)
	r := d.Record()
	seen := map[string]bool{}
	for seed := range uint64(200) {
		got := string(r.Cut(r.Len(), powertest.Strict, powertest.Mix(seed), "")["f"])
		rest, ok := strings.CutPrefix(got, safe)
		if !ok {
			t.Fatalf("seed %d: what was synced is harmed", seed)
		}
		switch {
		case rest == "":
			seen["gone"] = true
		case rest == whole:
			seen["whole"] = true
		case strings.Trim(rest, "\x00") == "":
			seen["zeros"] = true
		case strings.HasPrefix(whole, rest) && len(rest)%512 == 0:
			seen["torn between sectors"] = true
		case strings.HasPrefix(whole, rest):
			seen["torn"] = true
		case len(rest) == len(whole):
			seen["flipped"] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("of six ways only %v", slices.Sorted(maps.Keys(seen)))
	}
}

// A state laid out in a folder is the state.
func TestAStateIsLaidOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, powertest.State{"a/": nil, "a/b/": nil, "a/b/c": []byte("x"), "d": nil}.WriteTo(dir))
	if b, err := os.ReadFile(filepath.Join(dir, "a", "b", "c")); string(b) != "x" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "d")); err != nil || info.Size() != 0 {
		t.Errorf("%v", err)
	}
}
