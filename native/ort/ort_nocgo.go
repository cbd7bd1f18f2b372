//go:build !cgo

package ort

import (
	"context"

	"bcc/fault"
)

func errNoCgo() error {
	return fault.Hint(fault.New(fault.Unavailable, "ONNX Runtime: this program was built without cgo"), "build it with CGO_ENABLED=1")
}

// Load says that this build has no engine.
func Load(paths ...string) error { return errNoCgo() }

// Version returns "".
func Version() string { return "" }

// CUDAAvailable says that this build has no engine.
func CUDAAvailable() (bool, string) { return false, errNoCgo().Error() }

// Model cannot be made in this build.
type Model struct{}

// Open says that this build has no engine.
func Open(onnx []byte, cfg Config) (*Model, error) { return nil, errNoCgo() }

// Info returns nothing.
func (m *Model) Info() Info { return Info{} }

// NewRunner says that this build has no engine.
func (m *Model) NewRunner() (*Runner, error) { return nil, errNoCgo() }

// Shrink says that this build has no engine.
func (m *Model) Shrink(ctx context.Context) error { return errNoCgo() }

// Close does nothing.
func (m *Model) Close() error { return nil }

// Runner cannot be made in this build.
type Runner struct{}

// Run says that this build has no engine.
func (r *Runner) Run(ctx context.Context, patches [][]byte, out []float32) error { return errNoCgo() }

// Batch returns 0.
func (r *Runner) Batch() int { return 0 }

// Least returns 0.
func (r *Runner) Least() int { return 0 }

// Device returns nothing: there is no engine.
func (r *Runner) Device() string { return "" }

// Close does nothing.
func (r *Runner) Close() error { return nil }

// Again says that this build has no engine.
func (r *Runner) Again(ctx context.Context) error { return errNoCgo() }
