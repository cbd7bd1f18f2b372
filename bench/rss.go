package bench

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
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

// spread returns the smallest and the largest value.
func spread(values []float64) (low, high float64) {
	return slices.Min(values), slices.Max(values)
}
