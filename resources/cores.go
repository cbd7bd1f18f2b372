package resources

import (
	"math"
	"runtime"

	"github.com/shirou/gopsutil/v4/cpu"
)

// Cores says how many processor cores there are, and how many of them this process
// may keep busy.
type Cores struct {
	Machine int     `json:"machine"`
	Allowed int     `json:"allowed"`     // by affinity, which holds what a cpuset leaves
	Quota   float64 `json:"quota_cores"` // processor time of the tightest control group, in cores; 0: no limit
	Usable  int     `json:"usable"`      // how many to plan with
}

// slots is read before anything raises the scheduler's number of slots: it is what the
// user asked Go for, where that is fewer.
var slots = runtime.GOMAXPROCS(0)

// ReadCores counts them.
func ReadCores() Cores { return readCores(ownGroups) }

func readCores(g groups) Cores {
	c := Cores{Allowed: runtime.NumCPU()} // at the start of the process
	c.Machine, _ = cpu.Counts(true)
	c.Machine = max(c.Machine, c.Allowed)
	c.Usable = min(c.Allowed, slots)
	if group, ok := g.cpu(); ok {
		c.Quota = group.quota
		// A part of a core is worth a runner: it works while others wait for the disk. Go
		// itself never goes below two slots, which is one too many for half a core.
		c.Usable = min(c.Usable, int(math.Ceil(c.Quota-0.01)))
	}
	c.Usable = max(c.Usable, 1)
	return c
}
