package resources

import (
	"os"

	"golang.org/x/sys/unix"
)

// affinity returns the numbers of the cores that this process may run on, as the kernel
// counts them; nil: it does not tell.
func affinity() map[int]bool {
	var set unix.CPUSet
	if unix.SchedGetaffinity(os.Getpid(), &set) != nil {
		return nil
	}
	cores := map[int]bool{}
	for n := range len(set) * 64 {
		if set.IsSet(n) {
			cores[n] = true
		}
	}
	return cores
}
