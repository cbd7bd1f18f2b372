package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"bcc/blob"
	"bcc/cohort"
	"bcc/detect"
	"bcc/fault"
	"bcc/queue"
	"bcc/report"
	"bcc/worker"
)

// pool is a coordinator (queue, ledger, store, all in this process and with every
// write synced) and workers over stub engines.
type pool struct {
	dir     string
	store   string
	queue   *queue.Queue
	ledger  *cohort.Ledger
	engines []*stubEngine

	stop    context.CancelFunc
	workers errgroup.Group
}

// openPool opens a coordinator in a folder of its own, which close takes away.
func openPool(ctx context.Context) (_ *pool, err error) {
	p := &pool{}
	if p.dir, err = os.MkdirTemp("", "bcc-bench-fleet-"); err != nil {
		return nil, fault.New(fault.Unavailable, "%w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	p.store = filepath.Join(p.dir, "store")
	store, err := blob.Folder(p.store)
	if err != nil {
		return nil, err
	}
	if p.queue, err = queue.Open(ctx, queue.Config{Dir: filepath.Join(p.dir, "queue")}); err != nil {
		return nil, err
	}
	cfg := cohort.DefaultConfig()
	cfg.Store, cfg.Queue = store, p.queue
	p.ledger, err = cohort.Open(ctx, cfg)
	return p, err
}

// stubConfig is what a stub's results are named by.
func stubConfig() detect.Config {
	c := detect.DefaultConfig(stubPatchPx, 0.5)
	c.Outputs = 1
	c.Probability = func(row []float32) float32 { return row[0] }
	c.Model = report.Model{Name: "stub", Version: "0", SHA256: "0", PatchSizePx: stubPatchPx, MPPUM: 0.5}
	c.Program = report.Program{Name: "bcc", Version: "bench"}
	return c
}

// start adds a worker for each engine that is given by the time it takes for a patch.
func (p *pool) start(ctx context.Context, engines ...time.Duration) error {
	return p.startWith(ctx, len(engines), func(i int) worker.Model {
		e := newStubEngine(engines[i])
		p.engines = append(p.engines, e)
		return worker.Model{
			Detect: stubConfig(), Runners: 1, Devices: []string{"stub"},
			Examine: func(detect.Config) (worker.Examiner, error) { return stubExaminer{e}, nil },
		}
	})
}

// startWith adds n workers of the models that make gives.
func (p *pool) startWith(ctx context.Context, n int, model func(i int) worker.Model) error {
	ctx, stop := context.WithCancel(ctx)
	if p.stop != nil {
		stop()
		return fault.New(fault.Internal, "the pool's workers are started once")
	}
	p.stop = stop
	store, err := blob.Folder(p.store)
	if err != nil {
		return err
	}
	for i := range n {
		cfg := worker.DefaultConfig()
		cfg.Jobs = 2 // while one slide is opened or written the other is scored
		cfg.Scratch = filepath.Join(p.dir, "scratch")
		w, err := worker.New(cfg, model(i), store, p.queue, cohort.NewDesk(store, p.queue), nil)
		if err != nil {
			return err
		}
		p.workers.Go(func() error { return w.Run(ctx) })
	}
	return nil
}

// worked is the time that all engines have worked.
func (p *pool) worked() time.Duration {
	var sum time.Duration
	for _, e := range p.engines {
		sum += e.worked()
	}
	return sum
}

// submit has slides walked.
func (p *pool) submit(ctx context.Context, lane queue.Lane, slides []string) (id string, err error) {
	m := cohort.Manifest{Priority: lane}
	for _, sha := range slides {
		m.Slides = append(m.Slides, cohort.Slide{Name: sha[:8], SHA256: sha})
	}
	m, err = p.ledger.Submit(ctx, m)
	return m.ID, err
}

// await returns when a cohort is over; look hears how far it is a few times a second.
func (p *pool) await(ctx context.Context, id string, look func(cohort.Counts)) error {
	for {
		s, err := p.ledger.Summary(ctx, id)
		if err != nil {
			return err
		}
		if look != nil {
			look(s.Counts)
		}
		if s.Counts.Pending+s.Counts.Running == 0 {
			if s.Counts.Done != s.Counts.Submitted {
				return fault.New(fault.Internal, "of %d stub slides only %d are done", s.Counts.Submitted, s.Counts.Done)
			}
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// close ends all of it.
func (p *pool) close() error {
	var errs []error
	if p.stop != nil {
		p.stop()
		errs = append(errs, p.workers.Wait())
	}
	if p.ledger != nil {
		errs = append(errs, p.ledger.Close())
	}
	if p.queue != nil {
		errs = append(errs, p.queue.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}
