//go:build linux

package ort

import (
	"sync"
	"syscall"
	"testing"
)

func TestItCallsOnOneThreadWhoeverAsks(t *testing.T) {
	t.Parallel()
	th := newThread()
	defer th.close()
	ids := make(chan int, 200)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				th.do(func() { ids <- syscall.Gettid() })
			}
		})
	}
	wg.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Fatalf("a call ran on thread %d, another on %d", id, first)
		}
	}
	var none *thread
	called := false
	none.do(func() { called = true })
	none.close()
	if !called {
		t.Error("without a thread of its own a call is lost")
	}
}
