//go:build cgo

package mpi

import (
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// faultSignals are those that the Go runtime lives on: a nil pointer becomes a
// panic through SIGSEGV, and goroutines are preempted by SIGURG.
var faultSignals = []syscall.Signal{
	syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGSEGV, syscall.SIGURG,
}

// actionBytes is more than the struct sigaction of any system has.
const actionBytes = 512

// keepSignals remembers who handles the fault signals; the function it returns
// puts them back. UCX, which MPICH is built on, takes them for its own back traces
// and then every nil pointer ends the program.
func keepSignals() (restore func(), err error) {
	sigaction, err := purego.Dlsym(purego.RTLD_DEFAULT, "sigaction")
	if err != nil {
		return nil, err
	}
	actions := make([][actionBytes]byte, len(faultSignals))
	set := func(i int, action, old *[actionBytes]byte) {
		var p pinned
		defer p.Unpin()
		at := [2]uintptr{}
		for k, a := range []*[actionBytes]byte{action, old} {
			if a != nil {
				at[k] = p.address(unsafe.Pointer(a))
			}
		}
		purego.SyscallN(sigaction, uintptr(faultSignals[i]), at[0], at[1])
	}
	for i := range actions {
		set(i, nil, &actions[i])
	}
	return func() {
		for i := range actions {
			set(i, &actions[i], nil)
		}
	}, nil
}
