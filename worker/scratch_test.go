package worker

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestScratchOfTheDeadIsClearedAndThatOfTheLivingIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dead := filepath.Join(dir, scratchMark+"dead", "result-1")
	if err := os.MkdirAll(dead, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "heatmap.png"), []byte("half"), 0o644); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "somebody-elses")
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 { // that all start at once
		all.Go(func() {
			own, release, err := openScratch(dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			for range 20 {
				clearScratch(dir)
				if err := os.WriteFile(filepath.Join(own, "mine"), nil, 0o644); err != nil {
					t.Errorf("the folder of one who lives was taken away: %v", err)
					return
				}
			}
		})
	}
	all.Wait()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "somebody-elses" {
		t.Errorf("%v, %v are left, want only what is not ours", left, err)
	}
}
