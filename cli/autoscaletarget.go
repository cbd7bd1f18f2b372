package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"bcc/autoscale"
	"bcc/autoscale/aws"
	"bcc/autoscale/kube"
	"bcc/autoscale/local"
	"bcc/disk"
	"bcc/fault"
)

var (
	_ autoscale.Target = (*local.Target)(nil)
	_ autoscale.Target = (*kube.Target)(nil)
	_ autoscale.Target = (*aws.Target)(nil)
)

// namedTarget is a target whose kinds are as the command line says: a target knows how
// many there are of each, and at most how long they take to start.
type namedTarget struct {
	autoscale.Target
	kinds []autoscale.Kind // as given
	base  autoscale.Kind   // of those that were not
	start time.Duration    // where nobody says how long one takes
	bound bool             // the target says how many there may be, none included
	log   *slog.Logger
	told  map[string]bool // kinds that the target has not
}

// Groups is of autoscale.Target.
func (t *namedTarget) Groups(ctx context.Context) ([]autoscale.Group, error) {
	groups, err := t.Target.Groups(ctx)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for i := range groups {
		g := &groups[i]
		there[g.Name] = true
		g.Kind = t.kind(g.Kind)
	}
	for _, k := range t.kinds {
		if !there[k.Name] && !t.told[k.Name] {
			t.log.Warn("the target has no such kind of worker", "kind", k.Name)
			t.told[k.Name] = true
		}
	}
	return groups, nil
}

// kind adds to a kind of the target what was said of it; the narrower bounds count.
func (t *namedTarget) kind(has autoscale.Kind) autoscale.Kind {
	k := t.base
	k.Name = has.Name
	for _, given := range t.kinds {
		if given.Name == has.Name {
			k = given
		}
	}
	k.Min = max(k.Min, has.Min)
	if has.Max > 0 || t.bound {
		k.Max = min(k.Max, has.Max)
	}
	k.Max = max(k.Max, has.Min)
	k.Min = min(k.Min, k.Max)
	if k.StartUp == 0 {
		k.StartUp = has.StartUp
	}
	if k.StartUp == 0 {
		k.StartUp = t.start
	}
	if k.PatchesPerS == 0 {
		k.PatchesPerS = has.PatchesPerS
	}
	if k.USDPerHour == 0 {
		k.USDPerHour = has.USDPerHour
	}
	k.Spot = k.Spot || has.Spot
	return k
}

// openTarget opens what moves workers. unlock gives back what it holds, after its end.
func (f *autoscaleFlags) openTarget(out io.Writer, log *slog.Logger) (_ autoscale.Target, unlock func(), err error) {
	kinds, err := f.kinds.kinds(f.base())
	if err != nil {
		return nil, nil, err
	}
	named := &namedTarget{kinds: kinds, base: f.base(), start: startElse, log: log, told: map[string]bool{}}
	unlock = func() {}
	switch f.target {
	case "local":
		named.start, named.bound = startLocal, true
		k := named.kind(named.base)
		if len(kinds) > 0 {
			k = named.kind(kinds[0])
		}
		named.Target, unlock, err = f.openLocal(k, log)
	case "kube":
		named.Target, err = kube.New(f.kube.config(log))
	case "aws":
		named.bound = true
		named.Target, err = aws.New(f.aws.config(log))
	case "print":
		if len(kinds) == 0 {
			kinds = []autoscale.Kind{named.base}
		}
		if f.dryRun {
			out = io.Discard
		}
		named.Target = newPrintTarget(out, f.json, kinds)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--target %s: %w", f.target, err)
	}
	return named, unlock, nil
}

// openLocal opens the workers of this machine. Each gets its share of the cores, as if
// as many as there may be were there: then one is as fast as another at any time.
func (f *autoscaleFlags) openLocal(k autoscale.Kind, log *slog.Logger) (*local.Target, func(), error) {
	dir, err := f.local.absolute()
	if err != nil {
		return nil, nil, err
	}
	cfg := local.DefaultConfig()
	cfg.Kind, cfg.Dir, cfg.Logger = k, dir, log
	cfg.Env = workerEnvironment(strconv.Itoa(max(cores/k.Max, 1)))
	if cfg.Command, err = f.local.workerCommand(k.Name); err != nil {
		return nil, nil, err
	}
	lock := func() (func(), error) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.Hint(fault.New(fault.Unavailable, "--dir: %w", err), "name a folder that can be written")
		}
		unlock, err := disk.Lock(dir)
		if errors.Is(err, disk.ErrLocked) {
			return nil, fault.Hint(fault.New(fault.Busy, "--dir %s: another bcc autoscale has it", f.local.dir),
				"end that one, or give both --queue, so that one of them is elected")
		}
		if err != nil {
			return nil, fault.New(fault.Unavailable, "--dir %s: %w", f.local.dir, err)
		}
		return unlock, nil
	}
	if f.queue != "" || f.dryRun { // others stand by, who look at the same folder
		cfg.Lock = lock
	}
	t, err := local.New(cfg)
	if err != nil || cfg.Lock != nil {
		return t, func() {}, err
	}
	unlock, err := lock()
	return t, unlock, err
}
