// Package ort runs ONNX models with ONNX Runtime, on the CPU or on an NVIDIA GPU.
//
// In: the bytes of a model and patches as RGB bytes. Out: one row of float32
// outputs a patch. It knows nothing of slides, batching across callers or model
// cards.
//
//	Load (once a process) ─► Open (one session a device) ─► NewRunner (one a goroutine) ─► Run
//
// Runs always have the same shape, a short batch is padded, so that the outputs
// of a patch never depend on what lies beside it. On the CPU a lone patch is run by
// itself where that was seen to give the same bits (try.go). Each session works on the thread
// that calls Run: it starts none of its own on the CPU, and several Runners of one
// Model may run at the same time.
//
// Other graphs, those that train above all, are Graphs (graph.go): float tensors in
// and out by name, in stages that hand values on.
//
// Without cgo the package builds, and everything in it answers fault.Unavailable.
package ort

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"bcc/fault"
)

// Layout is the order of a model's input dimensions.
type Layout string

// The layouts.
const (
	LayoutAuto Layout = ""     // what the model's input shape says, else NCHW
	NCHW       Layout = "nchw" // PyTorch
	NHWC       Layout = "nhwc" // TensorFlow
)

// Optimisation is how far the engine rewrites the graph. Outputs differ in their
// last bits from one level to another.
type Optimisation string

// The levels. The default is all: 2.5 times the speed of none on MobileNetV2.
const (
	OptimiseAll      Optimisation = "" // everything, layouts included
	OptimiseExtended Optimisation = "extended"
	OptimiseBasic    Optimisation = "basic"
	OptimiseNone     Optimisation = "none"
)

// Config says how a model is run. The zero Config runs on the best device, with
// pixels from 0 to 1.
type Config struct {
	// Device is "auto", "cpu", "cuda" or "cuda:n". Default auto: the first GPU that
	// works, else the CPU.
	Device string
	// Batch is the number of patches a run takes. Default 2 on the CPU and 32 on a
	// GPU; a model with a fixed batch keeps its own.
	Batch int
	// PatchPx is the side of a patch. Default: what the model's input shape says.
	PatchPx int
	// Layout is the order of the input's dimensions. Default: what its shape says.
	Layout Layout
	// Scale, Mean and Std turn a byte v of channel c into the model's input
	// (v*Scale - Mean[c]) / Std[c]. Defaults 1/255, 0 and 1.
	Scale     float64
	Mean, Std [3]float64
	// Output names the output to read. Default: the model's first.
	Output string
	// Optimisation is how far the graph is rewritten. Default all.
	Optimisation Optimisation
	// GPUMemory is the part of a GPU's memory that the engine's arena may take.
	// Default 0.8; cuDNN and cuBLAS come on top.
	GPUMemory float64
}

// Defaults measured with ResNet18 and MobileNetV3-small sizes (docs/results.md).
const (
	defaultCPUBatch  = 2
	defaultGPUBatch  = 32
	defaultGPUMemory = 0.8
)

// What lies beyond these is a broken card or model, not a patch.
const (
	maxPatchPx = 4096
	maxBatch   = 4096
	maxInput   = 1 << 27 // float32 values of a batch: 512 MB
	maxOutputs = 1 << 20 // values a patch
)

// DefaultConfig returns the defaults, written out where they are fixed.
func DefaultConfig() Config {
	return Config{Device: "auto", Scale: 1.0 / 255, Std: [3]float64{1, 1, 1}, GPUMemory: defaultGPUMemory}
}

// Validate returns every problem at once. Zero values stand for defaults.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, err := parseDevice(c.Device); err != nil {
		errs = append(errs, err)
	}
	if c.Batch < 0 || c.Batch > maxBatch {
		bad("batch %d is outside 0 to %d", c.Batch, maxBatch)
	}
	if c.PatchPx < 0 || c.PatchPx > maxPatchPx {
		bad("patch side %d is outside 0 to %d px", c.PatchPx, maxPatchPx)
	}
	switch c.Layout {
	case LayoutAuto, NCHW, NHWC:
	default:
		bad("layout %q is neither nchw nor nhwc", c.Layout)
	}
	switch c.Optimisation {
	case OptimiseAll, OptimiseExtended, OptimiseBasic, OptimiseNone:
	default:
		bad("optimisation %q is not extended, basic or none", c.Optimisation)
	}
	if scale, bias := c.affine(); !finite(scale[:]) || !finite(bias[:]) {
		bad("normalisation scale %v, mean %v, std %v gives no finite numbers", c.Scale, c.Mean, c.Std)
	}
	if !(c.GPUMemory >= 0 && c.GPUMemory <= 1) {
		bad("GPU memory fraction %v is outside 0 to 1", c.GPUMemory)
	}
	return errors.Join(errs...)
}

// affine returns the normalisation as one multiplication and one addition a
// channel: v*scale + bias.
func (c Config) affine() (scale, bias [3]float32) {
	unit := c.Scale
	if unit == 0 {
		unit = 1.0 / 255
	}
	for i := range 3 {
		std := c.Std[i]
		if std == 0 && c.Std == [3]float64{} {
			std = 1
		}
		scale[i] = float32(unit / std)
		bias[i] = float32(-c.Mean[i] / std)
	}
	return scale, bias
}

func finite(v []float32) bool {
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return false
		}
	}
	return true
}

// cpu is the name of the one device that is always there.
const cpu = "cpu"

// device is a parsed Config.Device.
type device struct {
	cuda  bool
	index int
	auto  bool // cuda where it works
}

func (d device) String() string {
	if d.cuda {
		return "cuda:" + strconv.Itoa(d.index)
	}
	return cpu
}

func parseDevice(s string) (device, error) {
	name, index, hasIndex := strings.Cut(s, ":")
	switch {
	case s == "" || s == "auto":
		return device{cuda: true, auto: true}, nil
	case s == cpu:
		return device{}, nil
	case s == "cuda":
		return device{cuda: true}, nil
	case name == "cuda" && hasIndex:
		if n, err := strconv.ParseUint(index, 10, 8); err == nil {
			return device{cuda: true, index: int(n)}, nil
		}
	}
	return device{}, fault.New(fault.Invalid, "device %q is none of auto, cpu, cuda, cuda:0", s)
}

// Info is what a model turned out to be, and where it runs.
type Info struct {
	Device   string // "cpu" or "cuda:n": the one really used
	Fallback string // why Device is not the one asked for, one line; empty when it is
	Note     string // what else a person should know, one line; mostly empty
	Batch    int    // patches a run
	PatchPx  int    // side of a patch
	Outputs  int    // values a patch
	Layout   Layout // NCHW or NHWC
	Input    string // name of the input
	Output   string // name of the output
}

// MinVersion is the oldest library that has the C interface used here (24).
const MinVersion = "1.24"
