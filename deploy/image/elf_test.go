package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestNeedsAreWhatTheLoaderLoads holds our walk against the loader's own, which ldd asks.
func TestNeedsAreWhatTheLoaderLoads(t *testing.T) {
	t.Parallel()
	triplet := onDebian(t)
	for _, program := range []string{"/usr/bin/dpkg-query", "/usr/bin/git", "/usr/bin/apt-get"} {
		out, err := exec.CommandContext(t.Context(), "ldd", program).Output()
		if err != nil {
			t.Logf("%s: ldd: %v", program, err)
			continue
		}
		var want []string
		for line := range strings.Lines(string(out)) {
			name := filepath.Base(strings.Fields(line)[0])
			if !strings.HasPrefix(name, "linux-vdso") {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		found, missing, interpreter, err := needs([]string{program}, nil, triplet)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range found {
			got = append(got, l.name)
		}
		if !slices.Equal(got, want) || len(missing) > 0 {
			t.Errorf("%s needs %q and misses %q; the loader says %q", program, got, missing, want)
		}
		if !slices.Contains(want, filepath.Base(interpreter)) {
			t.Errorf("%s is started by %q, which is not among %q", program, interpreter, want)
		}
	}
}

func TestALibraryThatIsNowhereIsMissing(t *testing.T) {
	t.Parallel()
	triplet := onDebian(t)
	changed := wanting(t, "libx.so.6")
	_, missing, _, err := needs([]string{changed}, nil, triplet)
	if err != nil || !slices.Equal(missing, []string{"libx.so.6"}) {
		t.Errorf("missing %q, %v", missing, err)
	}
	// Until it lies in a folder that is named.
	folder := t.TempDir()
	if err := os.Symlink("/usr/lib/"+triplet+"/libc.so.6", filepath.Join(folder, "libx.so.6")); err != nil {
		t.Fatal(err)
	}
	if _, missing, _, err = needs([]string{changed}, []string{folder}, triplet); err != nil || len(missing) > 0 {
		t.Errorf("missing %q, %v", missing, err)
	}
}

func TestTextIsNoProgram(t *testing.T) {
	t.Parallel()
	if _, _, _, err := needs([]string{"elf_test.go"}, nil, "x"); err == nil || !strings.Contains(err.Error(), "elf_test.go") {
		t.Error(err)
	}
}

// onDebian returns the name of this machine's folder of libraries.
func onDebian(t *testing.T) string {
	t.Helper()
	triplet := triplets[runtime.GOARCH]
	if _, err := exec.LookPath("dpkg-query"); err != nil || triplet == "" {
		t.Skip("images are made on Debian, for amd64 and arm64")
	}
	return triplet
}
