//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package report

// Lock does nothing: this system has no lock of a folder.
func (osDisk) Lock(string) (unlock func(), err error) { return func() {}, nil }
