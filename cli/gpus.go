package cli

import (
	"os"
	"strconv"
	"strings"

	"bcc/native/nvml"
	"bcc/native/ort"
	"bcc/resources"
)

var driver = nvml.New("")

var _ resources.GPUs = gpus

// gpus reads the GPUs that this process may use, in the order in which the engine
// counts them.
func gpus() ([]resources.GPU, string) {
	found, why := driver.GPUs()
	all := make([]resources.GPU, len(found))
	for i, g := range found {
		all[i] = resources.GPU(g)
	}
	if visible, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok && len(all) > 0 {
		if all = visibleOf(all, visible); len(all) == 0 {
			why = "CUDA_VISIBLE_DEVICES shows none"
		}
	}
	return all, why
}

// visibleOf returns those of all GPUs that CUDA_VISIBLE_DEVICES lets CUDA see, numbered as
// CUDA does: by their place in the list, which ends at the first that is not there.
func visibleOf(all []resources.GPU, visible string) []resources.GPU {
	var seen []resources.GPU
	for name := range strings.SplitSeq(visible, ",") {
		at := -1
		name = strings.TrimSpace(name)
		if n, err := strconv.Atoi(name); err == nil && n < len(all) {
			at = n
		}
		for i, g := range all {
			if name != "" && strings.HasPrefix(g.UUID, name) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		g := all[at]
		g.Index = len(seen)
		seen = append(seen, g)
	}
	return seen
}

// engineGPUs is gpus where the engine's library is loaded: it may reach a GPU without
// the library that tells of it.
func engineGPUs() ([]resources.GPU, string) {
	all, why := gpus()
	if len(all) > 0 {
		return all, why
	}
	if can, _ := ort.CUDAAvailable(); can {
		return []resources.GPU{{Name: "GPU 0, of which the driver tells nothing (" + why + ")"}}, ""
	}
	return nil, why
}
