package resources

import (
	"bufio"
	"bytes"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shirou/gopsutil/v4/cpu"
)

// groups are the control groups that a process is in: version 2, version 1 or both.
type groups struct {
	membership string // /proc/self/cgroup
	root       string // where they are mounted
}

var ownGroups = groups{"/proc/self/cgroup", "/sys/fs/cgroup"}

// dirs returns the folders of the groups above this process that a controller has, the
// nearest first, each with the version of its files. In a container the path of a
// membership is often the host's and is not there: its own group is the root then.
func (g groups) dirs(controller string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		data, err := os.ReadFile(g.membership)
		if err != nil {
			return // no Linux
		}
		for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
			parts := strings.SplitN(line, ":", 3) // id:controllers:path
			if len(parts) != 3 {
				continue
			}
			base, version := g.root, 2
			if slices.Contains(strings.Split(parts[1], ","), controller) {
				base, version = filepath.Join(g.root, controller), 1
			} else if parts[1] != "" {
				continue
			}
			for dir := filepath.Clean("/" + parts[2]); ; dir = filepath.Dir(dir) {
				if !yield(filepath.Join(base, dir), version) {
					return
				}
				if dir == "/" {
					break
				}
			}
		}
	}
}

// groupMemory is the memory of a control group, in bytes.
type groupMemory struct{ used, limit uint64 }

// memory returns the tightest memory limit above this process; false where there is
// none.
func (g groups) memory() (groupMemory, bool) {
	var tightest groupMemory
	found := false
	for dir, version := range g.dirs("memory") {
		limit, used := "memory.max", "memory.current"
		if version == 1 {
			limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
		}
		if m, ok := readMemory(dir, limit, used); ok && (!found || m.limit < tightest.limit) {
			tightest, found = m, true
		}
	}
	return tightest, found
}

// unlimited is what no memory has: version 1 writes nearly 1<<63 where there is no limit.
const unlimited = 1 << 60

func readMemory(dir, limit, used string) (groupMemory, bool) {
	l, ok := number(filepath.Join(dir, limit))
	if !ok || l >= unlimited {
		return groupMemory{}, false // "max": no limit
	}
	u, ok := number(filepath.Join(dir, used))
	if !ok {
		return groupMemory{}, false
	}
	return groupMemory{used: u - min(pagesOfFiles(filepath.Join(dir, "memory.stat")), u), limit: l}, true
}

// pagesOfFiles is what of a group's memory the kernel takes back before it kills:
// pages of files. What is shared between processes is not among them, though version
// 1 counts it as cache.
func pagesOfFiles(stat string) (bytes uint64) {
	v := table(stat)
	for _, list := range []string{"inactive_file", "active_file"} {
		n, ok := v["total_"+list] // version 1: with the groups below
		if !ok {
			n = v[list]
		}
		bytes += n
	}
	return bytes
}

// groupCPU is the processor time that a control group may use and has used.
type groupCPU struct {
	quota     float64 // cores' worth
	used      float64 // seconds
	throttled float64 // seconds for which it was stopped because its quota was used up
}

// cpu returns the tightest quota above this process; false where there is none.
func (g groups) cpu() (groupCPU, bool) {
	var tightest groupCPU
	found := false
	for dir, version := range g.dirs("cpu") {
		c, ok := readCPU2(dir)
		if version == 1 {
			c, ok = readCPU1(dir)
			if ok {
				c.used = g.used1(dir)
			}
		}
		if ok && (!found || c.quota < tightest.quota) {
			tightest, found = c, true
		}
	}
	return tightest, found
}

func readCPU2(dir string) (groupCPU, bool) {
	data, err := os.ReadFile(filepath.Join(dir, "cpu.max"))
	if err != nil {
		return groupCPU{}, false
	}
	fields := strings.Fields(string(data)) // "max 100000", "150000 100000": µs in each period of µs
	if len(fields) != 2 {
		return groupCPU{}, false
	}
	quota, err := strconv.ParseFloat(fields[0], 64)
	period, wrong := strconv.ParseFloat(fields[1], 64)
	if err != nil || wrong != nil || !(quota > 0 && period > 0) {
		return groupCPU{}, false
	}
	stat := table(filepath.Join(dir, "cpu.stat"))
	return groupCPU{quota / period, float64(stat["usage_usec"]) / 1e6, float64(stat["throttled_usec"]) / 1e6}, true
}

func readCPU1(dir string) (groupCPU, bool) {
	quota, ok := number(filepath.Join(dir, "cpu.cfs_quota_us"))
	if !ok || quota == 0 {
		return groupCPU{}, false // -1: no limit
	}
	period, ok := number(filepath.Join(dir, "cpu.cfs_period_us"))
	if !ok || period == 0 {
		return groupCPU{}, false
	}
	stat := table(filepath.Join(dir, "cpu.stat"))
	return groupCPU{quota: float64(quota) / float64(period), throttled: float64(stat["throttled_time"]) / 1e9}, true
}

// used1 is the processor time, in seconds, that a group of the controller cpu of version 1
// has used. Another controller tells of it, cpuacct. Mostly both have the same groups;
// where they do not, the group that this process is in there is the nearest to the truth,
// unless it is the whole machine: then the group's processes are asked.
func (g groups) used1(dir string) float64 {
	if ns, ok := number(filepath.Join(dir, "cpuacct.usage")); ok { // mounted as one
		return float64(ns) / 1e9
	}
	at, _ := filepath.Rel(filepath.Join(g.root, "cpu"), dir)
	same, top := filepath.Join(g.root, "cpuacct", at), filepath.Join(g.root, "cpuacct")
	nearest, found := uint64(0), false
	for acct, version := range g.dirs("cpuacct") {
		ns, ok := number(filepath.Join(acct, "cpuacct.usage"))
		if version != 1 || !ok {
			continue
		}
		if acct == same {
			return float64(ns) / 1e9
		}
		if !found && acct != top {
			nearest, found = ns, true
		}
	}
	if found {
		return float64(nearest) / 1e9
	}
	return usedBy(filepath.Join(dir, "cgroup.procs"), "/proc")
}

// usedBy sums the processor time of the processes that a file lists, and of those they
// have waited for, in seconds.
func usedBy(list, proc string) (seconds float64) {
	pids, err := os.ReadFile(list)
	if err != nil {
		return 0
	}
	for pid := range strings.FieldsSeq(string(pids)) {
		stat, err := os.ReadFile(filepath.Join(proc, pid, "stat"))
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for at := 11; at <= 14 && at < len(fields); at++ { // utime, stime, cutime, cstime: proc(5)
			ticks, _ := strconv.ParseFloat(fields[at], 64)
			seconds += ticks / cpu.ClocksPerSec
		}
	}
	return seconds
}

func number(path string) (uint64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// table reads a file of lines "name number"; empty where there is none.
func table(path string) map[string]uint64 {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	v := map[string]uint64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if n, err := strconv.ParseUint(value, 10, 64); err == nil {
			v[name] = n
		}
	}
	return v
}
