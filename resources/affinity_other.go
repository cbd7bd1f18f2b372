//go:build !linux

package resources

// affinity returns nil: it is not told.
func affinity() map[int]bool { return nil }
