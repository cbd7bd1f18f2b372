package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeNCCL builds the stand-in for NCCL and CUDA, and returns the flags that name it.
func fakeNCCL(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler: the stand-in for NCCL cannot be built")
	}
	so := filepath.Join(t.TempDir(), "libfake.so")
	out, err := exec.Command("cc", "-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread", "-o", so, "../native/nccl/testdata/fake.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return []string{"--nccl-library", so, "--cudart-library", so}
}

// rank is a process that torchrun would have started.
type rank struct {
	*exec.Cmd
	said *bytes.Buffer
}

// torchrun starts bcc n times with the variables that torchrun sets; more changes
// those of rank 1.
func torchrun(t *testing.T, dir string, n int, args []string, more ...string) []rank {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	named := filepath.Join(dir, "bcc") // the test binary is bcc where it is called so
	if err := os.Symlink(self, named); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ranks := make([]rank, n)
	for i := range ranks {
		r := rank{exec.CommandContext(ctx, named, args...), &bytes.Buffer{}}
		r.Env = append(os.Environ(), "MASTER_ADDR=127.0.0.1", "MASTER_PORT="+port, fmt.Sprintf("WORLD_SIZE=%d", n), "TORCHELASTIC_RUN_ID="+dir,
			fmt.Sprintf("RANK=%d", i), fmt.Sprintf("LOCAL_RANK=%d", i), fmt.Sprintf("LOCAL_WORLD_SIZE=%d", n), "TMPDIR="+os.TempDir())
		if i == 1 {
			r.Env = append(r.Env, more...)
		}
		r.Stdout, r.Stderr, r.WaitDelay = r.said, r.said, time.Second
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		ranks[i] = r
	}
	return ranks
}

// ended waits for the ranks and returns their exit codes.
func ended(ranks []rank) []int {
	codes := make([]int, len(ranks))
	var wg sync.WaitGroup
	for i, r := range ranks {
		wg.Go(func() { _ = r.Wait(); codes[i] = r.ProcessState.ExitCode() })
	}
	wg.Wait()
	return codes
}

// The whole way of a run on GPUs, but for the GPUs: rendezvous, NCCL's calls, the
// same bytes as alone; then a rank is killed and the other names it.
func TestRanksMeetAsUnderTorchrun(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("several processes")
	}
	needLibrary(t)
	fake := fakeNCCL(t)
	data, alone := t.TempDir(), t.TempDir()
	crosses(t, data, 48)
	if code, _, errs := bcc(t.Context(), trainArgs(data, alone)); code != 0 {
		t.Fatal(errs)
	}
	t.Run("the same bytes", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		ranks := torchrun(t, dir, 2, trainArgs(data, dir, fake...))
		if codes := ended(ranks); codes[0] != 0 || codes[1] != 0 {
			t.Fatalf("exit codes %v: %s%s", codes, ranks[0].said, ranks[1].said)
		}
		if network(t, dir) != network(t, alone) {
			t.Errorf("the network is not that of one rank: %s", ranks[0].said)
		}
	})
	t.Run("the same bytes, started by mpirun", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		cmd, said := mpirun(t, dir, 2, trainArgs(data, dir, append(fake, "--collective", "nccl")...))
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		if network(t, dir) != network(t, alone) {
			t.Errorf("the network is not that of one rank: %s", said)
		}
	})
	t.Run("a rank is killed", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		ranks := torchrun(t, dir, 2, trainArgs(data, dir, append(fake, "--epochs", "1000")...))
		awaitFile(t, filepath.Join(dir, "run", "checkpoint", "checkpoint"))
		begun := time.Now()
		if err := ranks[1].Process.Kill(); err != nil {
			t.Fatal(err)
		}
		codes := ended(ranks)
		if took := time.Since(begun); codes[0] != 7 || took > 10*time.Second || !strings.Contains(ranks[0].said.String(), "rank 1 of 2") {
			t.Errorf("rank 0 ended with %d after %v: %s", codes[0], took, ranks[0].said)
		}
	})
}

// Ctrl-C reaches all processes of a terminal: that is no loss of one, whoever's word
// comes first.
func TestRanksThatAreToldToStopSaySo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("several processes")
	}
	needLibrary(t)
	fake, data, dir := fakeNCCL(t), t.TempDir(), t.TempDir()
	crosses(t, data, 16)
	ranks := torchrun(t, dir, 2, trainArgs(data, dir, append(fake, "--epochs", "1000")...))
	awaitFile(t, filepath.Join(dir, "run", "checkpoint", "checkpoint"))
	for _, i := range []int{1, 0} {
		if err := ranks[i].Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		time.Sleep(250 * time.Millisecond) // so that rank 1 gives word while rank 0 still waits for news
	}
	codes, said := ended(ranks), ranks[0].said.String()
	if codes[0] != 130 || !strings.Contains(said, "bcc: stopped") || strings.Contains(said, "ended early") {
		t.Errorf("rank 0 ended with %d: %s", codes[0], said)
	}
}

func TestARankWithoutNCCLEndsAll(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	fake := fakeNCCL(t)
	for _, c := range []struct {
		name string
		args []string
		env  string // of rank 1
		want [2]string
		code int
	}{
		{"no library", []string{"--cudart-library", "/nowhere/libcudart.so"}, "", [2]string{
			"asks for NCCL: load CUDA's runtime: tried /nowhere/libcudart.so", "asks for NCCL: load CUDA's runtime: tried /nowhere/libcudart.so"}, 7},
		{"no such GPU", fake, "LOCAL_RANK=8", [2]string{"rank 1 of 2", "wants GPU 8 of 8"}, 0},
		{"another size", fake, "WORLD_SIZE=3", [2]string{"rank 1 of 3", "was told of 3 ranks, rank 0 of 2"}, 2},
		{"a rank that is no number", append(fake, "--collective", "nccl"), "RANK=one", [2]string{"", `environment RANK="one"`}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ranks := torchrun(t, dir, 2, trainArgs(dir, dir, c.args...), c.env)
			if c.want[0] == "" { // it waits for a rank that will not come
				_ = ranks[1].Wait()
				_ = ranks[0].Process.Kill()
				_ = ranks[0].Wait()
			} else {
				ended(ranks)
			}
			for i, r := range ranks {
				if !strings.Contains(r.said.String(), c.want[i]) {
					t.Errorf("rank %d says %q, want %q", i, r.said, c.want[i])
				}
			}
			if code := ranks[1].ProcessState.ExitCode(); c.code != 0 && code != c.code {
				t.Errorf("rank 1 exits with %d, want %d", code, c.code)
			}
		})
	}
}

func TestTheWayToMeetIsChecked(t *testing.T) {
	t.Parallel()
	needLibrary(t)
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--collective", "gloo"}, []string{`--collective "gloo": want auto, none, mpi or nccl`}},
		{[]string{"--collective", "mpi"}, []string{"no MPI launcher started this process", "mpirun -np N"}},
		{[]string{"--collective", "nccl"}, []string{"neither mpirun nor torchrun", "MASTER_ADDR"}},
		{[]string{"--collective-timeout", "1ms"}, []string{"--collective-timeout 1ms: want a second or more"}},
	} {
		code, _, errs := bcc(t.Context(), trainArgs(t.TempDir(), t.TempDir(), c.args...))
		for _, want := range c.want {
			if code != 2 || !strings.Contains(errs, want) {
				t.Errorf("%v: code %d, %q, want %q", c.args, code, errs, want)
			}
		}
	}
}
