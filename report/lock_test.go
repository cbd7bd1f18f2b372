//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package report

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bcc/fault"
)

func TestItLeavesAFolderThatAnotherRunWritesInto(t *testing.T) {
	t.Parallel()
	dir, in := t.TempDir(), sample(t)
	unlock, err := osDisk{}.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	temp := "." + ResultFile + ".1" + tempMark // the other's
	if err := os.WriteFile(filepath.Join(dir, temp), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = Write(dir, in)
	if fault.Of(err) != fault.Busy || !strings.Contains(err.Error(), dir) || fault.HintOf(err) == "" {
		t.Errorf("%v (%v), want busy, naming the folder, with a hint", err, fault.Of(err))
	}
	if left := contents(t, dir); len(left) != 1 || left[temp] == nil {
		t.Errorf("the other's files were touched: %d are there", len(left))
	}
	unlock()
	if err := Write(dir, in); err != nil {
		t.Fatal(err)
	}
	if n := len(contents(t, dir)); n != 6 {
		t.Errorf("%d files, want 6", n)
	}
}

// However many runs write into one folder, each writes its set whole or is told
// that it is busy; the folder holds one of the sets and nothing else.
func TestItWritesOneSetWhenManyRunsDo(t *testing.T) {
	t.Parallel()
	inputs := []Input{sample(t), sampleOf(t, "000", "000")}
	var want []map[string][]byte
	for _, in := range inputs {
		dir := t.TempDir()
		if err := Write(dir, in); err != nil {
			t.Fatal(err)
		}
		want = append(want, contents(t, dir))
	}
	for range 5 {
		dir := filepath.Join(t.TempDir(), "out")
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() { errs[i] = Write(dir, inputs[i%2]) })
		}
		wg.Wait()
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			} else if fault.Of(err) != fault.Busy {
				t.Error(err)
			}
		}
		got := contents(t, dir)
		if done == 0 || !cmp.Equal(got, want[0]) && !cmp.Equal(got, want[1]) {
			t.Fatalf("%d runs are done, %d files of no one set", done, len(got))
		}
	}
}
