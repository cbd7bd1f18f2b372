//go:build !cgo

package nccl

import (
	"context"

	"bcc/fault"
)

func errNoCgo() error {
	return fault.Hint(fault.New(fault.Unavailable, "NCCL: this program was built without cgo"), "build it with CGO_ENABLED=1")
}

// Library cannot be had in this build.
type Library struct{}

// Load says that this build has no NCCL.
func Load(paths Paths) (*Library, error) { return nil, errNoCgo() }

// Version returns "".
func (l *Library) Version() string { return "" }

// Devices says that this build has no NCCL.
func (l *Library) Devices() (int, error) { return 0, errNoCgo() }

// NewID says that this build has no NCCL.
func (l *Library) NewID() ([]byte, error) { return nil, errNoCgo() }

// World cannot be made in this build.
type World struct{}

// Open says that this build has no NCCL.
func Open(ctx context.Context, lib *Library, cfg Config) (*World, error) { return nil, errNoCgo() }

// Rank returns 0.
func (w *World) Rank() int { return 0 }

// Size returns 0.
func (w *World) Size() int { return 0 }

// AllReduce says that this build has no NCCL.
func (w *World) AllReduce(ctx context.Context, data []float64) error { return errNoCgo() }

// Broadcast says that this build has no NCCL.
func (w *World) Broadcast(ctx context.Context, data []byte, root int) error { return errNoCgo() }

// Barrier says that this build has no NCCL.
func (w *World) Barrier(ctx context.Context) error { return errNoCgo() }

// Close does nothing.
func (w *World) Close() error { return nil }
