//go:build !cgo

package nvml

// Library cannot be had in this build.
type Library struct{}

// New returns a library that knows no GPUs.
func New(path string) *Library { return &Library{} }

// GPUs says that this build knows none.
func (l *Library) GPUs() ([]GPU, string) { return nil, "this program was built without cgo" }

// Close does nothing.
func (l *Library) Close() {}
