package cli

import (
	"context"
	"log/slog"
	"os"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"bcc/detect"
	"bcc/isolate"
	"bcc/slide"
)

// isolateFlag says whether slides are decoded in processes of their own.
type isolateFlag struct {
	on       bool
	patience time.Duration
	memory   uint64 // that a process may allocate, bytes, as planned; 0: the room's default
}

// register adds the flag. Commands that run for days, on slides that anybody sends,
// have it on where the system can do it.
func (f *isolateFlag) register(fs *pflag.FlagSet, on bool) {
	fs.BoolVar(&f.on, "isolate", on && runtime.GOOS == "linux",
		"decode slides in processes of their own, with bounded memory and time and no network: a slide that crashes or hangs its decoder stops nothing else")
	fs.DurationVar(&f.patience, "isolate-patience", isolate.DefaultConfig().Patience, "how long such a process may be silent before its slide is given up")
	_ = fs.MarkHidden("isolate-patience") // for tests
}

// isolated is the pool behind a walk's Open.
type isolated struct{ pool *isolate.Pool }

// open has the walk's slides decoded in processes of their own, where that is asked
// for. What comes back is closed when all walks have ended; its pool is nil where
// nothing was asked.
func (f isolateFlag) open(w *detect.Walk, log *slog.Logger, registry prometheus.Registerer) (isolated, error) {
	if !f.on {
		return isolated{}, nil
	}
	program, err := decodeProgram()
	if err != nil {
		return isolated{}, err
	}
	cfg := isolate.DefaultConfig()
	cfg.Command, cfg.Name = []string{program, decodeCommand}, "bcc"
	if path, ok := os.LookupEnv("LD_LIBRARY_PATH"); ok { // where the codecs may lie
		cfg.Env = append(cfg.Env, "LD_LIBRARY_PATH="+path)
	}
	if log != nil {
		cfg.Logger = log
	}
	cfg.Registerer, cfg.Patience = registry, f.patience
	if f.memory > 0 {
		cfg.Memory = int64(f.memory)
	}
	pool, err := isolate.NewPool(cfg)
	if err != nil {
		return isolated{}, err
	}
	w.Open = func(ctx context.Context, src detect.Source, cfg slide.Config) (detect.Slide, error) {
		s, err := pool.Open(ctx, src.ReaderAt, src.Size, cfg)
		if err != nil {
			return nil, err // not a typed nil in an interface
		}
		return s, nil
	}
	return isolated{pool}, nil
}

// Degraded says in words what protects less than it should.
func (i isolated) Degraded() []string {
	if i.pool == nil {
		return nil
	}
	return i.pool.Degraded()
}

// Close ends the processes.
func (i isolated) Close() error {
	if i.pool == nil {
		return nil
	}
	return i.pool.Close()
}

// decodeProgram names the file of this very program: on Linux also where another
// version has taken its place since it was started.
func decodeProgram() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}
