//go:build cgo

package nccl_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bcc/fault"
	"bcc/native/nccl"
	"bcc/train"
	"bcc/train/traintest"
)

// fake builds the stand-in for NCCL and CUDA once.
var fake = sync.OnceValues(func() (*nccl.Library, error) {
	path, err := buildFake()
	if err != nil {
		return nil, err
	}
	return nccl.Load(nccl.Paths{NCCL: []string{path}, CUDA: []string{path}})
})

// dir is where it is built.
var dir string

func buildFake() (string, error) {
	so := filepath.Join(dir, "libfake.so")
	return so, exec.Command("cc", "-std=gnu11", "-O2", "-Wall", "-shared", "-fPIC", "-pthread", "-o", so, "testdata/fake.c").Run()
}

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "nccl"); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func library(t *testing.T) *nccl.Library {
	t.Helper()
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("no C compiler: the stand-in for NCCL cannot be built")
	}
	lib, err := fake()
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// world opens n ranks in this process, on the GPUs that device names.
func world(t *testing.T, n int, device func(rank int) int) []train.Collective {
	t.Helper()
	lib := library(t)
	id, err := lib.NewID()
	if err != nil {
		t.Fatal(err)
	}
	ranks := make([]train.Collective, n)
	var wg sync.WaitGroup
	for rank := range ranks {
		wg.Go(func() {
			w, err := nccl.Open(t.Context(), lib, nccl.Config{Rank: rank, Size: n, Device: device(rank), ID: id})
			if err != nil {
				t.Errorf("rank %d: %v", rank, err)
				return
			}
			ranks[rank] = w
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return ranks
}

func same(rank int) int { return rank }

func TestItConforms(t *testing.T) {
	t.Parallel()
	library(t)
	traintest.ExerciseCollective(t, func(t *testing.T, n int) []train.Collective { return world(t, n, same) })
}

func TestItNamesItsVersionAndCountsGPUs(t *testing.T) {
	t.Parallel()
	lib := library(t)
	if got := lib.Version(); got != "NCCL 2.18.7" {
		t.Errorf("version = %q", got)
	}
	if n, err := lib.Devices(); n != 8 || err != nil {
		t.Errorf("GPUs = %d, %v", n, err)
	}
}

func TestAnErrorOfTheNetworkEndsTheCall(t *testing.T) {
	t.Parallel()
	const broken = 7 // the stand-in's GPU whose network fails
	ranks := world(t, 2, func(rank int) int { return broken * rank })
	err := ranks[1].AllReduce(t.Context(), make([]float64, 10))
	if fault.Of(err) != fault.Unavailable || !strings.Contains(err.Error(), "unhandled system error (2)") {
		t.Errorf("error = %v", err)
	}
	if err := ranks[1].Barrier(t.Context()); err == nil {
		t.Error("a broken world goes on")
	}
	for _, c := range ranks {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAGPUThatIsNotThereIsNamed(t *testing.T) {
	t.Parallel()
	lib := library(t)
	_, err := nccl.Open(t.Context(), lib, nccl.Config{Rank: 0, Size: 1, Device: 8, ID: make([]byte, nccl.IDBytes)})
	if fault.Of(err) != fault.Invalid || !strings.Contains(err.Error(), "wants GPU 8 of 8") || fault.HintOf(err) == "" {
		t.Errorf("error = %v", err)
	}
}

func TestARankThatDoesNotJoinDoesNotHoldTheOthers(t *testing.T) {
	t.Parallel()
	lib := library(t)
	id, err := lib.NewID()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := nccl.Open(ctx, lib, nccl.Config{Rank: 0, Size: 2, ID: id}); err == nil || ctx.Err() == nil {
		t.Errorf("error = %v", err)
	}
}

func TestAMissingLibraryNamesWhatWasTried(t *testing.T) {
	t.Parallel()
	for _, paths := range []nccl.Paths{
		{CUDA: []string{"/nowhere/libcudart.so"}},
		{CUDA: []string{"libc.so.6"}, NCCL: []string{"/nowhere/libnccl.so.2"}},
	} {
		_, err := nccl.Load(paths)
		if fault.Of(err) != fault.Unavailable || fault.HintOf(err) == "" {
			t.Fatalf("error = %v", err)
		}
		for _, path := range paths.CUDA {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("%v does not name %s", err, path)
			}
		}
	}
}
