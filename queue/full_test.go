//go:build linux

package queue_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"bcc/fault"
	"bcc/queue"
)

// The server takes nothing more once its disk was full, not even when there is room
// again: the queue starts it anew. Needs a small disk, so it needs root.
func TestAFullDiskThatHasRoomAgain(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no small disk can be had here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 5<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	q, err := queue.Open(t.Context(), queue.Config{Dir: filepath.Join(disk, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close() // before the disk is taken away
	heard := make(chan struct{}, 1)
	if _, err := q.Listen("x", func(string, []byte) { heard <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	put(t, q, "held")
	held := take(t, q)
	kept := 0
	for ; err == nil && kept < 100; kept++ {
		err = q.Put(t.Context(), queue.Job{ID: fmt.Sprint("j", kept), Lane: queue.Routine, Data: make([]byte, 100<<10)})
	}
	kept--
	wantFault(t, err, fault.Unavailable, disk)
	begun := time.Now()
	wantFault(t, q.Put(t.Context(), routine("z")...), fault.Unavailable, disk)
	if took := time.Since(begun); took > time.Second {
		t.Errorf("refused after %v, want at once", took)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = q.Put(t.Context(), routine("after")...); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := errors.Join(held.Beat(t.Context()), held.Done(t.Context())); err != nil {
		t.Errorf("a lease from before: %v", err)
	}
	seen := map[string]bool{}
	for !seen["after"] {
		seen[take(t, q).ID] = true
	}
	for i := range kept {
		if id := fmt.Sprint("j", i); !seen[id] {
			t.Errorf("%s was acknowledged and is lost", id)
		}
	}
	if err := q.Tell("x", nil); err != nil {
		t.Error(err)
	}
	select {
	case <-heard:
	case <-time.After(10 * time.Second):
		t.Error("the listener was forgotten")
	}
}

// A folder on a disk that is full is not damaged: to move it away would help nobody.
func TestAFullDiskIsNoDamage(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("no small disk can be had here: %v", err)
	}
	t.Cleanup(func() {
		// Of a stream that could not be made the server keeps a file open.
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	_, err := queue.Open(t.Context(), queue.Config{Dir: filepath.Join(disk, "queue")})
	wantFault(t, err, fault.Unavailable, disk)
}
