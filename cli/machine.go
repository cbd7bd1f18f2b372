package cli

import (
	"context"
	"math"
	"runtime/debug"
	"strings"

	"bcc/isolate"
	"bcc/model"
	"bcc/resources"
)

// thisMachine is what plans are made for.
func thisMachine(ctx context.Context, find resources.GPUs) (resources.Machine, error) {
	m := resources.Machine{Cores: resources.ReadCores()}
	var err error
	_, m.MemoryTotal, m.Limited, err = resources.Memory(ctx)
	m.GPUs, m.NoGPU = find()
	return m, err
}

// facts are what a plan wants to know of a model.
func facts(b *model.Bundle) resources.Model {
	return resources.Model{Bytes: int64(len(b.ONNX)), PatchPx: b.Card.InputPx()}
}

// wish is what the flags ask for.
func (f *engineFlags) wish() resources.Wish {
	w := resources.Wish{
		Devices: strings.Split(f.device, ","), Batch: f.batch, Runners: f.workers, Slides: f.slides, GPUMemory: f.gpuMemory,
	}
	if f.isolate.on {
		w.Decoders = max(f.slides, 1) + isolate.DefaultConfig().Idle
	}
	return w
}

// limitGo has Go collect garbage before its memory crowds out the engine's and the
// decoders', unless whoever started this said when (GOMEMLIMIT).
func limitGo(b resources.Budget) {
	if b.Go > 0 && debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(int64(b.Go))
	}
}

// bound gives the processes that decode slides their part of the memory.
func (f *engineFlags) bound(ctx context.Context, b *model.Bundle) error {
	m, err := thisMachine(ctx, gpus)
	if err != nil {
		return err
	}
	p, err := m.Plan(facts(b), f.wish())
	f.isolate.memory = p.Memory.Decoder
	return err
}
