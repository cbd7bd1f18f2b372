// Package resources says what this machine has and uses, plans how much of it is
// worked with, and keeps watch over its memory.
//
// In: the folders that matter, and who can tell of GPUs. Out: Snapshots; Plans, with
// their reasons in words; a Guard's level. Inside a container the limits of its
// control groups count, where they are lower than the machine's. It knows no engine and
// no slides.
//
//	resources.go  what there is and is used at a moment; sampler.go: every two seconds
//	cores.go, group.go, gpu.go, network.go  where that is read
//	devices.go, plan.go  devices, runners, batches, memory: a pure function of it
//	guard.go      what is given back when memory gets tight, and when
//	calibration.go  what is measured of a machine, for the next start
package resources

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"

	"bcc/fault"
)

// Config says what is looked at.
type Config struct {
	Folder  string   // on the disk that matters most; metrics and lists call it "data"
	Folders []Folder // others in use; default none
	GPUs    GPUs     // default nil: there are none
}

// Folder is a folder in use.
type Folder struct {
	Name string // of what lies in it, from a small fixed set
	Path string
}

// Snapshot is what the machine had and used at a moment. Sizes are in bytes.
type Snapshot struct {
	Time         time.Time
	Window       time.Duration // over which rates and shares of time were read
	Cores        int           // that this process may use: affinity and the container's limit are in it
	CPUPercent   float64       // 0 to 100: of the container's quota, or of the cores that this process may use, by everybody
	CPUThrottled float64       // seconds for which the container was stopped since it started, its quota used up
	RSSBytes     uint64        // of this process
	MemoryUsed   uint64        // of MemoryTotal (0: nothing tells); files that the kernel keeps at hand are not in it
	MemoryTotal  uint64
	Limited      bool   // MemoryTotal is the limit of a control group
	DiskFree     uint64 // that this user may still write, on the disk of the folder
	DiskTotal    uint64
	Disks        []Disk  // of all folders, that one's first
	NetworkIn    float64 // bytes a second
	NetworkOut   float64
	GPUs         []GPU
	NoGPU        string // why there is none, in words
}

// Disk is the disk of a folder.
type Disk struct {
	Name        string  `json:"name"`
	Folder      string  `json:"folder"`
	Free        uint64  `json:"free_bytes"` // that this user may still write
	Total       uint64  `json:"total_bytes"`
	UsedPercent float64 `json:"used_percent"` // of what this user could ever have
}

// MemoryPercent is the share of the memory that is used, 0 to 100.
func (s Snapshot) MemoryPercent() float64 { return percent(s.MemoryUsed, s.MemoryTotal) }

// DiskPercent is the share of the folder's disk that is used, 0 to 100.
func (s Snapshot) DiskPercent() float64 {
	if len(s.Disks) == 0 {
		return 0
	}
	return s.Disks[0].UsedPercent
}

func percent(part, all uint64) float64 {
	if all == 0 {
		return 0
	}
	return min(100*float64(part)/float64(all), 100)
}

// Read takes a snapshot: shares of time and rates are those of window, which Read waits
// for. An instant has no use; the shorter the window, the more it flaps.
func Read(ctx context.Context, cfg Config, window time.Duration) (Snapshot, error) {
	before, err := count(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	select {
	case <-ctx.Done():
		return Snapshot{}, ctx.Err()
	case <-time.After(window):
	}
	s, _, err := since(ctx, cfg, before)
	return s, err
}

// counted is what only grows, at a moment.
type counted struct {
	at      time.Time
	times   times
	group   groupCPU
	limited bool // group is one
	traffic traffic
}

func count(ctx context.Context) (c counted, err error) {
	c.at = time.Now()
	c.group, c.limited = ownGroups.cpu()
	c.traffic = crossed(ctx)
	c.times, err = busy(ctx)
	return c, err
}

// since takes a snapshot; what was used since before stands in it. It returns what the
// next one follows.
func since(ctx context.Context, cfg Config, before counted) (s Snapshot, now counted, err error) {
	if now, err = count(ctx); err != nil {
		return s, now, err
	}
	s = Snapshot{Time: now.at.UTC(), Window: now.at.Sub(before.at), Cores: ReadCores().Usable}
	s.CPUPercent, s.CPUThrottled = now.percentSince(before), now.group.throttled
	s.NetworkIn = rate(before.traffic.received, now.traffic.received, s.Window.Seconds())
	s.NetworkOut = rate(before.traffic.sent, now.traffic.sent, s.Window.Seconds())
	if s.RSSBytes, err = RSS(ctx); err != nil {
		return s, now, err
	}
	if s.MemoryUsed, s.MemoryTotal, s.Limited, err = memory(ctx, ownGroups); err != nil {
		return s, now, err
	}
	for _, folder := range append([]Folder{{"data", cfg.Folder}}, cfg.Folders...) {
		d, err := disk.UsageWithContext(ctx, folder.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return s, now, fault.New(fault.NotFound, "read disk use: there is no folder %s", folder.Path)
		}
		if err != nil {
			return s, now, fault.New(fault.Unavailable, "read disk use at %s: %w", folder.Path, err)
		}
		s.Disks = append(s.Disks, Disk{folder.Name, folder.Path, d.Free, d.Total, percent(d.Used, d.Used+d.Free)})
	}
	s.DiskFree, s.DiskTotal = s.Disks[0].Free, s.Disks[0].Total
	if cfg.GPUs != nil {
		s.GPUs, s.NoGPU = cfg.GPUs()
	}
	return s, now, nil
}

// memory returns what is used of the machine's memory, or of the tightest limit of a
// control group where that is lower.
func memory(ctx context.Context, g groups) (used, total uint64, limited bool, err error) {
	m, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return 0, 0, false, fault.New(fault.Unavailable, "read memory use: %w", err)
	}
	used, total, limited = g.within(m.Total-min(m.Available, m.Total), m.Total)
	return used, total, limited, nil
}

// within returns the memory of the tightest group where that is less than the machine's,
// or where nothing tells of the machine's (total 0: /proc/meminfo is hidden).
func (g groups) within(used, total uint64) (uint64, uint64, bool) {
	if group, ok := g.memory(); ok && (group.limit < total || total == 0) {
		return min(group.used, group.limit), group.limit, true
	}
	return used, total, false
}

// Memory returns what is used now of the memory that there is, bytes: of the machine's, or
// of the limit of a container, and whether it is that. Pages of files that the kernel
// gives back are not in it.
func Memory(ctx context.Context) (used, total uint64, limited bool, err error) {
	return memory(ctx, ownGroups)
}

// RSS returns the bytes of memory that this process holds now.
func RSS(ctx context.Context) (uint64, error) {
	m, err := (&process.Process{Pid: int32(os.Getpid())}).MemoryInfoWithContext(ctx)
	if err != nil {
		return 0, fault.New(fault.Unavailable, "read memory use of this process: %w", err)
	}
	return m.RSS, nil
}

// percentSince is the share of the quota that the container used, where there is one:
// its neighbours are none of its business. Else, or where the quota is more than its
// cores can do, that of the cores that this process may use.
func (c counted) percentSince(before counted) float64 {
	bound := c.group.quota > 0 && (c.times.cores == 0 || c.group.quota <= float64(c.times.cores))
	if took := c.at.Sub(before.at).Seconds(); c.limited && before.limited && bound && took > 0 {
		return min(max(100*(c.group.used-before.group.used)/(took*c.group.quota), 0), 100)
	}
	return c.times.percentSince(before.times)
}

// times is what cores have done since the machine started, in seconds.
type times struct {
	busy, all float64
	cores     int // how many; 0: all of the machine
}

// mine are the cores that this process may use, at its start; nil: nobody tells.
var mine = affinity()

func busy(ctx context.Context) (times, error) {
	each, err := cpu.TimesWithContext(ctx, true)
	if t, ok := of(mine, each); err == nil && ok {
		return t, nil
	}
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return times{}, fault.New(fault.Unavailable, "read processor use: %w", err)
	}
	if len(all) == 0 {
		return times{}, fault.New(fault.Unavailable, "read processor use: this system tells none")
	}
	var t times
	t.add(all[0])
	return t, nil
}

// of sums the times of these cores; false where not all of them are told of, as in a
// container that shows its cores under other numbers.
func of(cores map[int]bool, each []cpu.TimesStat) (t times, ok bool) {
	for _, c := range each {
		if n, err := strconv.Atoi(strings.TrimPrefix(c.CPU, "cpu")); err == nil && cores[n] {
			t.add(c)
			t.cores++
		}
	}
	return t, t.cores > 0 && t.cores == len(cores)
}

// add counts a core. Guest time is in user time already; waiting for a disk is idle.
func (t *times) add(c cpu.TimesStat) {
	work := c.User + c.Nice + c.System + c.Irq + c.Softirq + c.Steal
	t.busy += work
	t.all += work + c.Idle + c.Iowait
}

// percentSince is 0 where no time has passed: clocks of the kernel tick at 10 ms.
func (t times) percentSince(before times) float64 {
	all := t.all - before.all
	if all <= 0 {
		return 0
	}
	return min(max(100*(t.busy-before.busy)/all, 0), 100)
}
