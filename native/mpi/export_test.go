//go:build cgo

package mpi

// SetChunk sets the most elements one call of the library is given.
func SetChunk(n int) { chunk = n }
