package bench

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// peakRSS returns the process's largest resident memory in bytes, 0 where the
// system does not say.
func peakRSS() int64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10
		}
	}
	return 0
}

// rssOf returns a process's resident memory in bytes, 0 where the system does not say.
func rssOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// treeRSS adds up a process and its children. Pages that they share count for each.
func treeRSS(pid int) int64 {
	sum := rssOf(pid)
	for _, child := range children(pid) {
		sum += treeRSS(child)
	}
	return sum
}

// treeMemory returns the resident memory of a process and its children: what they made
// themselves, where a page that several share counts once, and the files (programs,
// libraries, shared memory) of the one that has most of them. 0 where the system does not
// say (proc(5): smaps_rollup).
func treeMemory(pid int) int64 {
	made, files := memoryOf(pid)
	return made + files
}

func memoryOf(pid int) (made, files int64) {
	var rss, anonymous int64
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch key {
		case "Rss":
			rss = kb << 10
		case "Anonymous":
			anonymous = kb << 10
		case "Pss_Anon":
			made = kb << 10
		}
	}
	files = rss - anonymous
	for _, child := range children(pid) {
		more, others := memoryOf(child)
		made, files = made+more, max(files, others)
	}
	return made, files
}

// treeCPU adds up the processor seconds of a process and its children, of those that
// have ended too, in steps of 10 ms (proc(5): utime, stime, cutime and cstime in ticks of
// 1/100 s).
func treeCPU(pid int) float64 {
	sum := 0.0
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, rest, _ := strings.Cut(string(text), ") ") // the name may hold anything
		if fields := strings.Fields(rest); len(fields) > 14 {
			for _, field := range fields[11:15] {
				ticks, _ := strconv.Atoi(field)
				sum += float64(ticks) / 100
			}
		}
	}
	for _, child := range children(pid) {
		sum += treeCPU(child)
	}
	return sum
}

func children(pid int) (pids []int) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for word := range strings.FieldsSeq(string(text)) {
		if child, err := strconv.Atoi(word); err == nil {
			pids = append(pids, child)
		}
	}
	return pids
}

// watchRSS asks every half second until ctx ends, and returns what it heard.
func watchRSS(ctx context.Context, rss func() int64) (heard []int64) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		heard = append(heard, rss())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return heard
		}
	}
}

// spread returns the smallest and the largest value.
func spread(values []float64) (low, high float64) {
	return slices.Min(values), slices.Max(values)
}
