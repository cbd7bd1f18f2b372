package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"bcc/bench"
	"bcc/fault"
	"bcc/model"
	"bcc/telemetry"
)

// benched is the server that bench predict measures, and an engine as it has it.
type benched struct {
	target bench.Target
	engine *engine
	close  func() error
}

// start opens an engine and starts a server, or takes the one that runs already.
func (f *benchPredictFlags) start(ctx context.Context, b *model.Bundle, std Streams) (*benched, error) {
	target, end := bench.Target{}, func() error { return nil }
	var err error
	if f.url == "" {
		target, end, err = f.serve(ctx, b)
	} else {
		target, err = f.running(ctx)
	}
	if err != nil {
		return nil, err
	}
	e, err := startEngine(ctx, b, f.engineFlags, std.Err)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	return &benched{target, e, func() error { return errors.Join(e.Close(), end()) }}, nil
}

// running describes the server at --url.
func (f *benchPredictFlags) running(ctx context.Context) (bench.Target, error) {
	u, err := url.Parse(f.url)
	if err != nil || u.Host == "" {
		return bench.Target{}, fault.Hint(fault.New(fault.Invalid, "--url %q is no address", f.url), "http://127.0.0.1:8000")
	}
	if u.Scheme != "http" {
		return bench.Target{}, fault.New(fault.Unsupported, "--url %s: the load is sent without TLS: want http://", f.url)
	}
	if u.Port() == "" {
		u.Host += ":80"
	}
	t := bench.Target{Name: "server", Version: u.Host, Address: u.Host, Key: f.key}
	t.RSS = func() int64 { return t.MachineRSS(ctx) }
	return t, nil
}

// serve starts bcc serve as its users do, with its data in a folder that goes away:
// in a process of its own, whose memory is nothing but the server's.
func (f *benchPredictFlags) serve(ctx context.Context, b *model.Bundle) (bench.Target, func() error, error) {
	fail := func(err error) (bench.Target, func() error, error) { return bench.Target{}, nil, err }
	self, err := os.Executable()
	if err != nil {
		return fail(err)
	}
	dir, err := os.MkdirTemp("", "bcc-bench-serve-")
	if err != nil {
		return fail(fault.New(fault.Unavailable, "%w", err))
	}
	gone := func() error { return os.RemoveAll(dir) }
	bundle := filepath.Join(dir, "model")
	if err := b.Save(bundle); err != nil {
		return fail(errors.Join(err, gone()))
	}
	address, err := bench.FreeAddress()
	if err != nil {
		return fail(errors.Join(err, gone()))
	}
	args := []string{"serve", "--addr", address, "--data", filepath.Join(dir, "data"), "--model", bundle, "--device", f.device}
	if f.batch > 0 {
		args = append(args, "--batch", strconv.Itoa(f.batch))
	}
	if f.enginePath != "" {
		args = append(args, "--engine-library", f.enginePath)
	}
	p, err := bench.StartPeer(ctx, bench.Target{Name: "bcc serve", Version: telemetry.Version, Address: address},
		"/readyz", plainEnvironment(), self, append(args, f.serveFlags...)...)
	if err != nil {
		return fail(errors.Join(fmt.Errorf("start the server: %w", err), gone()))
	}
	return p.Target, func() error { return errors.Join(p.Close(), gone()) }, nil
}

// plainEnvironment is the environment without what sets our flags: the server is
// measured as it comes.
func plainEnvironment() []string {
	var ours []string
	for _, name := range plainNames {
		ours = append(ours, name)
	}
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "BCC_") || slices.Contains(ours, name)
	})
}
