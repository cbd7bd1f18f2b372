package resources

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const cpuName = "cpu"

// names returns the devices that are meant and there, each once, and the GPUs that nobody
// sees. auto is every GPU, or the CPU where there is none; so is an empty list.
func (m Machine) names(asked []string, why func(string, ...any)) (names, unseen []string, err error) {
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
				return nil, nil, fmt.Errorf("device %.80q is none of auto, cpu, cuda, cuda:0", name)
			}
			if n < len(m.GPUs) {
				add(gpuName(n))
			} else if !slices.Contains(unseen, gpuName(n)) {
				unseen = append(unseen, gpuName(n))
			}
		}
	}
	if len(names) == 0 && len(unseen) == 0 {
		auto()
	}
	if len(unseen) > 0 {
		why("device: %s not seen here%s: what cannot be opened the CPU does", isOrAre(unseen), m.seen())
	}
	return names, unseen, nil
}

func isOrAre(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}

// seen says which GPUs there are instead.
func (m Machine) seen() string {
	switch n := len(m.GPUs); n {
	case 0:
		return " (no GPU: " + m.noGPU() + ")"
	case 1:
		return " (only " + gpuName(0) + " is)"
	default:
		return fmt.Sprintf(" (cuda:0 to %s are)", gpuName(n-1))
	}
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
