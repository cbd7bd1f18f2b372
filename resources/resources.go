// Package resources says what this machine has and uses: cores and how busy they
// are, memory, room on a disk.
//
// In: a folder on the disk that matters. Out: Snapshots. Inside a container the
// limits of its control group count, where they are lower than the machine's. It
// decides nothing.
package resources

import (
	"context"
	"os"
	"runtime"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"bcc/fault"
)

// Snapshot is what the machine had and used at a moment. Sizes are in bytes.
type Snapshot struct {
	Time        time.Time
	Cores       int     // that this process may use: affinity and the container's limit are in it
	CPUPercent  float64 // of all cores of the machine, 0 to 100, over the window of the reading
	RSSBytes    uint64  // of this process
	MemoryUsed  uint64  // of MemoryTotal; files that the kernel keeps at hand are not in it
	MemoryTotal uint64
	DiskFree    uint64 // that this user may still write, on the disk of the folder
	DiskTotal   uint64
}

// cores is read before anything raises the scheduler's number of slots.
var cores = runtime.GOMAXPROCS(0)

// Read takes a snapshot: CPUPercent is what is used during window, which Read waits
// for. An instant has no use; the shorter the window, the more it flaps.
func Read(ctx context.Context, folder string, window time.Duration) (Snapshot, error) {
	before, err := busy(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	select {
	case <-ctx.Done():
		return Snapshot{}, ctx.Err()
	case <-time.After(window):
	}
	return since(ctx, folder, before)
}

// since takes a snapshot; CPUPercent is what was used since before.
func since(ctx context.Context, folder string, before times) (Snapshot, error) {
	s := Snapshot{Time: time.Now().UTC(), Cores: cores}
	after, err := busy(ctx)
	if err != nil {
		return s, err
	}
	s.CPUPercent = after.percentSince(before)
	if s.RSSBytes, err = RSS(ctx); err != nil {
		return s, err
	}
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return s, fault.New(fault.Unavailable, "read memory use: %w", err)
	}
	s.MemoryUsed, s.MemoryTotal = m.Total-min(m.Available, m.Total), m.Total
	if g, ok := groupMemory("/proc/self/cgroup", "/sys/fs/cgroup"); ok && g.limit < s.MemoryTotal {
		s.MemoryUsed, s.MemoryTotal = min(g.used, g.limit), g.limit
	}
	d, err := disk.UsageWithContext(ctx, folder)
	if err != nil {
		return s, fault.New(fault.Unavailable, "read disk use: %w", err)
	}
	s.DiskFree, s.DiskTotal = d.Free, d.Total
	return s, nil
}

// RSS returns the bytes of memory that this process holds now.
func RSS(ctx context.Context) (uint64, error) {
	m, err := (&process.Process{Pid: int32(os.Getpid())}).MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "read memory use of this process: %w", err)
	}
	return m.RSS, nil
}

// times is what the cores have done since the machine started, in seconds.
type times struct{ busy, all float64 }

func busy(ctx context.Context) (times, error) {
	t, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return times{}, fault.New(fault.Unavailable, "read processor use: %w", err)
	}
	if len(t) == 0 {
		return times{}, fault.New(fault.Unavailable, "read processor use: this system tells none")
	}
	// Guest time is in user time already; waiting for a disk is idle.
	c := t[0]
	idle := c.Idle + c.Iowait
	all := c.User + c.Nice + c.System + c.Irq + c.Softirq + c.Steal + idle
	return times{busy: all - idle, all: all}, nil
}

// percentSince is 0 where no time has passed: clocks of the kernel tick at 10 ms.
func (t times) percentSince(before times) float64 {
	all := t.all - before.all
	if all <= 0 {
		return 0
	}
	return min(max(100*(t.busy-before.busy)/all, 0), 100)
}
