//go:build !cgo

package ort

import "context"

// Graph cannot be made in this build.
type Graph struct{}

// OpenGraph says that this build has no engine.
func OpenGraph(stages [][]byte, cfg GraphConfig) (*Graph, error) { return nil, errNoCgo() }

// Device returns "".
func (g *Graph) Device() string { return "" }

// Fallback returns "".
func (g *Graph) Fallback() string { return "" }

// Inputs returns nothing.
func (g *Graph) Inputs() []Tensor { return nil }

// Outputs returns nothing.
func (g *Graph) Outputs() []Tensor { return nil }

// Eval says that this build has no engine.
func (g *Graph) Eval(ctx context.Context, in []Tensor, wanted []string) ([]Tensor, error) {
	return nil, errNoCgo()
}

// NewCall says that this build has no engine.
func (g *Graph) NewCall(in, out []Tensor) (*Call, error) { return nil, errNoCgo() }

// Close does nothing.
func (g *Graph) Close() error { return nil }

// Call cannot be made in this build.
type Call struct{}

// Run says that this build has no engine.
func (c *Call) Run(ctx context.Context, done func(stage int)) error { return errNoCgo() }

// Close does nothing.
func (c *Call) Close() error { return nil }

// Floats returns n zeroes.
func Floats(n int) []float32 { return make([]float32, max(n, 0)) }

// FreeFloats does nothing.
func FreeFloats(data []float32) {}
