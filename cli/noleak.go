//go:build !leak

package cli

// leak does nothing: see leak.go.
func leak() {}
