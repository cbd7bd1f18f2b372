package resources

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// group is the memory of a control group, in bytes.
type group struct{ used, limit uint64 }

// groupMemory returns the tightest memory limit above this process, in version 2 of
// control groups or in version 1; false where there is none. membership is
// /proc/self/cgroup, root is where groups are mounted.
func groupMemory(membership, root string) (group, bool) {
	data, err := os.ReadFile(membership)
	if err != nil {
		return group{}, false // no Linux
	}
	var tightest group
	found := false
	for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
		parts := strings.SplitN(line, ":", 3) // id:controllers:path
		if len(parts) != 3 {
			continue
		}
		base, limit, used := root, "memory.max", "memory.current"
		if parts[1] == "memory" {
			base, limit, used = filepath.Join(root, "memory"), "memory.limit_in_bytes", "memory.usage_in_bytes"
		} else if parts[1] != "" {
			continue
		}
		// In a container the path is often the host's and is not there: its own group is the root.
		for dir := filepath.Clean("/" + parts[2]); ; dir = filepath.Dir(dir) {
			at := filepath.Join(base, dir)
			if g, ok := readGroup(at, limit, used); ok && (!found || g.limit < tightest.limit) {
				tightest, found = g, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return tightest, found
}

func readGroup(dir, limit, used string) (group, bool) {
	l, ok := number(filepath.Join(dir, limit))
	if !ok {
		return group{}, false // "max": no limit
	}
	u, ok := number(filepath.Join(dir, used))
	if !ok {
		return group{}, false
	}
	return group{used: u - min(inactiveFiles(filepath.Join(dir, "memory.stat")), u), limit: l}, true
}

func number(path string) (uint64, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil
}

// inactiveFiles is what of a group's memory the kernel gives back when asked: pages
// of files that nobody has touched lately.
func inactiveFiles(path string) uint64 {
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if name == "inactive_file" || name == "total_inactive_file" {
			n, _ := strconv.ParseUint(value, 10, 64)
			return n
		}
	}
	return 0
}
