package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// mpirun starts bcc on n ranks and returns the command and what it will have said.
// Each rank leaves its process number in dir.
func mpirun(t *testing.T, dir string, n int, args []string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	launcher, err := exec.LookPath("mpirun.openmpi")
	if err != nil {
		t.Skip("mpirun.openmpi is not installed: make setup-mpi")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(dir, "bcc") // the test binary is bcc where it is called so
	if err := os.Symlink(self, named); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	line := []string{"-np", strconv.Itoa(n), "--oversubscribe", "--bind-to", "none"}
	if os.Geteuid() == 0 {
		line = append(line, "--allow-run-as-root")
	}
	line = append(line, "sh", "-c", `echo $$ > "$0/rank$OMPI_COMM_WORLD_RANK"; exec "$0/bcc" "$@"`, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, launcher, append(line, args...)...)
	tmp, err := os.MkdirTemp("", "mpi") // short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	said := &bytes.Buffer{}
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = said, said, time.Second
	return cmd, said
}

func network(t *testing.T, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "run", "model", "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// One rank, two and four give the same bytes. Then a rank is killed in the middle:
// the others end within ten seconds and name it, and other numbers of ranks go on to
// the same bytes again.
func TestRanksTrainTheSameBytes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("processes by the dozen")
	}
	needLibrary(t)
	data, alone := t.TempDir(), t.TempDir()
	crosses(t, data, 48)
	args := func(dir string, more ...string) []string {
		return trainArgs(data, dir, append(more, "--epochs", "3")...)
	}
	if code, _, errs := bcc(t.Context(), args(alone)); code != 0 {
		t.Fatal(errs)
	}
	want := network(t, alone)
	for _, n := range []int{2, 4} {
		t.Run(fmt.Sprintf("ranks=%d", n), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			cmd, said := mpirun(t, dir, n, args(dir))
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			if network(t, dir) != want {
				t.Errorf("the network is not that of one rank: %s", said)
			}
		})
	}
	t.Run("a rank is killed", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		cmd, said := mpirun(t, dir, 2, args(dir))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitFile(t, filepath.Join(dir, "run", "checkpoint", "checkpoint"))
		text, err := os.ReadFile(filepath.Join(dir, "rank1"))
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		if took := time.Since(begun); err == nil || took > 10*time.Second || !strings.Contains(said.String(), "rank 1") {
			t.Errorf("ended after %v with %v: %s", took, err, said)
		}
		for _, n := range []int{1, 3} {
			again := t.TempDir()
			if err := os.CopyFS(filepath.Join(again, "run"), os.DirFS(filepath.Join(dir, "run"))); err != nil {
				t.Fatal(err)
			}
			cmd, said := mpirun(t, again, n, args(again, "--resume"))
			if err := cmd.Run(); err != nil || !strings.Contains(said.String(), "going on after epoch") {
				t.Fatalf("%v: %s", err, said)
			}
			if network(t, again) != want {
				t.Errorf("gone on with %d ranks, the network is another: %s", n, said)
			}
		}
	})
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("no %s within a minute", path)
		}
	}
}
