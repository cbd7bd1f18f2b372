//go:build !cgo

package mpi

import (
	"context"

	"bcc/fault"
)

func errNoCgo() error {
	return fault.Hint(fault.New(fault.Unavailable, "MPI: this program was built without cgo"), "build it with CGO_ENABLED=1")
}

// World cannot be made in this build.
type World struct{}

// Open says that this build has no MPI.
func Open(ctx context.Context, l Launcher, libraries ...string) (*World, error) {
	return nil, errNoCgo()
}

// Version returns "".
func (w *World) Version() string { return "" }

// Rank returns 0.
func (w *World) Rank() int { return 0 }

// Size returns 0.
func (w *World) Size() int { return 0 }

// AllReduce says that this build has no MPI.
func (w *World) AllReduce(ctx context.Context, data []float64) error { return errNoCgo() }

// Broadcast says that this build has no MPI.
func (w *World) Broadcast(ctx context.Context, data []byte, root int) error { return errNoCgo() }

// Barrier says that this build has no MPI.
func (w *World) Barrier(ctx context.Context) error { return errNoCgo() }

// Abort does nothing.
func (w *World) Abort(code int) {}

// Close does nothing.
func (w *World) Close() error { return nil }
