//go:build !linux

package local

import (
	"slices"
	"strconv"

	"github.com/shirou/gopsutil/v4/process"
)

// birthOf tells a process from all others that have, had or will have its number.
func birthOf(pid int) (birth string, runs bool) {
	p, err := process.NewProcess(int32(pid))
	if err != nil {
		return "", false
	}
	if s, err := p.Status(); err == nil && slices.Contains(s, process.Zombie) {
		return "", false
	}
	at, err := p.CreateTime()
	return strconv.FormatInt(at, 10), err == nil
}
