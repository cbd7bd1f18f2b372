package ort

import "runtime"

// thread calls functions on one thread of the system. CUDA's provider keeps
// handles for every thread that ever ran it, and a goroutine changes threads as
// it likes. A nil thread calls on the caller's: the CPU keeps nothing.
type thread struct {
	calls chan func()
}

func newThread() *thread {
	t := &thread{calls: make(chan func())}
	go func() {
		runtime.LockOSThread() // for good: the system's thread ends with the goroutine
		for call := range t.calls {
			call()
		}
	}()
	return t
}

func (t *thread) do(f func()) {
	if t == nil {
		f()
		return
	}
	done := make(chan struct{})
	t.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// close ends the thread; nothing may be called on it afterwards.
func (t *thread) close() {
	if t != nil {
		close(t.calls)
	}
}
