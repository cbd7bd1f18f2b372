//go:build cgo

package nccl

func init() { bufferBytes = 100_000 } // several pieces a call
