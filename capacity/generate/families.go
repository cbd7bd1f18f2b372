package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// shape is what an instance type has.
type shape struct {
	arch      string
	vcpu      int
	threads   int // vCPUs of a core
	memoryGiB float64
	gpu       bool
}

// family is a family of types that are alike but for their size. Amazon's names say how
// many vCPUs there are: large 2, xlarge 4, nxlarge 4n. Memory goes with them (c: 2 GiB a
// vCPU, m: 4), and so do threads: a vCPU is a core of its own on Graviton and on AMD's
// processors since the seventh generation, half a core on Intel's and on older ones of AMD.
type family struct {
	name      string
	arch      string
	threads   int
	perVCPU   float64 // GiB
	gpu       bool
	otherwise map[string]float64 // GiB of the sizes that do not keep to perVCPU
}

// families are those that suit the work: many cores for little money, or GPUs of NVIDIA.
// What needs other ones writes a catalogue of its own.
var families = []family{
	{name: "c6a", arch: "amd64", threads: 2, perVCPU: 2},
	{name: "c6i", arch: "amd64", threads: 2, perVCPU: 2},
	{name: "c7a", arch: "amd64", threads: 1, perVCPU: 2},
	{name: "c7i", arch: "amd64", threads: 2, perVCPU: 2},
	{name: "c8a", arch: "amd64", threads: 1, perVCPU: 2},
	{name: "c8i", arch: "amd64", threads: 2, perVCPU: 2},
	{name: "c7g", arch: "arm64", threads: 1, perVCPU: 2},
	{name: "c8g", arch: "arm64", threads: 1, perVCPU: 2},
	{name: "m7a", arch: "amd64", threads: 1, perVCPU: 4},
	{name: "m7i", arch: "amd64", threads: 2, perVCPU: 4},
	{name: "m8a", arch: "amd64", threads: 1, perVCPU: 4},
	{name: "m8g", arch: "arm64", threads: 1, perVCPU: 4},
	{name: "c6g", arch: "arm64", threads: 1, perVCPU: 2},
	{name: "g4dn", arch: "amd64", threads: 2, perVCPU: 4, gpu: true},
	{name: "g5", arch: "amd64", threads: 2, perVCPU: 4, gpu: true},
	{name: "g6", arch: "amd64", threads: 2, perVCPU: 4, gpu: true},
	{name: "g6e", arch: "amd64", threads: 2, perVCPU: 8, gpu: true},
	{name: "p5", arch: "amd64", threads: 2, gpu: true, otherwise: map[string]float64{"4xlarge": 256, "48xlarge": 2048}},
}

func place(name string) int {
	return slices.IndexFunc(families, func(f family) bool { return f.name == name })
}

// shapeOf says what the type has, by its name; false: it is of no family of ours, or no
// part of a machine but all of it, which costs no less and takes longer to start.
func shapeOf(name string) (shape, bool, error) {
	in, size, _ := strings.Cut(name, ".")
	i := place(in)
	if i < 0 || strings.HasPrefix(size, "metal") {
		return shape{}, false, nil
	}
	f := families[i]
	s := shape{arch: f.arch, threads: f.threads, gpu: f.gpu}
	switch times, is := strings.CutSuffix(size, "xlarge"); {
	case size == "medium":
		s.vcpu, s.threads = 1, 1
	case size == "large":
		s.vcpu = 2
	case is && times == "":
		s.vcpu = 4
	case is:
		n, err := strconv.Atoi(times)
		if err != nil {
			return shape{}, false, fmt.Errorf("type %s: what size is that", name)
		}
		s.vcpu = 4 * n
	default:
		return shape{}, false, fmt.Errorf("type %s: what size is that", name)
	}
	s.memoryGiB = float64(s.vcpu) * f.perVCPU
	if gib, is := f.otherwise[size]; is {
		s.memoryGiB = gib
	}
	if s.memoryGiB == 0 {
		return shape{}, false, fmt.Errorf("type %s: how much memory it has is not known", name)
	}
	return s, true, nil
}
