// Package bench compares the program with the bare parts it is made of: the
// whole walk with the engine alone, the reader with its decoder alone. Both sides
// of a comparison run in one process, in turn, several times over; what counts is
// the median of their ratios, because machines are noisy.
//
// In: parts that the caller wired. Out: figures, one JSON object a comparison.
package bench

import (
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Machine says where figures were measured.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"` // that the measured work may use
	Go    string `json:"go"`
}

// machine describes this machine, of which so many cores are used.
func machine(cores int) Machine {
	return Machine{CPU: cpuName(), Cores: cores, Go: runtime.Version()}
}

// median returns the middle of the values, the mean of both where there are two.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

// CPUSeconds returns the processor time that this process has used on all cores.
func CPUSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}
