//go:build cgo

package mpi_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"bcc/fault"
	"bcc/native/mpi"
	"bcc/train/traintest"
)

// part names what a rank does; a rank is this test binary, started by mpirun.
const part = "BCC_TEST_MPI_PART"

var parts = map[string]func(ctx context.Context, w *mpi.World) error{
	"exercise": func(ctx context.Context, w *mpi.World) error { return traintest.Exercise(ctx, w) },
	"exercise in chunks": func(ctx context.Context, w *mpi.World) error {
		mpi.SetChunk(9999)
		return errors.Join(nilPointer(), traintest.Exercise(ctx, w))
	},
	"abandon": func(ctx context.Context, w *mpi.World) error { return traintest.Abandon(ctx, w) },
	"abort": func(ctx context.Context, w *mpi.World) error {
		if w.Rank() == 1 {
			w.Abort(5)
		}
		return w.Barrier(ctx)
	},
}

func TestMain(m *testing.M) {
	name := os.Getenv(part)
	if name == "" {
		os.Exit(m.Run())
	}
	os.Exit(rank(name))
}

// rank is one process of a world. It prints a line when it has done its part.
func rank(name string) int {
	ctx := context.Background()
	launcher, ok := mpi.Find(os.LookupEnv)
	if !ok {
		fmt.Println("no launcher in the environment")
		return 1
	}
	var libraries []string
	if path := os.Getenv("BCC_TEST_MPI_LIBRARY"); path != "" {
		libraries = []string{path}
	}
	w, err := mpi.Open(ctx, launcher, libraries...)
	if err != nil {
		fmt.Printf("error %v: %v; %s\n", fault.Of(err), err, fault.HintOf(err))
		return 1
	}
	if err := parts[name](ctx, w); err != nil {
		fmt.Printf("error: rank %d: %v\n", w.Rank(), err)
		return 1
	}
	fmt.Printf("done: rank %d of %d, %s\n", w.Rank(), w.Size(), w.Version())
	return 0
}

// nilPointer checks that the library left the signals of the Go runtime alone.
func nilPointer() (err error) {
	defer func() {
		if recover() == nil {
			err = errors.New("a nil pointer could be written to")
		}
	}()
	var nothing *[8]int
	nothing[1]++
	return nil
}

// launchers are the families that Debian has side by side.
var launchers = []struct{ name, version string }{
	{"mpirun.openmpi", "Open MPI"},
	{"mpirun.mpich", "MPICH"},
}

// mpirun runs a part on n ranks and returns what they print.
func mpirun(t *testing.T, launcher string, n int, name string, env ...string) string {
	t.Helper()
	path, err := exec.LookPath(launcher)
	if err != nil {
		t.Skipf("%s is not installed: make setup-mpi", launcher)
	}
	args := []string{"-np", strconv.Itoa(n)}
	if launcher == "mpirun.openmpi" {
		args = append(args, "--oversubscribe", "--bind-to", "none")
		if os.Geteuid() == 0 {
			args = append(args, "--allow-run-as-root")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(args, os.Args[0])...)
	tmp, err := os.MkdirTemp("", "mpi") // two of Open MPI's that make one folder of the session at once fail; short: sockets lie in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	cmd.Env = append(append(os.Environ(), part+"="+name, "TMPDIR="+tmp), env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	return fmt.Sprintf("%s\n%v\n", out, err)
}

func TestWorldsOfProcessesConform(t *testing.T) {
	t.Parallel()
	for _, l := range launchers {
		for _, c := range []struct {
			part  string
			ranks int
		}{{"exercise", 4}, {"exercise in chunks", 2}, {"abandon", 2}} {
			t.Run(fmt.Sprintf("%s/%s/ranks=%d", l.name, c.part, c.ranks), func(t *testing.T) {
				t.Parallel()
				out := mpirun(t, l.name, c.ranks, c.part)
				for rank := range c.ranks {
					if c.part == "abandon" && rank == c.ranks-1 {
						break // the launcher ends it when the others have left
					}
					if want := fmt.Sprintf("done: rank %d of %d, %s", rank, c.ranks, l.version); !strings.Contains(out, want) {
						t.Errorf("no line %q in\n%s", want, out)
					}
				}
			})
		}
	}
}

func TestAbortEndsAllRanks(t *testing.T) {
	t.Parallel()
	for _, l := range launchers {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			out := mpirun(t, l.name, 2, "abort")
			if strings.Contains(out, "done:") || !strings.Contains(out, "exit status 5") {
				t.Errorf("abort with code 5 left\n%s", out)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the others ended after %v", took)
			}
		})
	}
}

// TestALibraryOfTheOtherFamilyIsFound: each rank of it would see itself alone, and
// as many runs as ranks would write to one folder.
func TestALibraryOfTheOtherFamilyIsFound(t *testing.T) {
	t.Parallel()
	out := mpirun(t, "mpirun.openmpi", 2, "exercise", "BCC_TEST_MPI_LIBRARY=libmpich.so.12")
	if strings.Contains(out, "cannot open shared object") {
		t.Skip("MPICH's library is not installed")
	}
	if !strings.Contains(out, "error invalid: start MPI: Open MPI's mpirun started this process as rank 1 of 2, but MPICH") {
		t.Errorf("MPICH's library under Open MPI's mpirun gives\n%s", out)
	}
}

func TestAMissingLibraryNamesWhatWasTried(t *testing.T) {
	t.Parallel()
	_, err := mpi.Open(t.Context(), mpi.Launcher{}, "/nowhere/libmpi.so.40", "libz.so.1")
	if fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
		t.Errorf("error = %v, a %v with hint %q", err, fault.Of(err), fault.HintOf(err))
	}
	if err == nil || !strings.Contains(err.Error(), "/nowhere/libmpi.so.40") {
		t.Errorf("the error names no path: %v", err)
	}
}
