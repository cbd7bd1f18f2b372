package evaluate_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"bcc/evaluate"
	"bcc/fault"
)

// A real full disk, which only root can mount. The table would fit, the page does not.
func TestAFullDiskLeavesTheEvaluationBefore(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("mounting a small disk needs root on Linux")
	}
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=1m", "none", dir).CombinedOutput(); err != nil {
		t.Skipf("no small disk can be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", dir).Run() })
	all := drawn(40, 1)
	e, err := evaluate.Run(t.Context(), all, evaluate.Point{Threshold: 0.5}, nil, quick())
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]evaluate.Prediction, len(all))
	for i := range all {
		rows[i].Sample = all[i]
	}
	if err := e.Write(dir, rows); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, evaluate.PredictionsFile)
	before, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	fill := filepath.Join(dir, "fill")
	_ = os.WriteFile(fill, make([]byte, 2<<20), 0o600) // all that there is
	if err := os.Truncate(fill, fileSize(t, fill)-16<<10); err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i].Name += "x"
	}
	if err := e.Write(dir, rows); fault.Of(err) != fault.Unavailable {
		t.Errorf("%v, want unavailable", err)
	}
	if after, err := os.ReadFile(table); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the table before is lost: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
