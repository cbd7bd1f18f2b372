package local

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// birthOf tells a process from all others that have, had or will have its number: when
// it was started, in ticks since this machine was, and which start of the machine that
// is. A process that has ended and that nobody has waited for does not run.
func birthOf(pid int) (birth string, runs bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	_, rest, ok := bytes.Cut(stat[max(bytes.LastIndexByte(stat, ')'), 0):], []byte(" ")) // its name may hold anything
	fields := bytes.Fields(rest)
	if !ok || len(fields) < 20 || fields[0][0] == 'Z' || fields[0][0] == 'X' { // proc(5): state is field 3, starttime 22
		return "", false
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", false
	}
	return strings.TrimSpace(string(boot)) + "/" + string(fields[19]), true
}
