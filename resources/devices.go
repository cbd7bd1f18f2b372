package resources

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const cpuName = "cpu"

// names returns the devices that are meant, each once. auto is every GPU, or the CPU
// where there is none; so is an empty list.
func (m Machine) names(asked []string, why func(string, ...any)) (names []string, err error) {
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	auto := func() {
		for i := range m.GPUs {
			add(gpuName(i))
		}
		if len(m.GPUs) == 0 {
			add(cpuName)
			why("device: the CPU, as there is no GPU: %s", m.noGPU())
		}
	}
	for _, name := range asked {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "auto":
			auto()
		case cpuName:
			add(cpuName)
		default:
			n, ok := gpuNumber(name)
			if !ok {
				return nil, fmt.Errorf("device %.80q is none of auto, cpu, cuda, cuda:0", name)
			}
			if add(gpuName(n)); n >= len(m.GPUs) {
				why("device: %s is not seen here: where it cannot be opened the CPU does its work", gpuName(n))
			}
		}
	}
	if len(names) == 0 {
		auto()
	}
	return names, nil
}

func (m Machine) noGPU() string { return cmp.Or(m.NoGPU, "none was found") }

func gpuName(n int) string { return "cuda:" + strconv.Itoa(n) }

// gpuNumber is n of cuda:n, 0 of cuda.
func gpuNumber(name string) (n int, ok bool) {
	if name == "cuda" {
		return 0, true
	}
	number, ok := strings.CutPrefix(name, "cuda:")
	v, err := strconv.ParseUint(number, 10, 8) // as many as the engine counts
	return int(v), ok && err == nil
}
