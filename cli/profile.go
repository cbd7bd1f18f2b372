package cli

import (
	"os"
	"runtime/pprof"

	"bcc/fault"
)

// profiler writes a CPU profile while a command runs; without a path it does nothing.
type profiler struct {
	path string
	file *os.File
}

func (p *profiler) start() error {
	if p.path == "" {
		return nil
	}
	f, err := os.Create(p.path)
	if err != nil {
		return fault.New(fault.Invalid, "--cpuprofile: %w", err)
	}
	p.file = f
	return pprof.StartCPUProfile(f)
}

func (p *profiler) stop() error {
	if p.file == nil {
		return nil
	}
	pprof.StopCPUProfile()
	return p.file.Close()
}
