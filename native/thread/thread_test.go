package thread_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"bcc/native/thread"
)

func TestAllCallsRunOnOneThread(t *testing.T) {
	t.Parallel()
	th := thread.Start()
	defer th.Stop()
	first := 0
	for range 50 {
		err := th.Do(t.Context(), func() error {
			id := syscall.Gettid()
			if first == 0 {
				first = id
			}
			if id != first {
				return errors.New("another thread")
			}
			time.Sleep(time.Microsecond) // a chance for the scheduler to move it
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestItReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	th := thread.Start()
	stuck := make(chan struct{})
	defer close(stuck)
	for range 2 { // the second finds the thread taken
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := th.Do(ctx, func() error { <-stuck; return nil })
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
	}
}

func TestAStoppedThreadSaysSo(t *testing.T) {
	t.Parallel()
	th := thread.Start()
	th.Stop()
	th.Stop()
	if err := th.Do(t.Context(), func() error { return nil }); err == nil {
		t.Error("a stopped thread did something")
	}
}
