package cli

import (
	"runtime"

	"bcc/resources"
)

// cores is the number of processor cores that this process may use: affinity, cpusets
// and the container's quota are in it.
var cores = resources.ReadCores().Usable

// roomForNativeCalls lets Go run more goroutines than there are cores. Nearly all
// of the walk's time is spent inside native calls of 0.02 to 20 ms, each of which
// keeps a slot of the scheduler until a watchdog takes it away; with a slot a core,
// returning calls wait for one, and the watchdog wakes up every 20 µs. Four slots a
// core took 5 % off the processor time of a walk (docs/results.md). The number of
// busy goroutines is set elsewhere, by cores.
func roomForNativeCalls() { runtime.GOMAXPROCS(4 * cores) }
