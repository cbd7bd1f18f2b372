//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"sync"

	engine "github.com/yalue/onnxruntime_go"

	"bcc/fault"
)

// Model is a model ready to run on one device: one session. It may be shared by
// goroutines. Whoever opened it closes it.
type Model struct {
	info        Info
	scale, bias [3]float32
	outShape    engine.Shape // of the whole batch, as the model gives it
	session     *engine.DynamicAdvancedSession

	alone         bool         // one patch may be run by itself, with the same bits
	outShapeAlone engine.Shape // then
	tried         [][]float32  // outputs of the pictures tried, one row each

	shrinks shrinker

	mu     sync.Mutex
	users  int // runners not closed, and one until Close: the last one frees the session
	closed bool
}

// Open makes a session for the model and tries it (try.go), so that a model that
// loads but cannot run is found here. A GPU that was asked for and does
// not work is replaced by the CPU, and Info says why. Errors: fault.Corrupt when
// the bytes are no ONNX model, fault.Unsupported when it is one that we cannot
// feed or read, fault.Invalid when the config does not fit it, fault.Unavailable
// when Load has not succeeded.
func Open(onnx []byte, cfg Config) (*Model, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fault.New(fault.Invalid, "open model: %w", err)
	}
	if err := loaded(); err != nil {
		return nil, err
	}
	s, err := describe(onnx)
	if err != nil {
		return nil, err
	}
	info, err := plan(s, cfg)
	if err != nil {
		return nil, err
	}
	want, err := parseDevice(cfg.Device)
	if err != nil {
		return nil, err
	}
	fallback := "" // nothing to tell where auto finds no GPU
	if want.cuda {
		m, err := openOn(want, onnx, info, cfg)
		if err == nil {
			return m, nil
		}
		_, missing := gpuMemory(want.index)
		if !want.auto || missing == nil {
			fallback = fmt.Sprintf("%s cannot be used: %v", want, cause(err))
		}
	}
	m, err := openOn(device{}, onnx, info, cfg)
	if err != nil {
		return nil, err
	}
	m.info.Fallback = fallback
	return m, nil
}

// openOn makes the session on one device and tries it.
func openOn(d device, onnx []byte, info Info, cfg Config) (*Model, error) {
	info.Device = d.String()
	if info.Batch == 0 {
		info.Batch = defaultCPUBatch
		if d.cuda {
			info.Batch = defaultGPUBatch
		}
	}
	if n := info.values(); n > maxInput {
		return nil, fault.New(fault.Invalid, "open model: %d patches of %d px are %d MB of input, more than %d MB", info.Batch, info.PatchPx, n>>18, maxInput>>18)
	}
	options, err := sessionOptions(d, GraphConfig{GPUMemory: cfg.GPUMemory, Optimisation: cfg.Optimisation, MemoryPattern: true})
	if err != nil {
		return nil, fault.New(fault.Unavailable, "open model on %s: %w", info.Device, err)
	}
	defer options.Destroy()
	session, err := engine.NewDynamicAdvancedSessionWithONNXData(onnx, []string{info.Input}, []string{info.Output}, options)
	if err != nil {
		return nil, fault.New(fault.Corrupt, "open model on %s: %w", info.Device, cause(err))
	}
	m := &Model{info: info, session: session, users: 1}
	m.scale, m.bias = cfg.affine()
	if err := m.try(); err != nil {
		m.Close()
		return nil, err
	}
	m.tried = nil
	return m, nil
}

// sessionOptions is the recipe: every Run works on its caller's thread alone.
func sessionOptions(d device, cfg GraphConfig) (*engine.SessionOptions, error) {
	o, err := engine.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	level := map[Optimisation]engine.GraphOptimizationLevel{
		OptimiseAll:      engine.GraphOptimizationLevelEnableAll,
		OptimiseExtended: engine.GraphOptimizationLevelEnableExtended,
		OptimiseBasic:    engine.GraphOptimizationLevelEnableBasic,
		OptimiseNone:     engine.GraphOptimizationLevelDisableAll,
	}[cfg.Optimisation]
	err = errors.Join(
		o.SetIntraOpNumThreads(1),
		o.SetInterOpNumThreads(1),
		o.SetExecutionMode(engine.ExecutionModeSequential),
		o.SetGraphOptimizationLevel(level),
		o.SetCpuMemArena(true),
		o.SetMemPattern(cfg.MemoryPattern),
		o.SetLogSeverityLevel(engine.LoggingLevelFatal),
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		o.AddSessionConfigEntry("session.use_device_allocator_for_initializers", "1"), // in the arena they would keep it from shrinking
		o.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err == nil && d.cuda {
		memory := cfg.GPUMemory
		if memory == 0 {
			memory = defaultGPUMemory
		}
		err = useCUDA(o, d.index, memory)
	}
	if err != nil {
		o.Destroy()
		return nil, err
	}
	return o, nil
}

// cause drops the wrapper's own words before the engine's.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// Info returns what the model is and where it runs.
func (m *Model) Info() Info { return m.info }

// Close frees the session, once the last runner is closed too.
func (m *Model) Close() error {
	m.mu.Lock()
	again := m.closed
	m.closed = true
	m.mu.Unlock()
	if again {
		return nil
	}
	return m.release()
}

func (m *Model) retain() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return fault.New(fault.Internal, "new runner: model is closed")
	}
	m.users++
	return nil
}

func (m *Model) release() error {
	m.mu.Lock()
	m.users--
	last := m.users == 0
	m.mu.Unlock()
	if !last {
		return nil
	}
	m.shrinks.close()
	return m.session.Destroy()
}
