package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"bcc/fault"
	"bcc/infer"
	"bcc/model"
	"bcc/models"
	"bcc/native/ort"
	"bcc/resources"
)

// engineFlags say which model runs and on what.
type engineFlags struct {
	model      string
	device     string
	batch      int
	enginePath string
	gpuMemory  float64
	output     string // of model.onnx to read, set by the command; empty: the card's
	workers    int    // runners on a CPU, set by the command; 0: as the plan says
	slides     int    // walked at once, set by the command; 0: one
	isolate    isolateFlag
	calibrate  string // empty: off

	// Set by commands that run for days: where every GPU is lost, the processor goes on,
	// and the log says so.
	spare    bool
	measure  bool // what suits this machine, where that is not known
	log      *slog.Logger
	registry prometheus.Registerer // of metrics; nil: none
}

func (f *engineFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.model, "model", models.Default, "model: "+strings.Join(models.Names(), ", ")+", or a folder with model.onnx and card.json")
	fs.StringVar(&f.device, "device", "auto", "auto, cpu, cuda, cuda:0, or several with commas")
	fs.IntVar(&f.batch, "batch", 0, "patches a run of the engine; 0: 2 on a CPU, 32 on a GPU (bcc resources says why)")
	f.gpuMemory = ort.DefaultConfig().GPUMemory
	fs.Var((*fraction)(&f.gpuMemory), "gpu-memory-fraction", "part of each GPU's memory that the engine may take, above 0 to 1")
	fs.StringVar(&f.calibrate, "calibrate", calibrateAuto, "batch and runners on the CPU: auto takes what was measured on this machine (serve and worker measure once, 2 s), now measures, off keeps to the plan")
	fs.StringVar(&f.enginePath, "engine-library", "", "path of "+libraryName+"; empty: look in the usual places")
}

// bundle opens the model: one of those shipped, or a folder.
func (f *engineFlags) bundle() (*model.Bundle, error) {
	if slices.Contains(models.Names(), f.model) {
		fsys, err := models.FS(f.model)
		if err != nil {
			return nil, err
		}
		return model.Open(fsys)
	}
	if info, err := os.Stat(f.model); err == nil && !info.IsDir() {
		return nil, fault.Hint(fault.New(fault.Invalid, "model %s is a file", f.model), "name the folder it lies in")
	} else if err != nil {
		return nil, fault.Hint(fault.New(fault.NotFound, "model %s: no such folder", f.model),
			"models that come with the program: %s", strings.Join(models.Names(), ", "))
	}
	b, err := model.Open(os.DirFS(f.model))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.model, err)
	}
	return b, nil
}

// engine is a model running on one or more devices behind one batcher.
type engine struct {
	*infer.Batcher
	infos    []ort.Info
	runners  []infer.Runner
	models   []session
	missing  []string   // devices that were asked for and could not be had, in words
	head     *slideHead // of a bundle that has one
	decoders isolated   // of slides, where they are processes of their own
	plan     resources.Plan
	log      *slog.Logger           // nil: nobody hears
	spares   atomic.Pointer[engine] // what took over when the GPUs were lost; nil: nothing has
	watch    *resources.Guard       // of the memory; nil: nobody looks
	door     *door                  // of a list of slides; nil: it stands open
	stop     context.CancelFunc
	ended    chan struct{} // closed when the batcher has ended, because of err
	err      error
}

// session is a model on a device, once its runners are made.
type session interface {
	Shrink(ctx context.Context) error
	Close() error
}

// startEngine opens the model on each device of the plan and starts to take patches.
// notes hears, in one line each, of devices that were asked for and cannot be had.
func startEngine(ctx context.Context, b *model.Bundle, f engineFlags, notes io.Writer) (*engine, error) {
	if err := ort.Load(libraryPaths(f.enginePath)...); err != nil {
		return nil, err
	}
	machine, err := thisMachine(ctx, engineGPUs)
	if err != nil {
		return nil, err
	}
	roomForNativeCalls()
	e := &engine{log: f.log}
	if e.plan, err = f.planned(ctx, b, machine, notes); err != nil {
		return nil, err
	}
	limitGo(e.plan.Memory)
	for _, all := range [][]resources.Device{e.plan.Devices, e.plan.Unseen} {
		for i := range all {
			if all[i].StandIn || all[i].Name == "cpu" && e.has("cpu") {
				continue // a GPU that cannot be opened brings the CPU
			}
			if err := e.open(b, machine, &all[i], f, notes); err != nil {
				return nil, errors.Join(err, e.release())
			}
		}
	}
	cfg := infer.DefaultConfig()
	first := e.infos[0] // runners bring their own batch; patch and outputs are the model's
	cfg.Batch, cfg.PatchPx, cfg.Outputs = first.Batch, first.PatchPx, first.Outputs
	cfg.Logger, cfg.Registerer = f.log, f.registry
	if f.spare && !e.has("cpu") {
		cfg.Spare = func() ([]infer.Runner, error) { return e.openSpares(b, f) }
	}
	batcher, err := infer.New(cfg, e.runners)
	if err != nil {
		return nil, errors.Join(err, e.release())
	}
	e.Batcher = batcher

	ctx, e.stop = context.WithCancel(ctx)
	e.ended = make(chan struct{})
	go func() {
		defer close(e.ended)
		e.err = batcher.Run(ctx)
	}()
	return e, nil
}

// open opens the model on a device of the plan, with as many runners as that says, and
// puts into the plan what came of it.
func (e *engine) open(b *model.Bundle, machine resources.Machine, d *resources.Device, f engineFlags, notes io.Writer) error {
	m, err := openModel(b, *d, f)
	if err != nil {
		return err
	}
	info := m.Info()
	if info.Fallback != "" {
		e.missing = append(e.missing, fmt.Sprintf("%s; going on with %s", info.Fallback, info.Device))
		fmt.Fprintf(notes, "bcc: note: %s\n", e.missing[len(e.missing)-1])
		if e.has(info.Device) {
			return m.Close() // the CPU is in use already
		}
		// A batch of a GPU is too large for a core.
		if m, err = e.reopen(m, b, machine, d, f); err != nil {
			return err
		}
		info = m.Info()
	}
	e.models = append(e.models, m)
	if info.Note != "" {
		fmt.Fprintf(notes, "bcc: note: model %s: %s\n", b.Card.Name, info.Note)
	}
	e.infos = append(e.infos, info)
	d.Batch = info.Batch // a model may have no choice
	for range d.Runners {
		r, err := m.NewRunner()
		if err != nil {
			return fmt.Errorf("model %s: %w", b.Card.Name, err)
		}
		e.runners = append(e.runners, r)
	}
	return nil
}

// has reports whether the model runs on the device already.
func (e *engine) has(device string) bool {
	return slices.ContainsFunc(e.infos, func(i ort.Info) bool { return i.Device == device })
}

// openModel opens the model on the device.
func openModel(b *model.Bundle, d resources.Device, f engineFlags) (*ort.Model, error) {
	cfg := engineConfig(&b.Card, d.Name, d.Batch)
	if f.output != "" {
		cfg.Output = f.output
	}
	cfg.GPUMemory = f.gpuMemory
	m, err := ort.Open(b.ONNX, cfg)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", b.Card.Name, err)
	}
	return m, nil
}

// reopen opens a model that fell back to the processor as the plan has it there.
func (e *engine) reopen(m *ort.Model, b *model.Bundle, machine resources.Machine, d *resources.Device, f engineFlags) (*ort.Model, error) {
	if err := m.Close(); err != nil {
		return nil, err
	}
	if at := slices.IndexFunc(e.plan.Devices, func(d resources.Device) bool { return d.Name == "cpu" }); at >= 0 {
		*d = e.plan.Devices[at]
		return openModel(b, *d, f)
	}
	wish := f.wish()
	wish.Devices = []string{"cpu"}
	plan, err := machine.Plan(facts(b), wish)
	if err != nil {
		return nil, err
	}
	*d = plan.Devices[0]
	return openModel(b, *d, f)
}

// openSpares opens the model on the processor. The batcher asks for it once, while it
// runs: Close, which waits for it, frees them.
func (e *engine) openSpares(b *model.Bundle, f engineFlags) ([]infer.Runner, error) {
	spares := &engine{}
	defer e.spares.Store(spares) // for closing, whatever comes of it
	f.batch, f.device = 0, "cpu" // the batch of the GPU is too large
	machine, err := thisMachine(context.Background(), gpus)
	if err != nil {
		return nil, err
	}
	plan, err := machine.Plan(facts(b), f.wish())
	if err != nil {
		return nil, err
	}
	if err := spares.open(b, machine, &plan.Devices[0], f, io.Discard); err != nil {
		return nil, err
	}
	return spares.runners, nil
}

// engineConfig says how the engine feeds and reads the network of a card.
func engineConfig(c *model.Card, device string, batch int) ort.Config {
	cfg := ort.DefaultConfig()
	cfg.Device, cfg.Batch, cfg.PatchPx = device, batch, c.InputPx()
	cfg.Layout = ort.Layout(strings.ToLower(c.Input.Layout))
	cfg.Output = c.Output.Name
	mean, std := c.Normalization()
	for i := range 3 {
		cfg.Mean[i], cfg.Std[i] = float64(mean[i]), float64(std[i])
	}
	return cfg
}

// Degraded says in words which devices were asked for and cannot be had, or were lost.
func (e *engine) Degraded() []string {
	return slices.Concat(e.missing, e.Batcher.Degraded(), e.decoders.Degraded())
}

// devices names where the model runs.
func (e *engine) devices() string {
	var names []string
	for _, info := range e.infos {
		names = append(names, info.Device)
	}
	return strings.Join(names, ",")
}

// Close stops the batcher first, because it is what calls the runners, then frees
// the runners, then the sessions they share.
func (e *engine) Close() error {
	e.stop()
	<-e.ended
	return errors.Join(e.err, e.release())
}

func (e *engine) release() error {
	var errs []error
	for _, r := range e.runners {
		errs = append(errs, r.Close())
	}
	for _, m := range e.models {
		errs = append(errs, m.Close())
	}
	if spares := e.spares.Load(); spares != nil {
		errs = append(errs, spares.release())
	}
	errs = append(errs, e.head.close(), e.decoders.Close())
	return errors.Join(errs...)
}
