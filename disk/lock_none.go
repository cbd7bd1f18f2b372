//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package disk

// Lock does nothing: this system has no lock of a folder.
func Lock(string) (unlock func(), err error) { return func() {}, nil }
