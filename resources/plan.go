package resources

import (
	"errors"
	"fmt"
	"slices"

	"bcc/fault"
)

// Machine is what a plan wants to know of a machine.
type Machine struct {
	Cores       Cores  `json:"cores"`
	MemoryTotal uint64 `json:"memory_total_bytes"` // the container's limit, where there is one
	Limited     bool   `json:"memory_limited"`     // it is
	GPUs        []GPU  `json:"gpus"`
	NoGPU       string `json:"no_gpu,omitempty"` // why there is none, in words
}

// Model is what a plan wants to know of a model.
type Model struct {
	Bytes   int64 // of its file
	PatchPx int   // side of a patch as the model sees it
	Batch   int   // patches a run, where the model has no choice; 0: any
}

// Wish is what the user asked for, and what is known of earlier runs. What is zero is
// left to the plan.
type Wish struct {
	Devices   []string // auto, cpu, cuda, cuda:n; default auto
	Batch     int      // patches a run
	Runners   int      // on the CPU
	Slides    int      // walked at once; default 1
	Decoders  int      // processes beside this one that decode slides; 0: it decodes itself
	GPUMemory float64  // part of a GPU's memory that the engine may take. Default 0.8
	Measured  *Measured
}

// Measured is what a calibration found best on a machine's CPU.
type Measured struct {
	Batch       int     `json:"batch"`
	Runners     int     `json:"runners"`
	PatchesPerS float64 `json:"patches_per_s"`
}

// Plan says how much of a machine is worked with, and why.
type Plan struct {
	Devices []Device `json:"devices"`          // that run, as far as is seen
	Unseen  []Device `json:"unseen,omitempty"` // GPUs asked for that nobody sees: they are tried, and not counted on
	Slides  int      `json:"slides"`           // walked at once
	Memory  Budget   `json:"memory"`
	Why     []string `json:"why"`
}

// Device is one device of a plan.
type Device struct {
	Name        string `json:"device"` // cpu, cuda:0
	Sessions    int    `json:"sessions"`
	Runners     int    `json:"runners"`                      // that share the session
	Threads     int    `json:"threads"`                      // of the engine, a runner
	Batch       int    `json:"batch"`                        // patches a run
	MemoryBytes uint64 `json:"memory_limit_bytes,omitempty"` // of a GPU, for the engine's arena
	StandIn     bool   `json:"stand_in,omitempty"`           // the CPU, which runs only where a GPU that nobody sees cannot be opened
}

// Budget is how the memory is divided, in bytes. All but Total are estimates by the
// sizes below.
type Budget struct {
	Total    uint64 `json:"total_bytes"`
	May      uint64 `json:"budget_bytes"`        // of Total: what is planned with
	Engine   uint64 `json:"engine_bytes"`        // sessions and what their runners work in
	Slides   uint64 `json:"slides_bytes"`        // those being walked
	Decoders uint64 `json:"decoders_bytes"`      // processes that decode
	Decoder  uint64 `json:"decoder_limit_bytes"` // what one of them may allocate
	Go       uint64 `json:"go_limit_bytes"`      // what Go's own memory may be before it collects at any price; 0: no limit
}

// Sizes of memory. Measured with ONNX Runtime 1.30 on 224 px, one session on the CPU:
// bcc-demo (1.2 MB) took 18 MB, ResNet18 (45 MB) 128, ResNet50 (94 MB) 251; a runner
// took 1.6, 3.9 and 6.9 MB for each patch of its batch.
const (
	sessionBytes = 20 << 20 // of an engine's session
	sessionTimes = 3        // and so many times the model's file
	patchBytes   = 8 << 20  // of a runner, for each patch of 224 px in its batch
	patchPx      = 224

	slideBytes = 96 << 20 // of a slide being walked: tiles, overview, mask, heat map, report. Estimate.
	baseBytes  = 64 << 20 // of the program itself. Estimate.

	decoderBytes      = 96 << 20  // of a process that decodes. Estimate.
	leastDecoderLimit = 384 << 20 // what one may allocate at least: twice what the worst honest file needs
	mostDecoderLimit  = 1536 << 20

	mayUse = 0.8 // of all memory: the rest is the kernel's, and room for what was guessed wrong
)

// Starting points of batches.
const (
	gpuBatch   = 32 // a GPU; with more than one: GPUs × 32 in all
	cpuBatch   = 2  // 2 to 8 are equally fast, and less is lost where a batch is not full
	gpuRunners = 2  // one batch is copied while the other is computed
)

// Plan divides the machine. It is a pure function: the same machine, model and wish
// give the same plan. An error is of kind fault.Invalid.
func (m Machine) Plan(model Model, w Wish) (Plan, error) {
	if err := w.validate(); err != nil {
		return Plan{}, err
	}
	if w.GPUMemory == 0 {
		w.GPUMemory = 0.8
	}
	p := Plan{Slides: max(w.Slides, 1)}
	names, unseen, err := m.names(w.Devices, p.why)
	if err != nil {
		return Plan{}, fault.New(fault.Invalid, "plan: %w", err)
	}
	asked := slices.Contains(names, cpuName)
	if len(unseen) > 0 && !asked {
		names = append(names, cpuName)
	}
	for _, name := range names {
		d := Device{Name: name, Sessions: 1, Threads: 1}
		if name == cpuName {
			m.planCPU(&d, model, w, p.why)
			d.StandIn = len(unseen) > 0 && !asked
		} else {
			m.planGPU(&d, model, w)
		}
		p.Devices = append(p.Devices, d)
	}
	for _, name := range unseen {
		d := Device{Name: name, Sessions: 1, Threads: 1}
		m.planGPU(&d, model, w)
		p.Unseen = append(p.Unseen, d)
	}
	p.tellGPUs(m, w)
	m.fit(&p, model, w)
	return p, nil
}

// validate returns every problem at once.
func (w Wish) validate() error {
	var errs []error
	for _, n := range []struct {
		what string
		is   int
	}{{"batch", w.Batch}, {"runners", w.Runners}, {"slides at once", w.Slides}, {"decoders", w.Decoders}} {
		if n.is < 0 {
			errs = append(errs, fault.New(fault.Invalid, "plan: %s %d: want 0 or more", n.what, n.is))
		}
	}
	if !(w.GPUMemory >= 0 && w.GPUMemory <= 1) { // true for NaN
		errs = append(errs, fault.New(fault.Invalid, "plan: GPU memory fraction %v: want 0 to 1", w.GPUMemory))
	}
	return errors.Join(errs...)
}

func (p *Plan) why(format string, args ...any) { p.Why = append(p.Why, fmt.Sprintf(format, args...)) }

// planCPU is the recipe measured best: one session, one thread a run, a runner a core
// (docs/results.md).
func (m Machine) planCPU(d *Device, model Model, w Wish, why func(string, ...any)) {
	d.Runners, d.Batch = m.Cores.Usable, cpuBatch
	switch c := m.Cores; {
	case c.Quota > 0 && c.Usable < c.Allowed:
		why("runners: %d, one a core that the container's quota of %.2f cores pays for", d.Runners, c.Quota)
	case c.Usable < c.Machine:
		why("runners: %d, one a core that this process may use, of %d", d.Runners, c.Machine)
	default:
		why("runners: %d, one a core", d.Runners)
	}
	if w.Measured != nil {
		d.Batch, d.Runners = max(w.Measured.Batch, 1), max(w.Measured.Runners, 1)
		why("batch: %d with %d runners, measured best here: %.0f patches/s by the engine alone", d.Batch, d.Runners, w.Measured.PatchesPerS)
	} else if w.Batch == 0 && model.Batch == 0 {
		why("batch: %d, as 2 to 8 are equally fast on a core and larger ones leave its cache", d.Batch)
	}
	if w.Runners > 0 {
		d.Runners = w.Runners
		why("runners: %d, as asked", d.Runners)
	}
	given(d, model, w)
	switch {
	case model.Batch > 0:
		why("batch: %d, as the model has no choice", d.Batch)
	case w.Batch > 0:
		why("batch: %d, as asked", d.Batch)
	}
}

func (m Machine) planGPU(d *Device, model Model, w Wish) {
	d.Runners, d.Batch = gpuRunners, gpuBatch
	given(d, model, w)
	if n, ok := gpuNumber(d.Name); ok && n < len(m.GPUs) {
		d.MemoryBytes = uint64(w.GPUMemory * float64(m.GPUs[n].MemoryTotal))
	}
}

// given puts what is not for the plan to choose.
func given(d *Device, model Model, w Wish) {
	if w.Batch > 0 {
		d.Batch = w.Batch
	}
	if model.Batch > 0 {
		d.Batch = model.Batch
	}
}

// tellGPUs says why GPUs are used as they are.
func (p *Plan) tellGPUs(m Machine, w Wish) {
	n, batches := 0, 0
	for _, d := range p.Devices {
		if d.Name != cpuName {
			n++
			batches += d.Batch
		}
	}
	if n == 0 {
		return
	}
	p.why("device: %d of %d GPUs, %d runners each: one batch is copied while the other is computed", n, len(m.GPUs), gpuRunners)
	if w.Batch == 0 {
		p.why("batch: %d a GPU, %d in all (GPUs × 32)", batches/n, batches)
	}
	p.why("GPU memory: %.0f %% of each for the engine; cuDNN and cuBLAS come on top", 100*w.GPUMemory)
}

// fit makes the plan smaller until it fits into the memory, and divides that.
func (m Machine) fit(p *Plan, model Model, w Wish) {
	b := &p.Memory
	b.Total = m.MemoryTotal
	b.May = uint64(mayUse * float64(b.Total))
	p.count(model, w)
	was := p.need()
	for b.Total > 0 && p.need() > b.May && p.shrink(w, model) {
		p.count(model, w)
	}
	if now := p.need(); now < was {
		p.why("memory: %s would be needed and %s may be used: smaller batches or fewer runners need %s", mib(was), mib(b.May), mib(now))
	}
	if now := p.need(); b.Total > 0 && now > b.May {
		p.why("memory: %s are needed and %s may be used: it may not be enough", mib(now), mib(b.May))
	}
	if w.Decoders > 0 {
		rest := int64(b.Total) - int64(p.need())
		b.Decoder = min(max(uint64(max(rest, 0)), leastDecoderLimit), mostDecoderLimit)
	}
	if m.Limited {
		other := b.Engine + b.Decoders + b.Total/10
		b.Go = max(b.Total-min(other, b.Total), b.Total/4)
		p.why("memory: the container may use %s; Go collects its garbage before it has %s, the rest is for the engine and the decoders", mib(b.Total), mib(b.Go))
	}
}

// count estimates what the plan needs.
func (p *Plan) count(model Model, w Wish) {
	b := &p.Memory
	b.Engine = 0
	area := float64(model.PatchPx) * float64(model.PatchPx) / (patchPx * patchPx)
	if area == 0 {
		area = 1
	}
	for _, d := range p.Devices {
		if d.Name == cpuName {
			b.Engine += sessionBytes + sessionTimes*uint64(model.Bytes) + uint64(d.Runners*d.Batch)*uint64(area*patchBytes)
		} else { // the weights pass through this process's memory
			b.Engine += 10*sessionBytes + uint64(model.Bytes)
		}
	}
	b.Slides = uint64(p.Slides) * slideBytes
	b.Decoders = uint64(min(w.Decoders, p.Slides+1)) * decoderBytes
	if w.Decoders == 0 {
		b.Decoders = 0
	}
}

func (p *Plan) need() uint64 {
	return p.Memory.Engine + p.Memory.Slides + p.Memory.Decoders + baseBytes
}

// shrink takes the cheapest thing out of the plan that the user did not ask for: a
// smaller batch costs little, a runner a core. It reports whether there was one.
func (p *Plan) shrink(w Wish, model Model) bool {
	for i := range p.Devices {
		if d := &p.Devices[i]; d.Name == cpuName && w.Batch == 0 && model.Batch == 0 && d.Batch > 1 {
			d.Batch /= 2
			return true
		}
	}
	for i := range p.Devices {
		if d := &p.Devices[i]; d.Name == cpuName && w.Runners == 0 && d.Runners > 1 {
			d.Runners--
			return true
		}
	}
	return false
}

func mib(bytes uint64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
