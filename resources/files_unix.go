//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package resources

import "syscall"

// OpenFiles returns how many files, connections among them, this process may have open
// at once; 0: unknown. Go raises the soft limit to the hard one by itself.
func OpenFiles() int {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	return int(min(uint64(r.Cur), 1<<30))
}
