package resources

import (
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
)

// planted returns groups of a process with this membership, over these files.
func planted(t *testing.T, membership string, files map[string]string) groups {
	t.Helper()
	root := t.TempDir()
	all := maps.Clone(files)
	if all == nil {
		all = map[string]string{}
	}
	all["membership"] = membership
	for path, text := range all {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return groups{filepath.Join(root, "membership"), root}
}

func TestTheTightestLimitCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		membership string
		files      map[string]string
		want       groupMemory
		found      bool
	}{
		"version 2": {"0::/a/b\n", map[string]string{
			"a/memory.max": "1000\n", "a/memory.current": "600\n", "a/memory.stat": "anon 300\ninactive_file 100\nactive_file 50\n",
			"a/b/memory.max": "max\n", "a/b/memory.current": "500\n",
		}, groupMemory{450, 1000}, true},
		"version 1": {"3:cpu:/x\n2:memory:/x\n", map[string]string{
			"memory/x/memory.limit_in_bytes": "800\n", "memory/x/memory.usage_in_bytes": "200\n",
			"memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 40\ntotal_active_file 60\n",
		}, groupMemory{100, 800}, true},
		"more pages of files than memory": {"0::/\n", map[string]string{
			"memory.max": "900\n", "memory.current": "100\n", "memory.stat": "inactive_file 200\n",
		}, groupMemory{0, 900}, true},
		"a container whose path is the host's": {"0::/kubepods/pod7\n", map[string]string{
			"memory.max": "900\n", "memory.current": "100\n",
		}, groupMemory{100, 900}, true},
		"no limit": {"0::/\n", nil, groupMemory{}, false},
		"version 1 without a limit": {"2:memory:/\n", map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854771712\n", "memory/memory.usage_in_bytes": "200\n",
		}, groupMemory{}, false},
		"no groups":       {"", nil, groupMemory{}, false},
		"a broken number": {"0::/\n", map[string]string{"memory.max": "9e9\n", "memory.current": "1\n"}, groupMemory{}, false},
	} {
		if got, found := planted(t, c.membership, c.files).memory(); got != c.want || found != c.found {
			t.Errorf("%s: %+v, %v: want %+v, %v", name, got, found, c.want, c.found)
		}
	}
}

func TestTheTightestQuotaCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		membership string
		files      map[string]string
		want       groupCPU
		found      bool
	}{
		"version 2": {"0::/a/b\n", map[string]string{
			"a/cpu.max": "150000 100000\n", "a/cpu.stat": "usage_usec 2500000\nuser_usec 1\nthrottled_usec 500000\n",
			"a/b/cpu.max": "max 100000\n",
		}, groupCPU{1.5, 2.5, 0.5}, true},
		"version 1": {"3:cpu,cpuacct:/x\n2:memory:/x\n", map[string]string{
			"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n", "cpu/x/cpu.stat": "nr_periods 3\nthrottled_time 2000000000\n",
			"cpuacct/x/cpuacct.usage": "7000000000\n",
		}, groupCPU{0.5, 7, 2}, true},
		"version 1, each controller with its own group": {"2:cpuacct:/y/z\n1:cpu:/x\n", map[string]string{
			"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n",
			"cpuacct/x/cpuacct.usage": "99000000000\n", "cpuacct/y/z/cpuacct.usage": "3000000000\n", "cpuacct/y/cpuacct.usage": "8000000000\n", "cpuacct/cpuacct.usage": "99000000000\n",
		}, groupCPU{0.5, 3, 0}, true},
		"version 1, the quota is of a group above": {"2:cpuacct:/x/y\n1:cpu:/x/y\n", map[string]string{
			"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n",
			"cpuacct/x/y/cpuacct.usage": "1000000000\n", "cpuacct/x/cpuacct.usage": "4000000000\n",
		}, groupCPU{0.5, 4, 0}, true},
		"version 1, a container whose path is the host's": {"2:cpuacct:/docker/7\n1:cpu:/docker/7\n", map[string]string{
			"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n", "cpuacct/cpuacct.usage": "6000000000\n",
		}, groupCPU{0.5, 6, 0}, true},
		"version 1 without a limit": {"3:cpu:/\n", map[string]string{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, groupCPU{}, false},
		"a broken line":             {"0::/\n", map[string]string{"cpu.max": "much\n"}, groupCPU{}, false},
		"no time at all":            {"0::/\n", map[string]string{"cpu.max": "0 0\n"}, groupCPU{}, false},
	} {
		if got, found := planted(t, c.membership, c.files).cpu(); got != c.want || found != c.found {
			t.Errorf("%s: %+v, %v: want %+v, %v", name, got, found, c.want, c.found)
		}
	}
}

func TestWithoutAnAccountTheProcessesAreAsked(t *testing.T) {
	t.Parallel()
	g := planted(t, "2:cpuacct:/\n1:cpu:/x\n", map[string]string{
		"cpu/x/cpu.cfs_quota_us": "50000\n", "cpu/x/cpu.cfs_period_us": "100000\n", "cpu/x/cgroup.procs": strconv.Itoa(os.Getpid()) + "\n",
		"cpuacct/x/cpuacct.usage": "99000000000000\n", "cpuacct/cpuacct.usage": "99000000000000\n",
	})
	for end := time.Now().Add(10 * time.Second); ; { // until a tick of the clock has been used
		c, ok := g.cpu()
		if !ok || c.used > 9000 {
			t.Fatalf("%+v, %v: somebody else's", c, ok)
		}
		if c.used > 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("this process has used nothing")
		}
	}
}

func TestProcessesAreSummed(t *testing.T) {
	t.Parallel()
	dir := planted(t, "", map[string]string{
		"list":   "7\n8\n9\n",
		"7/stat": "7 (a) b) (c) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5\n", "9/stat": "9 (x) R 1\n",
	}).root
	if got, want := usedBy(filepath.Join(dir, "list"), dir), 127/cpu.ClocksPerSec; got != want {
		t.Errorf("%v s, want %v", got, want)
	}
	if got := usedBy(filepath.Join(dir, "nowhere"), dir); got != 0 {
		t.Errorf("nobody used %v s", got)
	}
}

func TestAQuotaBoundsTheCores(t *testing.T) {
	t.Parallel()
	for quota, want := range map[string]int{"50000": 1, "100000": 1, "100000000": slots, "max": slots} {
		g := planted(t, "0::/\n", map[string]string{"cpu.max": quota + " 100000\n"})
		if got := readCores(g); got.Usable != want || got.Machine < got.Allowed || got.Allowed < 1 {
			t.Errorf("quota %s: %+v, want %d usable", quota, got, want)
		}
	}
}

func TestUseIsOfTheContainersQuota(t *testing.T) {
	t.Parallel()
	at := time.Now()
	before := counted{at: at, limited: true, group: groupCPU{quota: 0.5, used: 10}, times: times{busy: 1, all: 10}}
	after := counted{at: at.Add(4 * time.Second), limited: true, group: groupCPU{quota: 0.5, used: 11}, times: times{busy: 9, all: 18}}
	if got := after.percentSince(before); got != 50 { // 1 s of the 2 s it may have in 4; its neighbours are busier
		t.Errorf("%v %% of the quota, want 50", got)
	}
	after.times.cores, after.group.quota = 2, 4
	if got := after.percentSince(before); got != 100 {
		t.Errorf("%v %% of two full cores under a quota of four", got)
	}
	after.limited = false
	if got := after.percentSince(before); got != 100 {
		t.Errorf("%v %% of the machine, want 100", got)
	}
}

func TestALimitCountsWhereItIsLowerOrAllThatIsKnown(t *testing.T) {
	t.Parallel()
	limited := planted(t, "0::/\n", map[string]string{"memory.max": "900\n", "memory.current": "100\n"})
	for name, c := range map[string]struct {
		g           groups
		total       uint64 // of the machine, half of it used
		want, wantT uint64
		limited     bool
	}{
		"lower":                      {limited, 1000, 100, 900, true},
		"higher than the machine":    {limited, 800, 400, 800, false},
		"the machine tells nothing":  {limited, 0, 100, 900, true},
		"nobody tells":               {planted(t, "", nil), 0, 0, 0, false},
		"no limit above the process": {planted(t, "0::/\n", nil), 800, 400, 800, false},
	} {
		if used, total, is := c.g.within(c.total/2, c.total); used != c.want || total != c.wantT || is != c.limited {
			t.Errorf("%s: %d of %d, %v", name, used, total, is)
		}
	}
}
