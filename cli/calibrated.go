package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bcc/disk"
	"bcc/fault"
	"bcc/model"
	"bcc/native/ort"
	"bcc/resources"
)

// What --calibrate takes.
const (
	calibrateAuto = "auto" // what was measured before counts; long-running commands measure where nothing was
	calibrateNow  = "now"  // measure again
	calibrateOff  = "off"
)

// calibrateFor is how long measuring may take: as long as some slides, once.
const calibrateFor = 2 * time.Second

// planned plans the machine for the model: with what was measured on it, where that is
// known or asked for. notes hears of what was measured and of what cannot be kept.
func (f *engineFlags) planned(ctx context.Context, b *model.Bundle, m resources.Machine, notes io.Writer) (resources.Plan, error) {
	if !slices.Contains([]string{"", calibrateAuto, calibrateNow, calibrateOff}, f.calibrate) {
		return resources.Plan{}, fault.New(fault.Invalid, "--calibrate %q: want auto, now or off", f.calibrate)
	}
	wish := f.wish()
	p, err := m.Plan(facts(b), wish)
	if err != nil {
		return p, err
	}
	if wish.Measured = f.measured(ctx, b, m, p, notes); wish.Measured == nil {
		return p, ctx.Err()
	}
	return m.Plan(facts(b), wish)
}

// measured returns what was found best for the processor of the plan; nil where that is
// not known, or the user has decided. It never fails: the plan holds without it.
func (f *engineFlags) measured(ctx context.Context, b *model.Bundle, machine resources.Machine, p resources.Plan, notes io.Writer) *resources.Measured {
	at := slices.IndexFunc(p.Devices, func(d resources.Device) bool { return d.Name == "cpu" })
	if at < 0 || f.batch > 0 || f.workers > 0 || f.calibrate == "" || f.calibrate == calibrateOff || ort.Version() == "" {
		return nil
	}
	folder, err := os.UserCacheDir()
	if err != nil {
		return nil // nowhere to keep it: as planned
	}
	s := resources.NewSituation(ctx, b.Digest, ort.Version(), machine.Cores)
	path := filepath.Join(folder, "bcc", "calibration", s.Key()+".json")
	if f.calibrate != calibrateNow {
		data, err := os.ReadFile(path)
		if err == nil {
			if kept, err := s.Decode(data); err == nil {
				return &kept
			}
			fmt.Fprintf(notes, "bcc: note: %s is damaged: what suits this machine is measured again by serve, worker and bcc resources --calibrate now\n", path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(notes, "bcc: note: %v\n", err)
		}
		if !f.measure {
			return nil
		}
	}
	found, err := resources.Calibrate(ctx, p.Devices[at], calibrateFor, f.try(b, machine))
	if err != nil || found.PatchesPerS <= 0 {
		return nil // whoever opens the model next says what is wrong with it
	}
	if data, err := s.Encode(found); err == nil {
		if err := disk.Write(path, data); err != nil {
			fmt.Fprintf(notes, "bcc: note: what was measured of this machine is not kept: %v\n", err)
		}
	}
	return &found
}

// try measures the engine alone, on black patches, as the walk would run it.
func (f *engineFlags) try(b *model.Bundle, machine resources.Machine) resources.Try {
	return func(ctx context.Context, batch, runners int, during time.Duration) (float64, error) {
		wish := f.wish()
		wish.Measured = &resources.Measured{Batch: batch, Runners: runners}
		wish.Devices = []string{"cpu"}
		p, err := machine.Plan(facts(b), wish)
		if err != nil || p.Devices[0].Batch != batch || p.Devices[0].Runners != runners {
			return 0, err // memory has no room for it
		}
		m, err := openModel(b, p.Devices[0], *f)
		if err != nil {
			return 0, err
		}
		defer m.Close()
		if m.Info().Batch != batch {
			return 0, nil // the model has no choice
		}
		return patchesPerS(ctx, m, runners, during)
	}
}

// patchesPerS runs full batches on so many runners at once, one after the other.
func patchesPerS(ctx context.Context, m *ort.Model, runners int, during time.Duration) (float64, error) {
	var (
		wg      sync.WaitGroup
		batches atomic.Int64
		warm    sync.WaitGroup
		errs    = make([]error, runners)
		begun   time.Time
		begin   = make(chan struct{})
	)
	warm.Add(runners)
	for i := range runners {
		wg.Go(func() {
			r, err := m.NewRunner()
			if err == nil {
				defer r.Close()
				err = r.Again(ctx) // takes the memory that it needs
			}
			warm.Done()
			<-begin
			for err == nil && time.Since(begun) < during {
				if err = r.Again(ctx); err == nil {
					batches.Add(1)
				}
			}
			errs[i] = err
		})
	}
	warm.Wait()
	begun = time.Now()
	close(begin)
	wg.Wait()
	return float64(batches.Load()) * float64(m.Info().Batch) / time.Since(begun).Seconds(), errors.Join(errs...)
}
