//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package local

import (
	"os"
	"runtime"

	"bcc/fault"
)

func supported() error {
	return fault.Hint(fault.New(fault.Unsupported, "workers of this machine cannot be kept on %s", runtime.GOOS), "start bcc worker by hand, or run this on Linux")
}

func spawn([]string, []string, *os.File) (int, error) { return 0, supported() }
func terminate(int) error                             { return supported() }
func reap(int) (string, bool)                         { return "", true }
func byID(string) int                                 { return 0 }
