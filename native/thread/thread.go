// Package thread keeps one thread of the system for a library that ties its state
// to the thread that calls it.
//
// In: functions. Out: their errors, or the context's where a function does not
// return in time; then the thread is left to it.
package thread

import (
	"context"
	"errors"
	"runtime"
)

// Thread runs functions one after the other on a thread of its own.
type Thread struct {
	calls chan func()
}

// Start starts a thread.
func Start() *Thread {
	calls := make(chan func())
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		for call := range calls {
			call()
		}
	}()
	return &Thread{calls}
}

// errStopped is what a thread answers that is no more.
var errStopped = errors.New("closed")

// Do runs f on the thread and returns its error, or ctx's when ctx ends first: f may
// still run then, and keeps the thread.
func (t *Thread) Do(ctx context.Context, f func() error) error {
	if t.calls == nil {
		return errStopped
	}
	done := make(chan error, 1)
	select {
	case t.calls <- func() { done <- f() }:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the thread when it is free. Do must not be running.
func (t *Thread) Stop() {
	if t.calls != nil {
		close(t.calls)
		t.calls = nil
	}
}
